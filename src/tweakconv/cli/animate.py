"""``tweakconv animate``: a convolution drawn step by step, into a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import click

from tweakconv.cli.report import by, print_facts
from tweakconv.cli.values import padding_from, per_axis
from tweakconv.geometry import ConvGeometry, IntPerAxis
from tweakconv.geometry.arguments import rank_of
from tweakconv.kernels import Kernel, parse_kernel
from tweakconv.view.animation import animate, check_target, steps_of
from tweakconv.view.captions import formula_lines
from tweakconv.view.drawing import THEMES, VIEWS, Theme, View
from tweakconv.view.notes import notes_on
from tweakconv.view.scene import Scene, make_scene

_SIZE: Final = re.compile(r"\s*\d+(\s*[x×,]\s*\d+)*\s*")
_SHOWN_FROM: Final = 5  # frames; fewer are done before a progress bar is read

_EXAMPLES = """
\b
Examples:
  tweakconv animate --input 5 --kernel 3 --padding same --strides 2 -o same.svg
  tweakconv animate --input 7x5 --kernel 3x2 --dilation-rate 2x3 \\
            --padding 1:2,0:3 --view flat -o asymmetric.gif
  tweakconv animate --input 6 --kernel sobel-x --view flat -o sobel.svg
  tweakconv animate --input 3 --kernel 3 --strides 2 --transposed -o up.mp4
  tweakconv animate --input 8 --1d --kernel 3 --padding causal -o causal.svg
  tweakconv animate --input 5 --kernel 3 --step 4 --theme dark -o fifth.png
\b
FILE ends in .svg (an animation that is small, sharp, and runs in a README),
.gif, .mp4 (where an encoder is installed) or .png (one step).
\b
SIZE is one number for a square, or two as height x width (7x5). KERNEL is a
size too, or a kernel with its weights: a name (see tweakconv kernels) or a
matrix with rows ended by semicolons.
\b
PADDING is valid, same (the odd one at the end), same_lower (at the start),
full or, with --1d, causal; or a number for every side (1), one for height and
one for width (1,2), or low:high pairs (1:2,0:3). MODE is what lies in it:
zeros, edge, reflect, symmetric or wrap.
"""


@click.command(name="animate", epilog=_EXAMPLES, short_help="Draw a convolution step by step.")
@click.option("--input", "-i", "input_text", metavar="SIZE", required=True, help="Size of the input.")
@click.option("--kernel", "-k", "kernel_text", metavar="KERNEL", required=True, help="Its size, or itself.")
@click.option("--output", "-o", metavar="FILE", type=click.Path(path_type=Path), required=True, help="Where it goes.")
@click.option("--strides", "--stride", metavar="N", default="1", show_default=True, help="Window steps.")
@click.option("--padding", metavar="PADDING", default="valid", show_default=True, help="See below.")
@click.option("--padding-mode", metavar="MODE", default="zeros", show_default=True, help="See below.")
@click.option("--dilation-rate", "--dilation", metavar="N", default="1", show_default=True, help="Steps between taps.")
@click.option("--transposed", is_flag=True, help="A transposed convolution.")
@click.option("--output-padding", metavar="N", help="Positions added at its end.")
@click.option("--1d", "one_axis", is_flag=True, help="One axis: SIZE is a length.")
@click.option("--view", type=click.Choice(VIEWS), default="tilted", show_default=True, help="Flat has every number.")
@click.option("--theme", type=click.Choice(THEMES), default="auto", show_default=True, help="Auto works in SVG only.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the numbers in the cells.")
@click.option("--seconds", type=float, default=0.8, show_default=True, help="How long a step is shown.")
@click.option("--steps", "steps_text", metavar="FROM:TO", help="Some of the steps, counted from 0, TO left out.")
@click.option("--step", type=click.IntRange(min=0), help="One step, in .png or .svg.")
@click.option("--width", type=int, default=800, show_default=True, help="In pixels; not for SVG.")
@click.option("--no-caption", is_flag=True, help="Without sizes and formulas above.")
@click.option("--force", is_flag=True, help="Replace the file where it exists already.")
def command(
    *,
    input_text: str,
    kernel_text: str,
    output: Path,
    strides: str,
    padding: str,
    padding_mode: str,
    dilation_rate: str,
    transposed: bool,
    output_padding: str | None,
    one_axis: bool,
    view: str,
    theme: str,
    seed: int,
    seconds: float,
    steps_text: str | None,
    step: int | None,
    width: int,
    no_caption: bool,
    force: bool,
) -> None:
    """Draw a convolution step by step, in the tilted view everyone knows or with every number."""
    check_target(output, overwrite=force)
    kernel = None if _SIZE.fullmatch(kernel_text) else parse_kernel(kernel_text)
    geometry = _geometry(
        _each_axis("--input", input_text, one_axis),
        _each_axis("--kernel", kernel_text, one_axis) if kernel is None else _size_of(kernel, one_axis),
        strides=per_axis("--strides", strides),
        padding=padding,
        dilation_rate=per_axis("--dilation-rate", dilation_rate),
        output_padding=None if output_padding is None else per_axis("--output-padding", output_padding),
        transposed=transposed,
    )
    weights = None if kernel is None else kernel.weights
    scene = make_scene(geometry, seed=seed, kernel_values=weights, padding_mode=padding_mode)
    steps = None if steps_text is None else _steps(steps_text)
    with _progress(output, 1 if step is not None else len(steps_of(scene, steps))) as on_frame:
        try:
            animate(
                scene,
                output,
                view=cast(View, view),
                theme=cast(Theme, theme),
                step=step,
                steps=steps,
                seconds=seconds,
                width=width,
                caption=not no_caption,
                overwrite=force,
                on_frame=on_frame,
            )
        except RuntimeError as problem:  # of the video encoder, which says why
            raise click.ClickException(str(problem)) from None
    print_facts(_facts(scene, output))


def _geometry(
    size: IntPerAxis,
    taps: IntPerAxis,
    *,
    strides: IntPerAxis,
    padding: str,
    dilation_rate: IntPerAxis,
    output_padding: IntPerAxis | None,
    transposed: bool,
) -> ConvGeometry:
    pads = padding_from(padding, rank_of(size))
    if transposed:
        return ConvGeometry.transposed(
            size,
            taps,
            strides=strides,
            padding=pads,
            dilation_rate=dilation_rate,
            output_padding=output_padding,
        )
    if output_padding is not None:
        raise ValueError("--output-padding needs --transposed: only there can a size be one of several")
    return ConvGeometry.of(size, taps, strides=strides, padding=pads, dilation_rate=dilation_rate)


def _each_axis(name: str, text: str, one_axis: bool) -> tuple[int, ...]:
    """A size for each axis of the picture; one number is a square.

    Examples
    --------
    >>> _each_axis("--input", "5", False), _each_axis("--input", "7x5", False), _each_axis("--input", "5", True)
    ((5, 5), (7, 5), (5,))
    """
    size = per_axis(name, text)
    sizes = (size,) * (1 if one_axis else 2) if isinstance(size, int) else tuple(size)
    if len(sizes) != (1 if one_axis else 2):
        wanted = "one number with --1d" if one_axis else "one number or two"
        raise ValueError(f"{name} must be {wanted}, received {text!r}")
    return sizes


def _size_of(kernel: Kernel, one_axis: bool) -> tuple[int, ...]:
    """The size of a kernel that came with its weights."""
    rows, cols = kernel.weights.shape
    if one_axis and rows > 1:
        raise ValueError(f"--kernel must have one row with --1d, received {rows} x {cols} weights")
    return (cols,) if one_axis else (rows, cols)


def _steps(text: str) -> range:
    """Consecutive steps as they are typed.

    Examples
    --------
    >>> _steps("0:100")
    range(0, 100)
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", text)
    if found is None:
        raise ValueError(f"--steps must be FROM:TO, such as 0:100, received {text!r}")
    return range(int(found[1]), int(found[2]))


@contextmanager
def _progress(output: Path, frames: int) -> Iterator[Callable[[], object] | None]:
    """A bar on the terminal while frames are made, where somebody watches and there are many."""
    is_film = output.suffix.lower() in (".gif", ".mp4")
    if not (is_film and frames >= _SHOWN_FROM and sys.stderr.isatty()):
        yield None
        return
    with click.progressbar(length=frames, label="drawing", file=sys.stderr) as bar:
        yield lambda: bar.update(1)


def _facts(scene: Scene, output: Path) -> list[tuple[str, str]]:
    geometry = scene.geometry
    facts = [("output", f"{by(geometry.output_size)}, {scene.steps} step{'s' * (scene.steps > 1)}")]
    facts += [("formula", line) for line in formula_lines(geometry)]
    facts += [("note", note) for note in notes_on(geometry, scene.padding_mode)]
    facts.append(("file", f"{output}, {output.stat().st_size / 1000:,.0f} kB"))
    return facts
