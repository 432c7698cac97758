"""Phases of a transposed axis: together they are the tap map."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tweakconv.geometry import AxisGeometry, AxisPhase


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
