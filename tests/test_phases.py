"""Phases of a transposed axis: together they are the tap map."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tweakconv.geometry import AxisGeometry, AxisPhase, DilatedPhase


@given(
    size=st.integers(1, 9), kernel=st.integers(1, 9), step=st.integers(1, 6), dilation=st.integers(1, 6),
    lo=st.integers(-4, 12), hi=st.integers(-4, 12), flipped=st.booleans(),
)  # fmt: skip
def test_each_output_reads_in_its_phase_what_the_tap_map_says(
    size: int, kernel: int, step: int, dilation: int, lo: int, hi: int, flipped: bool
) -> None:
    try:
        axis = AxisGeometry(size, kernel, 1, dilation, lo, hi, input_dilation=step, flipped=flipped)
    except ValueError:
        assume(False)
    phases = AxisPhase.all_of(axis)
    assert len(phases) == step
    assert sorted(p.first + m * p.step for p in phases for m in range(p.outputs)) == list(range(axis.output))
    for phase in phases:
        for m in range(phase.outputs):
            read = {k: phase.start + m * phase.stride + t * phase.dilation for t, k in enumerate(phase.taps)}
            for k in range(kernel):
                pixel = axis.tap(phase.first + m * phase.step, k)
                assert (read[k] if 0 <= read.get(k, -1) < size else None) == pixel


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 5))
def test_an_axis_without_gaps_is_one_phase(size: int, kernel: int, stride: int, dilation: int, lo: int) -> None:
    axis = AxisGeometry(size, kernel, stride, dilation, lo, pad_hi=dilation * kernel)
    assert AxisPhase.all_of(axis) == (AxisPhase(0, 1, axis.output, range(kernel), -lo, stride, dilation),)


@given(
    size=st.integers(1, 12), kernel=st.integers(1, 6), stride=st.integers(1, 5), step=st.integers(1, 3),
    dilation=st.integers(1, 9), lo=st.integers(-4, 30), hi=st.integers(-4, 30), flipped=st.booleans(),
)  # fmt: skip
def test_outputs_of_a_stretch_meet_pixels_with_the_same_taps(
    size: int, kernel: int, stride: int, step: int, dilation: int, lo: int, hi: int, flipped: bool
) -> None:
    stride = 1 if step > 1 else stride
    try:
        axis = AxisGeometry(size, kernel, stride, dilation, lo, hi, input_dilation=step, flipped=flipped)
    except ValueError:
        assume(False)
    for phase in AxisPhase.all_of(axis):
        stretches = phase.stretches(size)
        assert [m for outputs, _ in stretches for m in outputs] == list(range(phase.outputs))
        for outputs, places in stretches:
            for m in outputs:
                met = {k for k in range(kernel) if axis.tap(phase.first + m * phase.step, k) is not None}
                assert {phase.taps[t] for t in places} == met


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(-3, 20),
    st.integers(-3, 20),
)
def test_some_outputs_by_themselves_and_the_share_of_taps_that_meet_pixels_are_the_tap_maps(
    size: int, kernel: int, stride: int, dilation: int, lo: int, hi: int
) -> None:
    try:
        axis = AxisGeometry(size, kernel, stride, dilation, lo, hi)
    except ValueError:
        assume(False)
    taps = [axis.taps(o) for o in range(axis.output)]
    some = range(axis.output // 3, axis.output - axis.output // 4)
    first, part = axis.within(some)
    for o in range(part.output):
        moved = tuple(None if pixel is None else first + pixel for pixel in part.taps(o))
        assert moved == taps[some[o]]
    assert part.output == len(some)
    assert first + part.input <= size
    met = sum(pixel is not None for each in taps for pixel in each)
    assert axis.met == pytest.approx(met / (axis.output * kernel))


@given(
    st.integers(1, 20), st.integers(1, 5), st.integers(1, 9), st.integers(-5, 30), st.integers(-5, 30), st.booleans()
)
def test_phases_of_a_dilated_axis_are_together_its_tap_map(
    size: int, kernel: int, dilation: int, lo: int, hi: int, flipped: bool
) -> None:
    try:
        axis = AxisGeometry(size, kernel, 1, dilation, lo, hi, flipped=flipped)
    except ValueError:
        assume(False)
    phases = DilatedPhase.all_of(axis)
    assert sorted(p.first + o * p.step for p in phases for o in range(p.axis.output)) == list(range(axis.output))
    for phase in phases:
        assert phase.axis.dilation == 1
        assert 0 <= phase.pixel + (phase.axis.input - 1) * phase.step < size
        for o in range(phase.axis.output):
            read = [None if i is None else phase.pixel + i * phase.step for i in phase.axis.taps(o)]
            place = slice(None, None, -1 if flipped else 1)
            assert tuple(read[place]) == axis.taps(phase.first + o * phase.step)


def test_phases_of_a_dilated_axis_go_one_position_at_a_time() -> None:
    with pytest.raises(ValueError, match="stride and input_dilation must be 1, received 2 and 1"):
        DilatedPhase.all_of(AxisGeometry(9, 3, stride=2, dilation=2))


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_taps_do_not_depend_on_the_size(size: int) -> None:
    def taps(size: int) -> list[tuple[range, int]]:
        axis = AxisGeometry(size, 5, 1, 2, 3, 9, input_dilation=3, flipped=True)
        return [(phase.taps, phase.start) for phase in AxisPhase.all_of(axis)]

    # Window place j is weight 4 - j and stands at first - 3 + 2j: for first 0 the multiples of 3 are at j = 0 and 3.
    assert taps(size) == [(range(4, -1, -3), -1), (range(3, -1, -3), 0), (range(2, -1, -3), 1)]


def test_gaps_under_a_stride_are_refused() -> None:
    with pytest.raises(ValueError, match="stride must be 1 with input_dilation 2, received 3"):
        AxisPhase.all_of(AxisGeometry(5, 3, stride=3, input_dilation=2))
