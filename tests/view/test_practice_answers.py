"""The answers of each kind against oracles that know nothing of the geometry: counting, PyTorch and Keras."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tweakconv.view.practice import LEVELS, check, make_exercise, solve
from tweakconv.view.practice.deck import deal
from tweakconv.view.practice.layer_case import LayerCase, Padding
from tweakconv.view.practice.service import KINDS

SEEDS = st.integers(0, 2**31)
every_level = pytest.mark.parametrize("level", LEVELS)
Pair = tuple[int, int]


def span(kernel: int, rate: int) -> int:
    return len(range(0, (kernel - 1) * rate + 1))


def counted(size: int, kernel: int, stride: int, rate: int, pads: Pair) -> int:
    """Windows, counted one by one as they are moved along the padded pixels."""
    places = range(-pads[0], size + pads[1])
    starts = itertools.count(-pads[0], stride)
    return sum(1 for _ in itertools.takewhile(lambda start: start + (kernel - 1) * rate in places, starts))


def pads_of(padding: Padding, size: int, kernel: int, stride: int, rate: int, axis: int) -> Pair:
    """What names mean, found by adding one zero after the other."""
    if not isinstance(padding, str):
        return padding[axis]
    if padding == "full":
        return (kernel - 1) * rate, (kernel - 1) * rate
    lo = hi = 0
    while padding in ("same", "same_lower") and counted(size, kernel, stride, rate, (lo, hi)) < -(-size // stride):
        at_end = lo == hi if padding == "same" else lo > hi
        lo, hi = (lo, hi + 1) if at_end else (lo + 1, hi)
    return lo, hi


def all_pads(case: LayerCase) -> list[Pair]:
    axes = zip(case.input_size, case.kernel_size, case.strides, case.dilation_rate, strict=True)
    return [pads_of(case.padding, *numbers, axis) for axis, numbers in enumerate(axes)]


def counted_size(case: LayerCase) -> tuple[int, ...]:
    axes = zip(case.input_size, case.kernel_size, case.strides, case.dilation_rate, all_pads(case), strict=True)
    return tuple(counted(*numbers) for numbers in axes)


def by_torch(case: LayerCase, image: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """A layer of one or two axes, over zeros put around by hand."""
    sides = [pad for pair in reversed(all_pads(case)) for pad in pair]
    convolve = F.conv2d if image.ndim == 2 else F.conv1d
    return convolve(
        F.pad(image, sides)[None, None], kernel[None, None], stride=case.strides, dilation=case.dilation_rate
    )[0, 0]


def touched(case: LayerCase) -> Iterator[tuple[tuple[int, ...], torch.Tensor]]:
    """Each pixel, and the outputs that change with it."""
    for pixel in itertools.product(*map(range, case.input_size)):
        image = torch.zeros(case.input_size)
        image[pixel] = 1
        yield pixel, by_torch(case, image, torch.ones(case.kernel_size)) != 0


def exercise_of(kind: str, level: int, seed: int) -> tuple[Any, Any]:
    """The case behind an exercise and the right answer that it gives."""
    return deal(KINDS[kind], level, seed), solve(kind, level, seed)


@every_level
@settings(max_examples=30)
@given(seed=SEEDS)
def test_the_size_that_comes_out_is_the_number_of_windows(level: int, seed: int) -> None:
    case, answer = exercise_of("output_size", level, seed)
    assert (answer["height"], answer["width"]) == counted_size(case)


@every_level
@settings(max_examples=15)
@given(seed=SEEDS, data=st.data())
def test_paddings_that_keep_the_size_are_right_and_no_others(level: int, seed: int, data: st.DataObject) -> None:
    case, right = exercise_of("keep_size", level, seed)
    answer = {name: max(0, value + data.draw(st.integers(-2, 2))) for name, value in right.items()}
    if "before" in answer:
        pads = [(answer["before"], answer["after"])]
    else:
        pads = [(side, side) for side in (list(answer.values()) * 2)[:2]]
    axes = zip(case.input_size, case.kernel_size, case.strides, case.dilation_rate, pads, strict=True)
    keeps = all(counted(*numbers) == numbers[0] for numbers in axes)
    assert check("keep_size", level, seed, answer).right == keeps
    assert check("keep_size", level, seed, right).right


@settings(max_examples=15)
@given(seed=SEEDS)
def test_zeros_at_both_ends_may_be_shared_in_any_way(seed: int) -> None:
    _, right = exercise_of("keep_size", 3, seed)
    total = right["before"] + right["after"]
    for before in range(total + 1):
        assert check("keep_size", 3, seed, {"before": before, "after": total - before}).right


@every_level
@settings(max_examples=15)
@given(seed=SEEDS)
def test_the_paddings_that_give_a_size_are_those_that_are_counted(level: int, seed: int) -> None:
    case, answer = exercise_of("which_paddings", level, seed)
    layers = [case.layer.changed(padding=padding) for padding in case.paddings]
    right = [chr(ord("a") + place) for place, layer in enumerate(layers) if counted_size(layer) == case.wanted]
    assert answer == right
    assert check("which_paddings", level, seed, right).right
    for letter in "abcd":
        assert not check("which_paddings", level, seed, sorted({letter} ^ set(right))).right


@every_level
@settings(max_examples=8)
@given(seed=SEEDS)
def test_pixels_that_an_output_reads_are_those_that_change_it(level: int, seed: int) -> None:
    case, answer = exercise_of("reads", level, seed)
    assert answer == [list(pixel) for pixel, outputs in touched(case.layer) if outputs[case.output]]


@every_level
@settings(max_examples=8)
@given(seed=SEEDS)
def test_outputs_that_read_a_pixel_are_those_that_change_with_it(level: int, seed: int) -> None:
    case, answer = exercise_of("who_reads", level, seed)
    outputs = dict(touched(case.layer))[case.pixel]
    assert answer == outputs.nonzero().tolist()


@every_level
@settings(max_examples=8)
@given(seed=SEEDS)
def test_unread_pixels_are_those_that_change_nothing(level: int, seed: int) -> None:
    case, answer = exercise_of("unread", level, seed)
    assert answer == [[0, *pixel] for pixel, outputs in touched(case) if not outputs.any()]


@every_level
@settings(max_examples=15)
@given(seed=SEEDS)
def test_the_number_that_comes_out_is_that_of_the_numbers_in_the_question(level: int, seed: int) -> None:
    """Read back from the text of the question, as a person reads it."""
    case, answer = exercise_of("value", level, seed)
    lines = make_exercise("value", level, seed).question.code
    assert lines is not None
    middle = lines.index("kernel")
    image, kernel = (
        torch.tensor([[float(word.replace("−", "-")) for word in line.split()] for line in part])
        for part in (lines[1:middle], lines[middle + 1 :])
    )
    if level == 1:
        image, kernel = image[0], kernel[0]
    y = by_torch(case.layer, image, kernel)
    assert answer == {"value": int(y[case.output] if y.ndim == 2 else y[case.output[1]])}


@every_level
@settings(max_examples=20)
@given(seed=SEEDS)
def test_same_puts_its_zeros_where_adding_one_after_the_other_does(level: int, seed: int) -> None:
    case, answer = exercise_of("same_pads", level, seed)
    assert (answer["before"], answer["after"]) == all_pads(case)[0]


@every_level
@settings(max_examples=4)
@given(seed=SEEDS)
def test_every_setting_that_reaches_the_size_is_right_and_no_other(level: int, seed: int) -> None:
    case = deal(KINDS["reach_size"], level, seed)
    judge = KINDS["reach_size"].judge
    fields = make_exercise("reach_size", level, seed).as_json()["answer"]["fields"]
    names = [field["name"] for field in fields]
    every = list(itertools.product(*(range(field["least"], field["most"] + 1) for field in fields)))
    right = 0
    for values in random.Random(seed).sample(every, min(len(every), 300)):
        answer = dict(zip(names, values, strict=True))
        stride, rate, pad = answer["strides"], answer.get("dilation_rate", 1), answer.get("padding", 0)
        starts = [start * stride - pad for start in range(counted(case.size, case.kernel, stride, rate, (pad, pad)))]
        reads = {start + k * rate for start in starts for k in range(case.kernel)}
        good = len(starts) == case.goal and (level == 1 or rate > 1) and (level < 3 or set(range(case.size)) <= reads)
        assert judge(case, answer).right == good, answer
        right += good
    assert judge(case, solve("reach_size", level, seed)).right


def test_28_comes_to_10_in_several_ways() -> None:
    """The classic: kernel 3 at stride 3 under padding 1, (28 - 3 + 2) / 3 + 1 = 10, and others beside it."""
    seeds = [
        (level, seed)
        for level in LEVELS
        for seed in range(400)
        if (case := deal(KINDS["reach_size"], level, seed)).size == 28 and case.goal == 10
    ]
    assert {level for level, _ in seeds} == set(LEVELS)
    case = next(
        case for level, seed in seeds if (case := deal(KINDS["reach_size"], level, seed)).kernel == 3 and level == 1
    )
    judge = KINDS["reach_size"].judge
    assert judge(case, {"strides": 3, "padding": 1}).right
    assert judge(case, {"strides": 3, "padding": 2}).right
    assert not judge(case, {"strides": 3, "padding": 0}).right


@every_level
@settings(max_examples=15)
@given(seed=SEEDS)
def test_the_field_is_what_the_taps_lead_back_to(level: int, seed: int) -> None:
    case, answer = exercise_of("field", level, seed)
    seen = {0}
    for kernel, stride, rate in reversed(case.layers):
        seen = {place * stride + k * rate for place in seen for k in range(kernel)}
    assert answer["field"] == max(seen) - min(seen) + 1
    assert answer.get("read", len(seen)) == len(seen)
    assert level < 3 or answer["read"] < answer["field"]


@every_level
@settings(max_examples=15)
@given(seed=SEEDS)
def test_parameters_are_those_that_pytorch_makes(level: int, seed: int) -> None:
    case, answer = exercise_of("parameters", level, seed)
    layer = case.layer
    made = torch.nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        dilation=layer.dilation_rate,
        groups=layer.groups,
        bias=case.bias,
    )
    assert answer == {"parameters": sum(parameter.numel() for parameter in made.parameters())}


@every_level
@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_transposed_convolution_is_as_large_as_the_windows_that_are_put_down(level: int, seed: int) -> None:
    case, answer = exercise_of("transposed", level, seed)
    for axis, name in enumerate(("height", "width")):
        stride, wide = case.strides[axis], span(case.kernel_size[axis], case.dilation_rate[axis])
        covered = {i * stride + k for i in range(case.input_size[axis]) for k in range(wide)}
        extra = case.output_padding[axis] if case.output_padding else 0
        expected = {
            "valid": max(covered) + 1 + max(stride - wide, 0),
            "same": case.input_size[axis] * stride,
        }
        if isinstance(case.padding, str):
            assert answer[name] == expected[case.padding]
        else:
            assert answer[name] == max(covered) + 1 - sum(case.padding[axis]) + extra


@every_level
def test_the_wrong_line_is_the_one_where_keras_disagrees(level: int) -> None:
    """The lines are run as they stand; Keras says what comes out of each, and refuses what it refuses."""
    import keras  # noqa: PLC0415 - costs seconds

    refused = 0
    for seed in range(12):
        lines = make_exercise("wrong_line", level, seed).as_json()["answer"]["lines"]
        x: Any = None
        wrong = []
        for number, line in enumerate(lines[1:-1], 2):
            code, _, claim = line.partition("  # ")
            size, _, parameters = claim.partition(", ")
            said = [int(word) for word in re.findall(r"\d+", size)]
            try:
                made = eval(code.strip().rstrip(","), {"Conv2D": keras.layers.Conv2D, "Input": keras.Input})
            except ValueError:
                wrong.append(number)
                refused += 1
                x = keras.Input(tuple(said))  # the lines behind it go on from what it claims
                continue
            if x is None:
                x = made
                continue
            x = made(x)
            count = int(parameters.split()[0].replace(",", "")) if parameters else made.count_params()
            if said != list(x.shape[1:]) or count != made.count_params():
                wrong.append(number)
        assert wrong == [solve("wrong_line", level, seed)], lines
        for number in range(1, len(lines) + 1):
            assert check("wrong_line", level, seed, number).right == (number in wrong)
    assert (refused > 0) == (level == 3)
