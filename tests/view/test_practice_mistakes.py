"""The particular mistakes: each wrong answer worked out by hand as somebody who makes that slip would."""

from __future__ import annotations

from typing import Any

import pytest

from tweakconv.view.practice.exercise import Ruling
from tweakconv.view.practice.kinds import (
    field,
    keep_size,
    output_size,
    parameters,
    reach_size,
    reads,
    same_pads,
    transposed,
    unread,
    value,
    which_paddings,
    who_reads,
    wrong_line,
)
from tweakconv.view.practice.layer_case import LayerCase


def square(size: int, kernel: int, stride: int = 1, padding: Any = "valid", rate: int = 1, **more: Any) -> LayerCase:
    padding = ((padding, padding),) * 2 if isinstance(padding, int) else padding
    return LayerCase((size, size), (kernel, kernel), (stride, stride), padding, (rate, rate), **more)


def both(size: int) -> dict[str, int]:
    return {"height": size, "width": size}


@pytest.mark.parametrize(
    ("case", "answer", "mistake"),
    [
        (square(28, 3, 3, padding=1), 9, "no_plus_one"),  # (28 - 3 + 2) / 3 = 9
        (square(28, 3, 3, padding=1), 6, "misprint"),  # floor(27 / 4), as a lecture prints it
        (square(28, 3, 3, padding=1), 28, "no_stride"),
        (square(28, 3, 2), 14, "rounded_up"),  # 25 / 2 = 12.5, rounded up
        (square(20, 5, 1, padding=2), 18, "padding_once"),  # 20 - 5 + 2 + 1
        (square(20, 5, 1, padding=2), 16, "no_padding"),
        (square(20, 3, 1, rate=4), 18, "no_dilation"),  # 20 - 3 + 1
        (square(20, 3, 1, rate=4), 9, "dilation_times_kernel"),  # 20 - 12 + 1
        (square(28, 3, 2, padding="same"), 28, "same_keeps"),
    ],
)
def test_slips_on_the_way_to_a_size_are_recognised(case: LayerCase, answer: int, mistake: str) -> None:
    ruling = output_size.KIND.judge(case, both(answer))
    assert (ruling.right, ruling.mistake) == (False, mistake)
    assert ruling.hint


def test_the_axis_on_which_a_size_is_wrong_is_named() -> None:
    case = LayerCase((28, 20), (3, 3), (3, 1), ((1, 1), (0, 0)))
    assert output_size.KIND.judge(case, {"height": 10, "width": 18}).right
    wrong = output_size.KIND.judge(case, {"height": 10, "width": 17})
    assert wrong.mistake == "no_plus_one"
    assert wrong.hint is not None
    assert wrong.hint.startswith("In width: 17 is the number of steps.")
    assert output_size.KIND.judge(case, {"height": 18, "width": 10}).mistake == "swapped"
    assert output_size.KIND.judge(case, {"height": 5000, "width": 18}).hint == "In height: 5000 is too many."


@pytest.mark.parametrize(
    ("case", "answer", "mistake"),
    [
        (square(20, 5), {"padding": 4}, "whole_on_each_side"),  # E - 1 = 4 for both ends
        (square(20, 5), {"padding": 0}, "none"),
        (square(20, 5, rate=3), {"padding": 2}, "no_dilation"),  # half of 5 - 1; it spans 13
        (LayerCase((20,), (4,), (1,)), {"before": 2, "after": 2}, "half_of_kernel"),  # 4 zeros where 3 are needed
        (square(4, 7, rate=3), {"padding": 2}, "no_output"),  # spans 19, and 8 pixels are there
    ],
)
def test_slips_in_keeping_the_size_are_recognised(case: LayerCase, answer: dict[str, int], mistake: str) -> None:
    assert keep_size.KIND.judge(case, answer).mistake == mistake


def test_pytorchs_padding_is_not_same_at_stride_2() -> None:
    """On 28 pixels 'same' pads 0 and 1; padding=1 has the same size, and every window lies one pixel before."""
    case = LayerCase((28,), (3,), (2,), "same")
    assert same_pads.KIND.judge(case, {"before": 0, "after": 1}).right
    ruling = same_pads.KIND.judge(case, {"before": 1, "after": 1})
    assert ruling.mistake == "as_pytorch"
    assert ruling.hint == "That is PyTorch's padding=1, which gives the same size, but reads other pixels."


@pytest.mark.parametrize(
    ("case", "pads", "mistake"),
    [
        (LayerCase((28,), (3,), (2,), "same"), (1, 0), "wrong_end"),
        (LayerCase((27,), (5,), (3,), "same"), (2, 2), "stride_forgotten"),  # 8*3 + 5 - 27 = 2: one at each end
        (LayerCase((30,), (3,), (1,), "same", (4,)), (1, 1), "no_dilation"),
    ],
)
def test_slips_in_sharing_out_zeros_are_recognised(case: LayerCase, pads: tuple[int, int], mistake: str) -> None:
    ruling = same_pads.KIND.judge(case, {"before": pads[0], "after": pads[1]})
    assert ruling.mistake == mistake


def test_slips_in_marking_pixels_are_recognised() -> None:
    """A 2 x 2 kernel at stride 2 and dilation 2 over 7 x 7, padded by 1: output (1, 2) begins at row 1, column 3."""
    layer = LayerCase((7, 7), (2, 2), (2, 2), ((1, 1), (1, 1)), (2, 2))
    case = reads.OutputCase(layer, (1, 2))

    def judged(rows: list[int], columns: list[int]) -> Ruling:
        return reads.KIND.judge(case, frozenset((row, column) for row in rows for column in columns))

    assert judged([1, 3], [3, 5]).right
    assert judged([0, 2], [1, 3]).mistake == "no_stride"
    assert judged([2, 4], [4, 6]).mistake == "no_padding"
    assert judged([1, 2], [3, 4]).mistake == "no_dilation"
    assert judged([1, 2, 3], [3, 4, 5]).mistake == "filled"
    assert judged([3, 5], [1, 3]).mistake == "swapped"
    assert judged([1, 3], [3]).hint == "2 pixels more should be marked."
    assert judged([1, 3], [3, 5, 6]).hint == "2 pixels should not be marked: nothing there meets a weight."
    assert judged([1, 4], [3, 5]).hint == "2 pixels should not be marked, and 2 pixels should."


def test_slips_in_following_a_pixel_are_recognised() -> None:
    """A 3 x 3 kernel of dilation 2 over 7 x 7: pixel (2, 3) is read by rows 0 and 2, columns 1 (and -1, 3: none)."""
    case = who_reads.PixelCase(LayerCase((7, 7), (3, 3), (1, 1), dilation_rate=(2, 2)), (2, 3))
    assert who_reads.KIND.judge(case, frozenset({(0, 1), (2, 1)})).right
    assert (
        who_reads.KIND.judge(case, frozenset({(0, 1), (2, 1), (1, 1)})).hint
        == "1 of those you marked does not read it."
    )
    assert who_reads.KIND.judge(case, frozenset({(0, 1)})).hint == "1 more does."
    dense = frozenset((row, column) for row in (0, 1, 2) for column in (1, 2))
    assert who_reads.KIND.judge(case, dense).mistake == "no_dilation"  # every window of 3 within 3 x 3 outputs
    padded = who_reads.PixelCase(LayerCase((5, 5), (3, 3), (1, 1), "same"), (2, 2))
    assert who_reads.KIND.judge(padded, frozenset({(2, 2)})).mistake == "only_same_place"
    shifted = frozenset((row, column) for row in (0, 1, 2) for column in (0, 1, 2))
    assert who_reads.KIND.judge(padded, shifted).mistake == "no_padding"


def test_slips_in_finding_unread_pixels_are_recognised() -> None:
    """Two taps 2 apart at stride 2 over 9 pixels: 1, 3, 5 and 7 are left out, and nothing lies behind the last."""
    case = LayerCase((9,), (2,), (2,), dilation_rate=(2,))

    def judged(*pixels: int) -> Ruling:
        return unread.KIND.judge(case, frozenset((0, pixel) for pixel in pixels))

    assert judged(1, 3, 5, 7).right
    assert judged().mistake == "none"
    assert judged(0, 2, 4, 6, 8).mistake == "inverted"
    assert judged(1, 2, 3, 5, 7).hint == "Pixel 2 is read, by output 0."
    assert judged(1, 3).hint == "2 more are never read. Look at where the taps of one window after another land."
    tail = LayerCase((10,), (2,), (3,), dilation_rate=(2,))  # outputs read 0 2, 3 5, 6 8; 9 lies behind the last
    assert unread.KIND.judge(tail, frozenset({(0, 1), (0, 4), (0, 7), (0, 9)})).right
    assert unread.KIND.judge(tail, frozenset({(0, 9)})).mistake == "no_dilation"


def test_slips_in_working_out_a_number_are_recognised() -> None:
    case = value.ValueCase(LayerCase((8,), (3,), (2,), seed=4), (0, 1))
    scene = case.scene()
    (pixels,), (weights,) = scene.input.values, scene.kernel.values

    def summed(first: int, taps: Any = weights) -> int:
        return int(sum(pixels[first + k] * weight for k, weight in enumerate(taps)))

    found = {"right": summed(2), "flipped": summed(2, weights[::-1]), "no_stride": summed(1), "neighbour": summed(4)}
    assert len(set(found.values())) == 4, "choose another seed: two slips lead to the same number"
    assert value.KIND.judge(case, {"value": found.pop("right")}).right
    for mistake, number in found.items():
        assert value.KIND.judge(case, {"value": number}).mistake == mistake
    assert value.KIND.judge(case, {"value": 999}).hint == "Multiply each weight by the pixel under it, and add."


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        ({"field": 11}, "sum_of_kernels"),  # 3 + 5 + 3
        ({"field": 9}, "no_stride"),  # 1 + 2 + 4 + 2
        ({"field": 29}, "stride_too_early"),  # 1 + 2*2 + 4*2 + 2*8: each stride before its own taps
        ({"field": 3}, "last_only"),
    ],
)
def test_slips_on_the_way_to_a_field_are_recognised(answer: dict[str, int], mistake: str) -> None:
    """3 at stride 2, 5, 3 at stride 4: 1 + 2 + 4*2 + 2*2 = 15."""
    case = field.StackCase(((3, 2, 1), (5, 1, 1), (3, 4, 1)), 2)
    assert field.KIND.judge(case, {"field": 15}).right
    assert field.KIND.judge(case, answer).mistake == mistake


def test_holes_in_a_field_are_asked_for_apart() -> None:
    """Three layers of 3 at dilation 2 see 13 and read 7; without dilation they would see 7."""
    case = field.StackCase(((3, 1, 2),) * 3, 3)
    assert field.KIND.judge(case, {"field": 13, "read": 7}).right
    assert field.KIND.judge(case, {"field": 13, "read": 13}).mistake == "holes"
    assert field.KIND.judge(case, {"field": 7, "read": 7}).mistake == "no_dilation"
    assert field.KIND.judge(case, {"field": 13, "read": 5}).hint is not None


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (3 * 3 * 4 * 6, "no_bias"),
        (3 * 3 * 8 * 6 + 6, "no_groups"),
        (3 * 3 * 4 * 3 + 6, "groups_twice"),
        (5 * 5 * 4 * 6 + 6, "dilated"),
        (3 * 3 * 6 + 6, "no_input_channels"),
        (3 * 3 * 4, "no_output_channels"),
        (3 * 3 * 4 * 6 * 49, "multiply_adds"),
    ],
)
def test_slips_in_counting_parameters_are_recognised(answer: int, mistake: str) -> None:
    """3 x 3 from 8 to 6 channels in 2 groups, dilation 2 and a bias, 7 x 7 outputs: 3*3*4*6 + 6 = 222."""
    layer = square(7, 3, padding="same", rate=2, in_channels=8, out_channels=6, groups=2)
    case = parameters.ParameterCase(layer, bias=True)
    assert parameters.KIND.judge(case, {"parameters": 222}).right
    assert parameters.KIND.judge(case, {"parameters": answer}).mistake == mistake


@pytest.mark.parametrize(
    ("case", "right", "answer", "mistake"),
    [
        (square(5, 4, 3, transposed=True), 16, 15, "times_stride"),
        (square(5, 4, 3, transposed=True), 16, 19, "one_step_too_many"),  # 5*3 + 4
        (square(5, 4, 3, transposed=True), 16, 1, "as_ordinary"),
        (square(5, 4, 3, padding=1, transposed=True), 14, 16, "no_padding"),
        (square(5, 3, 2, padding=1, rate=3, transposed=True), 13, 9, "no_dilation"),
        (square(5, 3, 2, padding=1, output_padding=(1, 1), transposed=True), 10, 9, "no_output_padding"),
    ],
)
def test_slips_in_enlarging_are_recognised(case: LayerCase, right: int, answer: int, mistake: str) -> None:
    assert transposed.KIND.judge(case, both(right)).right
    assert transposed.KIND.judge(case, both(answer)).mistake == mistake


def test_a_goal_that_is_missed_is_answered_with_the_size_and_a_direction() -> None:
    case = reach_size.GoalCase(28, 10, 3, 3)
    assert reach_size.KIND.judge(case, {"strides": 2, "padding": 0, "dilation_rate": 4}).right is False
    over = reach_size.KIND.judge(case, {"strides": 2, "padding": 0, "dilation_rate": 2})
    assert over.hint == (
        "That gives 12: E = 2·(3−1)+1 = 5, ⌊(28 − 5) / 2⌋ + 1 = ⌊23/2⌋ + 1 = 12. "
        "For 10, try larger strides or dilation."
    )
    one = reach_size.KIND.judge(case, {"strides": 2, "padding": 0, "dilation_rate": 3})
    assert one.mistake == "no_plus_one"  # floor(21 / 2) = 10 steps, 11 outputs
    assert reach_size.KIND.judge(case, {"strides": 1, "padding": 0, "dilation_rate": 12}).mistake == "wrong_size"
    assert reach_size.KIND.judge(case, {"strides": 3, "padding": 1, "dilation_rate": 1}).mistake == "condition"
    none = reach_size.KIND.judge(reach_size.GoalCase(12, 5, 5, 2), {"strides": 1, "dilation_rate": 5})
    assert none.mistake == "no_output"
    assert none.hint is not None
    assert none.hint.startswith("There is no output: kernel 5 with dilation 5 spans 21 pixels")


def test_a_size_reached_with_pixels_left_out_misses_the_condition() -> None:
    """Stride 2 with dilation 2 leaves out every other row, whatever the size."""
    case = reach_size.GoalCase(28, 13, 3, 3)
    ruling = reach_size.KIND.judge(case, {"strides": 2, "padding": 1, "dilation_rate": 2})
    assert ruling.mistake == "condition"
    assert ruling.hint is not None
    assert "not every pixel is read" in ruling.hint


def test_a_wrong_choice_of_paddings_is_answered_with_the_size_it_gives() -> None:
    case = which_paddings.PaddingCase(square(28, 3, 2), ("same", ((1, 1), (1, 1)), "valid"), (14, 14))
    assert which_paddings.KIND.judge(case, frozenset("ab")).right
    wrong = which_paddings.KIND.judge(case, frozenset("abc"))
    assert wrong.hint == 'padding="valid" gives 13 × 13: ⌊(28 − 3) / 2⌋ + 1 = ⌊25/2⌋ + 1 = 13.'
    assert which_paddings.KIND.judge(case, frozenset("a")).hint == "One more gives this size too."
    assert which_paddings.KIND.judge(case, frozenset()).hint == "2 more give this size too."
    told = which_paddings.KIND.explain(case, None).sentences
    assert told[-1] == "Those of the right size pad differently, so they do not read the same pixels."


def test_a_right_line_is_defended_with_its_numbers() -> None:
    layers = (square(28, 3, in_channels=1, out_channels=4), square(26, 3, 2, in_channels=4, out_channels=8))
    case = wrong_line.CodeCase(layers, ((26, 26, 4, 40), (13, 13, 8, 296)), 1, counts=True)
    assert wrong_line.KIND.judge(case, 4).right
    right = wrong_line.KIND.judge(case, 3)
    assert right.hint == "Line 3 is right: (28 − 3) / 1 + 1 = 26, and 3·3·1·4 + 4 = 40 parameters."
    assert wrong_line.KIND.judge(case, 1).mistake == "no_layer"
    assert wrong_line.KIND.explain(case, None).sentences == (
        "Line 4 claims 13 × 13. It gives 12 × 12.",
        "Along each side: ⌊(26 − 3) / 2⌋ + 1 = ⌊23/2⌋ + 1 = 12.",
        "Round down: after 11 steps another one of 2 does not fit any more.",
    )
