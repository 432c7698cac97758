"""What number comes out? The sum behind one output, worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from tweakconv.reference import FloatArray
from tweakconv.view.expression import show_number
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase, has_output, one_of
from tweakconv.view.practice.words import Slip, caught
from tweakconv.view.scene import Scene, make_scene
from tweakconv.view.values import some_weights

_FORM = Numbers((Field("value", "the number", -9999, 9999),))


@dataclass(frozen=True, slots=True)
class ValueCase:
    """A layer with the numbers of its seed, and one of its outputs."""

    layer: LayerCase
    output: tuple[int, int]

    def scene(self, **changes: object) -> Scene:
        """The layer as it is drawn, with some tweaks exchanged."""
        layer = self.layer.changed(**changes)
        return make_scene(layer.geometry(), seed=layer.seed)

    def value(self, scene: Scene) -> float | None:
        """The number that the output has in a scene; None where it has no such output."""
        row, column = self.output
        inside = row < scene.output.rows and column < scene.output.cols
        return scene.output.values[row][column] if inside else None


def _draw(level: int, draw: Random) -> ValueCase | None:
    """A signal first; then an image, with padding and strides; then dilation too."""
    seed = draw.randrange(10_000)
    if level == 1:
        kernel, stride = draw.randint(2, 4), draw.randint(1, 2)
        layer = LayerCase((draw.randint(4, 8),), (kernel,), (stride,), seed=seed)
    elif level == 2:
        stride = draw.randint(1, 2)
        padding = one_of(draw, "valid", "same", ((1, 1), (1, 1)))
        layer = LayerCase(
            (draw.randint(3, 5), draw.randint(3, 6)), (2, draw.randint(2, 3)), (stride, stride), padding, seed=seed
        )
    else:
        rates = draw.randint(1, 2), 2
        padding = one_of(draw, "valid", "same")
        layer = LayerCase(
            (draw.randint(4, 6), draw.randint(5, 7)), (2, 3), (draw.randint(1, 2), 1), padding, rates, seed=seed
        )
    if not has_output(layer):
        return None
    *_, columns = sizes = layer.geometry().output_size
    rows = sizes[0] if len(sizes) == 2 else 1
    weights = _weights(layer)
    # A kernel of few weights, or one that reads the same when turned round, asks too little.
    dull = (weights == weights[::-1, ::-1]).all() or 2 * np.count_nonzero(weights) < weights.size
    return None if dull else ValueCase(layer, (draw.randrange(rows), draw.randrange(columns)))


def _weights(layer: LayerCase) -> FloatArray:
    """The weights that a scene of this seed has."""
    rows, columns = layer.kernel_size if len(layer.kernel_size) == 2 else (1, *layer.kernel_size)
    weights: FloatArray = some_weights(layer.seed, 0, [0], rows, columns)[0]
    return weights


def _table(values: Sequence[Sequence[float]]) -> list[str]:
    """Numbers in columns."""
    width = max(len(show_number(value)) for row in values for value in row)
    return ["  " + "  ".join(show_number(value).rjust(width) for value in row) for row in values]


def _ask(case: ValueCase) -> Question[dict[str, int]]:
    scene = case.scene()
    row, column = case.output
    where = str(column) if scene.geometry.rank == 1 else f"row {row}, column {column}"
    code = ("input", *_table(scene.input.values), "kernel", *_table(scene.kernel.values))
    return Question("What number is this output?", _FORM, (*case.layer.given(), ("output", where)), code)


def _judge(case: ValueCase, answer: dict[str, int]) -> Ruling:
    scene = case.scene()
    if answer["value"] == case.value(scene):
        return Ruling(True)
    return caught(answer["value"], _slips(case), "Multiply each weight by the pixel under it, and add.")


def _slips(case: ValueCase) -> Iterator[Slip]:
    scene = case.scene()
    geometry = scene.geometry
    flipped = make_scene(geometry, seed=case.layer.seed, kernel_values=_weights(case.layer)[::-1, ::-1])
    yield Slip(
        "flipped",
        case.value(flipped),
        "You turned the kernel round, as mathematicians do. Networks do not: the first weight meets the first pixel.",
    )
    ones = tuple(1 for _ in geometry.axes)
    if max(case.layer.dilation_rate) > 1:
        yield Slip(
            "no_dilation",
            case.value(case.scene(dilation_rate=ones, padding=geometry.pads)),
            f"The taps stand {max(case.layer.dilation_rate)} apart: the pixels between them are left out.",
        )
    if max(case.layer.strides) > 1:
        unstrided = case.scene(strides=ones, padding=geometry.pads)
        yield Slip("no_stride", case.value(unstrided), "The window moves by the stride from one output to the next.")
    if any(map(any, geometry.pads)) and has_output(case.layer.changed(padding="valid")):
        unpadded = case.scene(padding="valid")
        yield Slip("no_padding", case.value(unpadded), "The first window begins in the padding, where there are zeros.")
    row, column = case.output
    for name, near in (
        ("above", (row - 1, column)),
        ("below", (row + 1, column)),
        ("left", (row, column - 1)),
        ("right", (row, column + 1)),
    ):
        if 0 <= near[0] < scene.output.rows and 0 <= near[1] < scene.output.cols:
            side = f"to the {name}" if name in ("left", "right") else name
            yield Slip(
                "neighbour",
                scene.output.values[near[0]][near[1]],
                f"That is the output one {side}: rows and columns count from 0.",
            )


def _explain(case: ValueCase, answer: dict[str, int] | None) -> Explanation:
    scene = case.scene()
    row, column = case.output
    step = row * scene.output.cols + column
    terms = scene.expression(step).terms
    first = terms[0]
    origin = (scene.rows.pixels[first.row], scene.cols.pixels[first.col])
    begins = (
        "in the padding"
        if None in origin
        else f"at pixel {origin[1]}"
        if scene.geometry.rank == 1
        else f"at row {origin[0]}, column {origin[1]}"
    )
    return Explanation(
        (
            f"The window of this output begins {begins}; each weight meets the pixel under it.",
            f"{scene.expression(step)}.",
        ),
        show_number(scene.output.values[row][column]),
        case.layer.state() | {"view": "flat"},
        step,
    )


def _solve(case: ValueCase) -> dict[str, int]:
    return {"value": int(case.value(case.scene()) or 0)}


KIND: Kind[ValueCase, dict[str, int]] = Kind(
    "value",
    "What number comes out?",
    "Multiply and add by hand, once.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
