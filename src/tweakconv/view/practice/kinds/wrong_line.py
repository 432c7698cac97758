"""Spot the wrong line: Keras code in which one comment is wrong, or one layer is refused."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tweakconv.geometry import ConvGeometry
from tweakconv.view.captions import by, printed
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Line
from tweakconv.view.practice.layer_case import LayerCase, one_of
from tweakconv.view.practice.words import AXES, size_slips

_FIRST = 3  # the line of the first layer


@dataclass(frozen=True, slots=True)
class CodeCase:
    """Layers in Keras, what the comment at each claims, and which one is wrong, from 0.

    `counts` says whether the comments claim parameters too. A claim is the size that comes out, with its channels,
    and the parameters with bias.
    """

    layers: tuple[LayerCase, ...]
    claims: tuple[tuple[int, ...], ...]
    wrong: int
    counts: bool


def _draw(level: int, draw: Random) -> CodeCase | None:
    """Kernels and strides first; then dilation and 'same'; then parameters, and what Keras refuses."""
    height = draw.randint(16, 48)
    size: tuple[int, ...] = (height, height if level == 1 else draw.randint(16, 48))
    channels, layers = draw.choice([1, 3]), []
    wrong = draw.randrange(3 + (level > 1))
    refused = level == 3 and draw.random() < 0.25
    for number in range(3 + (level > 1)):
        kernel, stride = draw.randint(2, 5), draw.randint(1, 2)
        rate = draw.randint(1, 3) if level > 1 and stride == 1 else 1
        if refused and number == wrong:
            stride, rate = 2, draw.randint(2, 3)
        filters = draw.choice([4, 8, 16, 32])
        layer = LayerCase(
            size,
            (kernel, kernel),
            (stride, stride),
            one_of(draw, "valid", "valid", "same"),
            (rate, rate),
            in_channels=channels,
            out_channels=filters,
        )
        try:
            size, channels = layer.geometry().output_size, filters
        except ValueError:
            return None
        layers.append(layer)
    claims = [_truth(layer.geometry()) for layer in layers]
    if not refused:
        slip = _plausible(layers[wrong], draw, counts=level == 3)
        if slip is None:
            return None
        claims[wrong] = slip
    return CodeCase(tuple(layers), tuple(claims), wrong, level == 3)


def _truth(geometry: ConvGeometry) -> tuple[int, ...]:
    return (*geometry.output_size, geometry.out_channels, geometry.parameters + geometry.out_channels)


def _plausible(layer: LayerCase, draw: Random, *, counts: bool) -> tuple[int, ...] | None:
    """What somebody who slips would claim."""
    geometry = layer.geometry()
    height, width, channels, parameters = _truth(geometry)
    if counts and draw.random() < 0.5:
        others = {geometry.parameters, parameters // layer.in_channels, geometry.multiply_adds} - {parameters}
        wide = ConvGeometry.of(
            layer.input_size,
            geometry.effective_kernel_size,
            padding="same",
            in_channels=layer.in_channels,
            out_channels=channels,
        )
        others |= {wide.parameters + channels} - {parameters}
        return height, width, channels, draw.choice(sorted(others))
    sizes = {size for size in _slipped(layer) if size != (height, width) and min(size) > 0}
    return (*draw.choice(sorted(sizes)), channels, parameters) if sizes else None


def _slipped(layer: LayerCase) -> dict[tuple[int, ...], str]:
    """The sizes that one slip along both axes leads to, and what to say of it in height."""
    axes = [{slip.mistake: slip for slip in size_slips(axis, layer.padding)} for axis in layer.geometry().axes]
    slips = ((axes[0][mistake], axes[1][mistake]) for mistake in axes[0] if mistake in axes[1])
    return {(height.answer, width.answer): height.hint for height, width in slips}


def _lines(case: CodeCase) -> tuple[str, ...]:
    first = case.layers[0]
    layers = []
    for layer, claim in zip(case.layers, case.claims, strict=True):
        words = [str(layer.out_channels), str(layer.kernel_size[0])]
        words += [f"strides={layer.strides[0]}"] if layer.strides[0] > 1 else []
        words += ['padding="same"'] if layer.padding == "same" else []
        words += [f"dilation_rate={layer.dilation_rate[0]}"] if layer.dilation_rate[0] > 1 else []
        comment = by(claim[:3]) + (f", {claim[3]:,} parameters" if case.counts else "")
        layers.append(f"    Conv2D({', '.join(words)}),  # {comment}")
    shape = (*first.input_size, first.in_channels)
    return ("model = Sequential([", f"    Input({shape}),", *layers, "])")


def _ask(case: CodeCase) -> Question[int]:
    what = "rows × columns × channels" + (", and parameters with bias" if case.counts else "")
    refused = ", or refused by Keras" if case.counts else ""
    return Question(
        f"Each comment claims what comes out of its line: {what}. One line is wrong{refused}. Which one?",
        Line(_lines(case)),
    )


def _refused(layer: LayerCase) -> bool:
    return max(layer.strides) > 1 and max(layer.dilation_rate) > 1


def _judge(case: CodeCase, answer: int) -> Ruling:
    if answer == case.wrong + _FIRST:
        return Ruling(True)
    number = answer - _FIRST
    if not 0 <= number < len(case.layers):
        return Ruling(False, f"Line {answer} claims nothing: look at the layers.", "no_layer")
    geometry = case.layers[number].geometry()
    formula = printed(geometry.axes[0].formula())
    hint = f"Line {answer} is right: {formula}"
    if len(set(geometry.axes)) > 1:
        hint += f" in height, {printed(geometry.axes[1].formula())} in width"
    if case.counts:
        hint += f", and {_count(geometry)}"
    return Ruling(False, f"{hint}.", "right_line")


def _count(geometry: ConvGeometry) -> str:
    taps = "·".join(map(str, geometry.kernel_size))
    total = geometry.parameters + geometry.out_channels
    return f"{taps}·{geometry.in_channels}·{geometry.out_channels} + {geometry.out_channels} = {total:,} parameters"


def _explain(case: CodeCase, answer: int | None) -> Explanation:
    layer, claim = case.layers[case.wrong], case.claims[case.wrong]
    geometry = layer.geometry()
    line = case.wrong + _FIRST
    if _refused(layer):
        sentences = [
            f"Line {line} has strides {layer.strides[0]} and dilation_rate {layer.dilation_rate[0]}: Keras refuses a "
            f"stride above 1 together with a dilation above 1, with a ValueError.",
            "The size in the comment is what such a layer would give, and what tweakconv gives.",
        ]
    elif claim[:2] != geometry.output_size:
        alike = len(set(geometry.axes)) == 1
        sentences = [f"Line {line} claims {by(claim[:2])}. It gives {by(geometry.output_size)}."]
        sentences += [
            f"{'Along each side' if alike else f'In {name}'}: {printed(axis.formula())}."
            for name, axis in zip(AXES[: 1 if alike else 2], geometry.axes, strict=False)
        ]
        sentences.append(_slipped(layer)[claim[0], claim[1]])
    else:
        sentences = [
            f"Line {line} claims {claim[3]:,} parameters.",
            f"It has {_count(geometry)}: kernel, input channels, output channels, and a bias for each output.",
        ]
    return Explanation(tuple(sentences), f"line {line}", layer.state())


def _solve(case: CodeCase) -> int:
    return case.wrong + _FIRST


KIND: Kind[CodeCase, int] = Kind(
    "wrong_line",
    "Spot the wrong line",
    "Read Keras code and check what it claims.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
