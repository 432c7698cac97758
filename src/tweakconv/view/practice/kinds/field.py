"""How far does one output see? The receptive field of a stack, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tweakconv.receptive_fields import Layer, ReceptiveField, receptive_field
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.words import Slip, caught

_SEEN = Field("field", "pixels along one side of the field", 1)
_READ = Field("read", "of these, pixels that are read", 1)
_LARGEST = 64  # of a field that is drawn


@dataclass(frozen=True, slots=True)
class StackCase:
    """Layers as (kernel, stride, dilation), along each side of a square."""

    layers: tuple[tuple[int, int, int], ...]
    level: int

    def field(self, *, strides: bool = True, dilation: bool = True) -> ReceptiveField:
        """The field, or what it would be without strides or dilation."""
        return receptive_field(
            Layer(kernel, stride if strides else 1, 0, rate if dilation else 1) for kernel, stride, rate in self.layers
        )


def _draw(level: int, draw: Random) -> StackCase | None:
    """Kernels alone first; then strides; then dilation, and the holes it leaves."""
    count = draw.randint(2, 3 + (level > 1))
    layers = tuple(
        (
            draw.randint(2, 7) if level == 1 else draw.randint(2, 5),
            draw.randint(1, 2) if level > 1 else 1,
            draw.randint(1, 4) if level == 3 else 1,
        )
        for _ in range(count)
    )
    case = StackCase(layers, level)
    field = case.field()
    if field.size[0] > _LARGEST:
        return None
    if level == 2 and all(stride == 1 for _, stride, _ in layers[:-1]):
        return None
    return case if level < 3 or (field.coverage < 1 and any(rate > 1 for *_, rate in layers)) else None


def _ask(case: StackCase) -> Question[dict[str, int]]:
    form = Numbers((_SEEN, _READ) if case.level == 3 else (_SEEN,))
    given = tuple((f"layer {number}", _words(layer)) for number, layer in enumerate(case.layers, 1))
    text = "How many pixels of the input does one output of the last layer see, along one side of its field?"
    if case.level == 3:
        text += " And how many of these are really read?"
    return Question(text, form, given)


def _words(layer: tuple[int, int, int]) -> str:
    kernel, stride, rate = layer
    words = [f"kernel {kernel} × {kernel}"]
    words += [f"strides {stride}"] if stride > 1 else []
    words += [f"dilation rate {rate}"] if rate > 1 else []
    return ", ".join(words)


def _judge(case: StackCase, answer: dict[str, int]) -> Ruling:
    field = case.field()
    (size,), read = field.size, field.pixels_read
    if answer["field"] != size:
        more = "too many" if answer["field"] > size else "too few"
        return caught(answer["field"], _slips(case), f"{answer['field']} is {more}.")
    if answer.get("read", read) == read:
        return Ruling(True)
    if answer["read"] == size:
        return Ruling(
            False, "The field is right, but it has holes: not every pixel in it leads to the output.", "holes"
        )
    return Ruling(False, "The field is right. For the holes, follow the taps back, layer by layer.")


def _slips(case: StackCase) -> Iterator[Slip]:
    kernels = [kernel for kernel, _, _ in case.layers]
    yield Slip(
        "sum_of_kernels",
        sum(kernels),
        "You added the kernels. Each layer adds its kernel less one pixel, which it shares with those before.",
    )
    yield Slip("last_only", kernels[-1], "That is the kernel of the last layer; the layers before see more each.")
    yield Slip(
        "no_stride",
        case.field(strides=False).size[0],
        "You left out the strides: behind a stride of 2, neighbours lie 2 input pixels apart.",
    )
    yield Slip(
        "no_dilation",
        case.field(dilation=False).size[0],
        "You left out the dilation: taps that stand 2 apart reach twice as far.",
    )
    early = receptive_field(
        step for kernel, stride, rate in case.layers for step in (Layer(1, stride), Layer(kernel, 1, 0, rate))
    )
    yield Slip(
        "stride_too_early",
        early.size[0],
        "A layer's own stride does not spread its own taps; it spreads those of the layers behind it.",
    )


def _explain(case: StackCase, answer: dict[str, int] | None) -> Explanation:
    sentences = ["Before the first layer one pixel sees itself: field 1, and neighbours 1 apart (jump 1)."]
    before = receptive_field([], input_size=1)
    for number, (kernel, stride, rate) in enumerate(case.layers, 1):
        now = receptive_field(Layer(k, s, 0, d) for k, s, d in case.layers[:number])
        gap = f"{rate}·{before.jump[0]}" if rate > 1 else f"{before.jump[0]}"
        text = f"Layer {number}: {before.size[0]} + ({kernel} − 1)·{gap} = {now.size[0]}"
        if stride > 1:
            text += f"; its stride of {stride} makes the jump {now.jump[0]}"
        sentences.append(f"{text}.")
        before = now
    field = case.field()
    if field.coverage < 1:
        sentences.append(f"{field.pixels_read} of the {field.size[0]} are read; the taps step over the others.")
    solution = f"{field.size[0]}" + (f", of which {field.pixels_read} are read" if case.level == 3 else "")
    side = field.size[0] + 2 * field.jump[0]
    layers = [
        {"kernel_size": [k, k], "strides": [s, s], "padding": "same", "dilation_rate": [d, d]}
        for k, s, d in case.layers
    ]
    return Explanation(tuple(sentences), solution, layers={"input_size": [side, side], "layers": layers})


def _solve(case: StackCase) -> dict[str, int]:
    field = case.field()
    answer = {"field": field.size[0], "read": field.pixels_read}
    return answer if case.level == 3 else {"field": answer["field"]}


KIND: Kind[StackCase, dict[str, int]] = Kind(
    "field",
    "How far does one output see?",
    "Work out the receptive field of a few layers.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
