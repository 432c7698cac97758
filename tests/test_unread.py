"""Pixels that no output reads, against the tap map read pixel by pixel."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tweakconv.geometry import AxisGeometry, ConvGeometry


@st.composite
def any_axis(draw: st.DrawFn, *, plain: bool = False) -> AxisGeometry:
    pixels, spacing = draw(st.integers(1, 30)), 1 if plain else draw(st.sampled_from((1, 1, 1, 2, 3, 4)))
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    pad_lo, pad_hi = draw(st.integers(-8, 8)), draw(st.integers(-8, 8))
    assume(spacing * (pixels - 1) + 1 + pad_lo + pad_hi >= dilation * (kernel - 1) + 1)
    return AxisGeometry(pixels, kernel, draw(st.integers(1, 9)), dilation, pad_lo, pad_hi, spacing)


def read(axis: AxisGeometry) -> set[int]:
    return {pixel for o in range(axis.output) for pixel in axis.taps(o) if pixel is not None}


def reason(axis: AxisGeometry, pixel: int) -> str:
    """Why a pixel is not read, by asking every tap of far more outputs than there are."""
    position = pixel * axis.input_dilation
    if position < axis.first(0):
        return "head"
    if position >= axis.first(axis.output - 1) + axis.effective_kernel:
        return "tail"
    landings = {axis.first(o) + k * axis.dilation for o in range(-200, 200) for k in range(axis.kernel)}
    return "gap" if position in landings else "lattice"


@given(any_axis())
def test_each_pixel_stands_under_the_one_reason_that_the_tap_map_gives(axis: AxisGeometry) -> None:
    expected = {pixel: reason(axis, pixel) for pixel in set(range(axis.input)) - read(axis)}
    unread = axis.unread()
    assert list(unread) == sorted(expected)
    assert len(unread) == len(expected)
    assert {pixel: unread.why(pixel) for pixel in range(axis.input)} == {
        pixel: expected.get(pixel) for pixel in range(axis.input)
    }
    reasons = list(expected.values())
    assert unread.counts() == {name: reasons.count(name) for name in ("head", "tail", "lattice", "gap")}


@given(any_axis(plain=True))
def test_the_tail_has_its_closed_form(axis: AxisGeometry) -> None:
    uncovered = (axis.input + axis.pad_lo + axis.pad_hi - axis.effective_kernel) % axis.stride - axis.pad_hi
    assert len(axis.unread().tail) == min(axis.input, max(0, uncovered))


@given(any_axis())
def test_there_is_a_lattice_only_where_taps_miss_positions_of_the_stride(axis: AxisGeometry) -> None:
    landings = min(axis.kernel, axis.stride // math.gcd(axis.stride, axis.dilation))
    if landings == axis.stride:
        assert axis.unread().lattice == ()


def test_stride_2_with_dilation_2_leaves_out_three_quarters_of_an_image() -> None:
    geometry = ConvGeometry.of((224, 224), 3, strides=2, dilation_rate=2, padding="same")
    assert [unread.counts()["lattice"] for unread in geometry.unread()] == [112, 112]
    assert geometry.unread_fraction() == 0.75


def test_every_pixel_of_a_plain_convolution_is_read() -> None:
    geometry = ConvGeometry.of((20, 30), 3, padding="same")
    assert geometry.unread_fraction() == 0
    assert not any(geometry.unread())


def test_what_prints_are_sentences_for_every_axis() -> None:
    tail = "Tail: pixel 27 lies behind the last window, where another step of 2 does not fit."
    unread = ConvGeometry.of((28, 29), 3, strides=2).unread()
    assert str(unread) == (
        f"axis 0 (height): 1 of 28 pixels is never read. {tail}\naxis 1 (width): Every one of the 29 pixels is read."
    )
    assert str(ConvGeometry.of((28, 28), 3, strides=2).unread()).startswith("on every axis: 1 of 28")
    assert str(ConvGeometry.of(28, 3, strides=2).unread()) == f"1 of 28 pixels is never read. {tail}"
    assert repr(unread) == f"(<1 of 28 pixels is never read. {tail}>, <Every one of the 29 pixels is read.>)"
    assert unread == tuple(axis.unread() for axis in ConvGeometry.of((28, 29), 3, strides=2).axes)


def test_a_long_axis_costs_no_more_than_a_short_one() -> None:
    unread = AxisGeometry(10**12 + 1, 3, stride=6, dilation=4, pad_lo=1).unread()
    # Taps 4 apart under steps of 6 land on all even remainders of 6, so every second position goes unread.
    assert unread.counts()["lattice"] == pytest.approx(10**12 / 2, abs=10)
    assert len(unread) == sum(unread.counts().values())


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        (AxisGeometry(28, 3), "Every one of the 28 pixels is read."),
        (
            AxisGeometry(28, 3, stride=2),
            "1 of 28 pixels is never read. "
            "Tail: pixel 27 lies behind the last window, where another step of 2 does not fit.",
        ),
        (
            AxisGeometry(12, 3, stride=2, pad_lo=-2, pad_hi=-2),
            "5 of 12 pixels are never read. Head: pixels 0 to 1 lie before the first window, cropped by the "
            "padding. Tail: pixels 9 to 11 lie behind the last window, cropped by the padding and where "
            "another step of 2 does not fit.",
        ),
        (
            AxisGeometry(9, 3, stride=2, dilation=2),
            "4 of 9 pixels are never read. Lattice: pixels 1, 3, 5, 7 lie where no tap lands, for stride 2 "
            "and dilation 2 share the factor 2.",
        ),
        (
            AxisGeometry(7, 2, stride=4, dilation=2),
            "3 of 7 pixels are never read. Lattice: pixels 1, 3, 5 lie where no tap lands, for stride 4 "
            "and dilation 2 share the factor 2.",
        ),
        (
            AxisGeometry(15, 2, stride=4, pad_hi=3),
            "7 of 15 pixels are never read. Lattice: pixels 2, 3, 6, 7, ... lie where no tap lands, for 2 "
            "taps cannot reach all of the 4 positions in a stride.",
        ),
        (
            AxisGeometry(4, 2, stride=2, dilation=3),
            "2 of 4 pixels are never read. Gap: pixels 1, 2 lie between taps 3 apart, where only a window "
            "before the first or behind the last would read.",
        ),
    ],
)
def test_the_explanation_names_the_pixels_and_the_reason(axis: AxisGeometry, words: str) -> None:
    assert axis.unread().explain() == str(axis.unread()) == words
