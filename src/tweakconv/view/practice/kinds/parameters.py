"""How many parameters? Kernel, channels, groups and bias; nothing else counts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tweakconv.geometry import ConvGeometry
from tweakconv.view.captions import by
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase, has_output
from tweakconv.view.practice.words import Slip, caught

_FORM = Numbers((Field("parameters", "parameters", 1, 99_999_999),))


@dataclass(frozen=True, slots=True)
class ParameterCase:
    """A layer with its channels, and whether it has a bias."""

    layer: LayerCase
    bias: bool

    def count(self, geometry: ConvGeometry) -> int:
        """Weights and biases."""
        return geometry.parameters + (geometry.out_channels if self.bias else 0)


def _draw(level: int, draw: Random) -> ParameterCase | None:
    """Few channels first; then a bias, strides and dilation that change nothing; then groups."""
    side = draw.randint(8, 28)
    kernel = draw.randint(1, 5)
    kernels = (kernel, kernel) if level == 1 else (kernel, draw.randint(1, 5))
    if level == 1:
        layer = LayerCase(
            (side, side), kernels, (1, 1), in_channels=draw.randint(2, 10), out_channels=draw.randint(2, 10)
        )
        return ParameterCase(layer, bias=False)
    strides, rate = (draw.randint(1, 2),) * 2, draw.randint(1, 3)
    if level == 2:
        channels = draw.choice([1, 3, 8, 16, 32]), draw.choice([4, 8, 16, 32, 64])
        groups = 1
    else:
        groups = draw.choice([2, 4, 8, 16])
        channels = groups * draw.randint(1, 4), groups * draw.randint(1, 4)
    layer = LayerCase(
        (side, side),
        kernels,
        strides,
        "same",
        (rate, rate),
        in_channels=channels[0],
        out_channels=channels[1],
        groups=groups,
    )
    return ParameterCase(layer, bias=level == 2 or draw.random() < 0.5) if has_output(layer) else None


def _ask(case: ParameterCase) -> Question[dict[str, int]]:
    layer = case.layer
    given = [*layer.given(), ("input channels", str(layer.in_channels)), ("output channels", str(layer.out_channels))]
    given += [("groups", str(layer.groups))] if layer.groups > 1 else []
    given.append(("bias", "yes" if case.bias else "no"))
    return Question("How many parameters does the layer have?", _FORM, tuple(given))


def _judge(case: ParameterCase, answer: dict[str, int]) -> Ruling:
    geometry = case.layer.geometry()
    count, given = case.count(geometry), answer["parameters"]
    if given == count:
        return Ruling(True)
    return caught(given, _slips(case), f"{given:,} is too {'many' if given > count else 'few'}.")


def _slips(case: ParameterCase) -> Iterator[Slip]:
    layer, geometry = case.layer, case.layer.geometry()
    count, weights = case.count(geometry), geometry.parameters
    if case.bias:
        yield Slip(
            "no_bias", weights, f"The bias is missing: one more number for each of {layer.out_channels} outputs."
        )
    else:
        yield Slip("bias", weights + layer.out_channels, "This layer has no bias.")
    if layer.groups > 1:
        whole = layer.changed(groups=1).geometry()
        yield Slip(
            "no_groups",
            case.count(whole),
            f"In {layer.groups} groups, an output sees {layer.in_channels // layer.groups} of the {layer.in_channels} "
            f"input channels, not all of them.",
        )
        yield Slip(
            "groups_twice",
            weights // layer.groups + count - weights,
            "The groups share out the input channels only: every output channel still has its own kernel.",
        )
    if max(layer.dilation_rate) > 1:
        wide = layer.changed(
            kernel_size=geometry.effective_kernel_size, dilation_rate=(1, 1), padding="same"
        ).geometry()
        yield Slip("dilated", case.count(wide), "Dilation adds no weights: between the taps there is nothing.")
    one = layer.changed(in_channels=layer.groups).geometry()
    yield Slip(
        "no_input_channels", case.count(one), f"Each kernel reaches through {layer.in_channels} input channels too."
    )
    yield Slip(
        "no_output_channels",
        weights // layer.out_channels,
        f"Each of the {layer.out_channels} output channels has its own kernel.",
    )
    yield Slip(
        "multiply_adds",
        geometry.multiply_adds,
        f"Those are the multiplications. The same weights serve all of the {by(geometry.output_size)} outputs.",
    )


def _explain(case: ParameterCase, answer: dict[str, int] | None) -> Explanation:
    layer, geometry = case.layer, case.layer.geometry()
    share = layer.in_channels // layer.groups
    taps = math.prod(geometry.kernel_size)
    sentences = [
        f"One output channel has {by(layer.kernel_size)} = {taps} weights for each input channel that it sees: "
        f"{taps} · {share} = {taps * share}.",
        f"There are {layer.out_channels} output channels: {taps * share} · {layer.out_channels} = "
        f"{geometry.parameters:,}.",
    ]
    if layer.groups > 1:
        sentences.insert(
            0,
            f"In {layer.groups} groups, an output sees {layer.in_channels} / {layer.groups} = {share} input channels.",
        )
    if case.bias:
        sentences.append(
            f"The bias adds one for each: {geometry.parameters:,} + {layer.out_channels} = {case.count(geometry):,}."
        )
    sentences.append("The size of the image, strides, padding and dilation change nothing.")
    return Explanation(tuple(sentences), f"{case.count(geometry):,}", layer.state())


def _solve(case: ParameterCase) -> dict[str, int]:
    return {"parameters": case.count(case.layer.geometry())}


KIND: Kind[ParameterCase, dict[str, int]] = Kind(
    "parameters",
    "How many parameters?",
    "Count what a layer learns.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
