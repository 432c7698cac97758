"""Many layers, one after the other: sizes, what the border loses, the receptive field, warnings in words, a picture.

`many_layers` is the whole answer of the page's view of that name, plain data throughout::

    {"input_size": [28, 28],
     "layers": [                       # as far as the chain goes; one entry for each layer that has an output
       {"number": 1, "title": "28 × 28 → 14 × 14 · kernel 3 × 3 · stride 2 · padding 0+1",
        "kernel_size": [3, 3], "strides": [2, 2], "dilation_rate": [1, 1], "pads": [[0, 1], [0, 1]],
        "input_size": [28, 28], "output_size": [14, 14],
        "formula": ["size: ⌊(28 − 3 + 0 + 1) / 2⌋ + 1 = ⌊26/2⌋ + 1 = 14"],     # a line for each axis that differs
        "field": [3, 3], "jump": [2, 2], "start": [0, 0],      # of one output of this layer, in input pixels
        "coverage": 1.0, "pixels_read": 9, "pixels": 9,
        "border": [[1, 0], [1, 0]]}    # per axis: input pixels before the middle of the first field, behind the last's
     ],
     "error": null | {"layer": 4, "text": "..."},         # the layer that has no output; those before it are above
     "output": [7, 7],                 # the output of the last layer whose field is drawn
     "outputs": [14, 14],              # how many there are to choose from
     "border": {"valid": [[26, 26], ...], "same": [[28, 28], ...],   # the sizes, were every layer padded so
                "text": ["...", "..."]},
     "summary": "One output of layer 3 sees ...",
     "warnings": [{"layer": 2 | null, "kind": "layer" | "idle" | "gridding" | "larger" | "padding" | "unread",
                   "text": "..."}],    # see `tweakconv.view.chain_notes`
     "svg": "<svg ...>"}               # see `tweakconv.view.drawing.chain`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tweakconv.geometry.arguments import integer
from tweakconv.receptive_fields import Layer
from tweakconv.view.captions import by, formula_lines, title_of
from tweakconv.view.chain import Chain, Size
from tweakconv.view.chain_notes import notes_on_chain
from tweakconv.view.drawing.chain import draw_chain
from tweakconv.view.drawing.theme import Theme

_AXES = ("height", "width")


def many_layers(
    input_size: Sequence[int],
    layers: Iterable[Layer | Mapping[str, Any]],
    *,
    output: Sequence[int] | None = None,
    theme: Theme = "light",
    style: bool = True,
) -> dict[str, Any]:
    """What becomes of an image along a chain of layers.

    Parameters
    ----------
    input_size
        Height and width of the image.
    layers
        First to last: `tweakconv.Layer`, or its arguments.
    output
        Row and column of the last layer's output whose field is drawn; the middle one where None.
    theme, style
        Of the picture, as in `tweakconv.view.drawing.draw`.

    Returns
    -------
    dict
        As the module says.

    Raises
    ------
    ValueError
        Where a layer's arguments make no sense, or there is no such output. A layer that has no output is no
        error: the chain ends before it.
    TypeError
        Where something is not an integer.

    Examples
    --------
    >>> answer = many_layers((28, 28), [{"kernel_size": 3}, {"kernel_size": 3, "strides": 2, "padding": "same"}])
    >>> [layer["output_size"] for layer in answer["layers"]]
    [[26, 26], [13, 13]]
    >>> answer["summary"]
    'One output of layer 2 sees 5 × 5 pixels and reads every one of them; the next output sees what lies 2 pixels on.'
    """
    chain = Chain.of(input_size, layers)
    chosen = _output(chain, output)
    summary = _summary(chain)
    return {
        "input_size": list(chain.input_size),
        "layers": [_layer(chain, number) for number in range(1, len(chain.geometries) + 1)],
        "error": None if chain.stop is None else {"layer": chain.stop.layer, "text": chain.stop.text},
        "output": list(chosen),
        "outputs": list(chain.sizes[-1]),
        "border": _border(chain),
        "summary": summary,
        "warnings": [note._asdict() for note in notes_on_chain(chain)],
        "svg": draw_chain(chain, chosen, description=summary, theme=theme, style=style),
    }


def _output(chain: Chain, output: Sequence[int] | None) -> Size:
    rows, columns = chain.sizes[-1]
    if output is None:
        return rows // 2, columns // 2
    if len(output) != 2:
        raise ValueError(f"output must be a row and a column, received {output!r}")
    row, column = (integer("output", place, at_least=0, within=output) for place in output)
    if row >= rows or column >= columns:
        raise ValueError(f"output must lie within the {rows} rows and {columns} columns there are, received {output!r}")
    return row, column


def _layer(chain: Chain, number: int) -> dict[str, Any]:
    geometry = chain.geometries[number - 1]
    field = chain.field(number)
    return {
        "number": number,
        "title": title_of(geometry),
        "kernel_size": list(geometry.kernel_size),
        "strides": list(geometry.strides),
        "dilation_rate": list(geometry.dilation_rate),
        "pads": [list(sides) for sides in geometry.pads],
        "input_size": list(geometry.input_size),
        "output_size": list(geometry.output_size),
        "formula": list(formula_lines(geometry)),
        "field": list(field.size),
        "jump": list(field.jump),
        "start": list(field.start),
        "coverage": field.coverage,
        "pixels_read": field.pixels_read,
        "pixels": field.pixels,
        "border": [list(map(_plain, sides)) for sides in chain.borders(number)],
    }


def _border(chain: Chain) -> dict[str, Any]:
    """The sizes under "valid" and "same", and what they cost."""
    valid, same = chain.padded("valid"), chain.padded("same")
    sizes = {"valid": valid, "same": same}
    return {
        **{name: [list(size) for size in padded.sizes[1:]] for name, padded in sizes.items()},
        "text": [_valid_words(valid), _same_words(same)] if chain.layers else [],
    }


def _valid_words(chain: Chain) -> str:
    if chain.stop is not None:
        return f"With valid padding, layer {chain.stop.layer} would have no output: {chain.stop.text}."
    lost = [max(sides) for sides in chain.borders()]
    what = f"With valid padding {by(chain.input_size)} become {by(chain.sizes[-1])}"
    if not any(lost):
        return f"{what}; no border is lost."
    words = [f"{_plain(pixels)} in {name}" for pixels, name in zip(lost, _AXES, strict=True)]
    pixels = str(_plain(lost[0])) if lost[0] == lost[1] else " and ".join(words)
    return f"{what}: the outermost outputs stand {pixels} {'pixel' if pixels == '1' else 'pixels'} inside the image."


def _same_words(chain: Chain) -> str:
    what = f"With same padding {by(chain.input_size)} become {by(chain.sizes[-1])}"
    inner = tuple(len(axis.interior) for axis in chain.as_one_layer())
    if inner == chain.sizes[-1]:
        return f"{what}, and no output sees padding."
    if not all(inner):
        return f"{what}, and every output sees padding."
    return f"{what}; {by(inner)} of these outputs see no padding."


def _summary(chain: Chain) -> str:
    if not chain.geometries:
        return "No layer has an output yet." if chain.layers else "There is no layer yet."
    field = chain.field()
    read = "every one of them" if field.coverage == 1 else f"{field.pixels_read:,} of them"
    jump = str(field.jump[0]) if len(set(field.jump)) == 1 else by(field.jump)
    return (
        f"One output of layer {len(chain.geometries)} sees {by(field.size)} pixels and reads {read}; the next output "
        f"sees what lies {jump} {'pixel' if jump == '1' else 'pixels'} on."
    )


def _plain(number: float) -> float:
    """A whole number as one."""
    return int(number) if number == int(number) else number
