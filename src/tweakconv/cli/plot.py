"""``tweakconv plot``: the receptive field, the coverage and the sizes of a chain of layers, into a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import click

from tweakconv.cli.report import by, print_facts
from tweakconv.cli.values import padding_from, per_axis
from tweakconv.files import check_place, write_whole
from tweakconv.images import read_image
from tweakconv.picture import ImageFileError
from tweakconv.receptive_fields import Layer
from tweakconv.view.captions import tweaks_of
from tweakconv.view.chain import Chain
from tweakconv.view.chain_notes import notes_on_chain
from tweakconv.view.plotting import chain_over, plot_receptive_field

_FORMATS: Final = (".png", ".svg", ".pdf")
_DOTS: Final = 150  # per inch, of PNG
_WORDS: Final = {
    "strides": "strides",
    "stride": "strides",
    "padding": "padding",
    "dilation": "dilation_rate",
    "dilation-rate": "dilation_rate",
}

_EXAMPLES = """
\b
Examples:
  tweakconv plot --input 28 --layer "3 dilation=2" --layer "3 dilation=2" -o grid.png
  tweakconv plot --input 224x320 --layer "7 stride=2 padding=same" \\
            --layer "3 padding=same" --theme dark -o field.svg
  tweakconv plot --photo photo.jpg --layer "3x5 stride=2" --cell 10,20 -o seen.png
\b
A LAYER is the size of its kernel and what differs from a plain one: stride,
padding and dilation, written as for tweakconv size. FILE ends in .png, .svg
or .pdf.
"""


@click.command(name="plot", epilog=_EXAMPLES, short_help="Plot what a chain of layers sees.")
@click.option("--input", "-i", "input_text", metavar="SIZE", help="Size of the image: 28, or 224x320 (height x width).")
@click.option("--photo", metavar="IMAGE", type=click.Path(path_type=Path), help="A picture to plot over, in its size.")
@click.option(
    "--layer", "-l", "layer_texts", metavar="LAYER", multiple=True, required=True, help="Repeatable, first to last."
)
@click.option("--cell", metavar="ROW,COL", help="The output whose field is shown.  [default: in the middle]")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@click.option("--output", "-o", metavar="FILE", type=click.Path(path_type=Path), required=True, help="Where it goes.")
@click.option("--force", is_flag=True, help="Replace the file where it exists already.")
def command(
    *,
    input_text: str | None,
    photo: Path | None,
    layer_texts: tuple[str, ...],
    cell: str | None,
    theme: str,
    output: Path,
    force: bool,
) -> None:
    """Plot the receptive field and the coverage of a chain of layers over an image, and the sizes layer by layer."""
    _check_target(output, photo, force)
    if (input_text is None) == (photo is None):
        raise click.UsageError("Give the size of the image as --input, or a picture as --photo.")
    layers = [_layer(number, text) for number, text in enumerate(layer_texts, 1)]
    pixels = None if photo is None else read_image(photo).pixels
    size = None if input_text is None else per_axis("--input", input_text)
    place = None if cell is None else _cell(cell)
    figure = plot_receptive_field(layers, size, image=pixels, output=place, theme=theme)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=output.suffix.lower().removeprefix("."), dpi=_DOTS)
    try:
        write_whole(output, buffer.getvalue())
    except OSError as problem:
        raise ImageFileError(f"{output}: cannot be written ({problem.strerror or problem})") from None
    print_facts(_facts(chain_over(layers, size, pixels), output))


def _check_target(output: Path, photo: Path | None, overwrite: bool) -> None:
    """Refuse, before any work is done, a file that cannot or may not be written."""
    try:
        if output.suffix.lower() not in _FORMATS:
            ending = f"ends in {output.suffix!r}" if output.suffix else "has no ending"
            raise ImageFileError(f"the name {ending}, not in one of {', '.join(_FORMATS)}")
        check_place(output, photo, overwrite)
    except ImageFileError as problem:
        raise ImageFileError(f"{output}: {problem}") from None
    except OSError as problem:
        raise ImageFileError(f"{output}: cannot be written ({problem.strerror or problem})") from None


def _layer(number: int, text: str) -> Layer:
    """A layer as it is typed.

    Examples
    --------
    >>> _layer(1, "3x5 stride=2 padding=same")
    Layer((3, 5), strides=2, padding='same')
    """
    kernel, *words = text.split() or [""]
    try:
        arguments: dict[str, Any] = {"kernel_size": per_axis("the kernel of a --layer", kernel)}
        for word in words:
            name, _, value = word.partition("=")
            known = _WORDS.get(name.strip("-").lower())
            if known is None or not value:
                raise ValueError(f"a --layer takes stride=, padding= and dilation=, received {word!r}")
            arguments[known] = padding_from(value) if known == "padding" else per_axis(name, value)
        return Layer(**arguments)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"layer {number}: {problem}") from None


def _cell(text: str) -> tuple[int, int]:
    cell = per_axis("--cell", text)
    if isinstance(cell, int) or len(cell) != 2:
        raise ValueError(f"--cell must be ROW,COL, such as 10,20, received {text!r}")
    row, col = cell
    return row, col


def _facts(chain: Chain, output: Path) -> list[tuple[str, str]]:
    facts = [("image", by(chain.input_size))]
    for number, geometry in enumerate(chain.geometries, 1):
        field = chain.field(number)
        seen = f"sees {by(field.size)}" + (f" and reads {field.coverage:.0%} of it" if field.coverage < 1 else "")
        facts.append((f"layer {number}", f"{tweaks_of(geometry)}: {by(geometry.output_size)}; one output {seen}"))
    facts += [("note", note.text) for note in notes_on_chain(chain)]
    return [*facts, ("file", f"{output}, {output.stat().st_size / 1000:,.0f} kB")]
