"""The inverse question, against trying everything."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.inverse import DILATION_RATES, KERNEL_SIZES, PADDINGS, STRIDES, find_geometries

Setting = tuple[int, int, int, int, int]


def as_settings(found: tuple[AxisGeometry, ...]) -> list[Setting]:
    return [(a.dilation, a.kernel, a.stride, a.pad_lo, a.pad_hi) for a in found]


def places(size: int, setting: Setting) -> int:
    """How often a window fits into a padded line, counted by moving it."""
    dilation, kernel, stride, lo, hi = setting
    end, count = dilation * (kernel - 1) + 1, 0
    while end <= size + lo + hi:
        end, count = end + stride, count + 1
    return count


BOUNDS = st.sets(st.integers(1, 6), min_size=1, max_size=4)
PADS = st.sets(st.integers(-2, 5), min_size=1, max_size=4)


@given(st.integers(1, 30), st.integers(1, 12), BOUNDS, BOUNDS, BOUNDS, PADS, st.booleans())
def test_it_finds_exactly_what_trying_everything_finds(
    size: int,
    outputs: int,
    kernels: set[int],
    strides: set[int],
    dilations: set[int],
    pads: set[int],
    symmetric: bool,
) -> None:
    found = find_geometries(
        size,
        outputs,
        kernel_size=kernels,
        strides=strides,
        dilation_rate=dilations,
        padding=pads,
        symmetric=symmetric,
    )
    tried = product(sorted(dilations), sorted(kernels), sorted(strides), sorted(pads), sorted(pads))
    assert as_settings(found) == [
        setting for setting in tried if (not symmetric or setting[3] == setting[4]) and places(size, setting) == outputs
    ]
    assert all((axis.input, axis.output) == (size, outputs) for axis in found)


def test_the_lecture_turns_28_into_10_with_kernel_3_stride_3_and_padding_1() -> None:
    assert AxisGeometry(28, 3, stride=3, pad_lo=1, pad_hi=1) in find_geometries(28, 10)


def test_a_number_settles_an_argument_and_others_keep_their_bounds() -> None:
    found = find_geometries(28, 10, kernel_size=3, dilation_rate=1)
    # floor((25 + 2p) / s) = 9: s = 3 needs 2 <= 2p <= 4.
    assert as_settings(found) == [(1, 3, 3, 1, 1), (1, 3, 3, 2, 2)]


def test_unequal_pads_are_found_when_asked_for() -> None:
    # "same" at stride 2 on an even size: an odd total padding.
    settings = {"kernel_size": 3, "strides": 2, "dilation_rate": 1, "padding": (0, 1)}
    assert as_settings(find_geometries(28, 14, **settings)) == [(1, 3, 2, 1, 1)]
    assert as_settings(find_geometries(28, 14, **settings, symmetric=False)) == [
        (1, 3, 2, 0, 1),
        (1, 3, 2, 1, 0),
        (1, 3, 2, 1, 1),
    ]


@pytest.mark.parametrize("name", ["valid", "same", "same_lower", "full", "causal"])
@pytest.mark.parametrize("outputs", [3, 8, 15])
def test_a_named_padding_finds_what_geometries_with_that_name_give(name: str, outputs: int) -> None:
    expected = []
    for dilation, kernel, stride in product(DILATION_RATES, KERNEL_SIZES, STRIDES):
        with suppress(ValueError):  # no output
            geometry = ConvGeometry.of(15, kernel, strides=stride, padding=name, dilation_rate=dilation)
            expected += [geometry.axes[0]] * (geometry.output_size == (outputs,))
    assert find_geometries(15, outputs, padding=name) == tuple(expected)


def test_the_bounds_that_the_documentation_promises_are_those_that_are_tried() -> None:
    doc = find_geometries.__doc__
    assert doc is not None
    assert "kernels of 1 to 7 taps, strides of 1 to 4, dilation rates of 1 to 4" in doc
    assert "0 to 3 pixels of padding" in doc
    bounds = {"kernel_size": range(1, 8), "strides": range(1, 5), "padding": range(4), "dilation_rate": range(1, 5)}
    assert find_geometries(28, 10) == find_geometries(28, 10, **bounds)  # type: ignore[arg-type]
    assert tuple(bounds.values()) == (KERNEL_SIZES, STRIDES, PADDINGS, DILATION_RATES)
    # Dilation 4 is in the bounds: 3 taps span 9 pixels, floor((28 - 9) / 2) + 1 = 10.
    assert AxisGeometry(28, 3, stride=2, dilation=4) in find_geometries(28, 10, kernel_size=3)


def test_where_nothing_fits_nothing_is_found() -> None:
    assert find_geometries(28, 29, padding=0) == ()
