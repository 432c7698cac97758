"""Where each weight meets pixels, and the ways through a chain, against the tap map followed tap by tap."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tweakconv.geometry import AxisGeometry, ConvGeometry
from tweakconv.receptive_fields import Layer, receptive_field, relative_paths


@st.composite
def any_axis(draw: st.DrawFn, pixels: int | None = None, spacing: int = 1, *, plain: bool = False) -> AxisGeometry:
    pixels = draw(st.integers(1, 20)) if pixels is None else pixels
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    pad_lo, pad_hi = draw(st.integers(-3, 6)), draw(st.integers(-3, 6))
    assume(spacing * (pixels - 1) + 1 + pad_lo + pad_hi >= dilation * (kernel - 1) + 1)
    flipped = not plain and draw(st.booleans())
    return AxisGeometry(pixels, kernel, draw(st.integers(1, 5)), dilation, pad_lo, pad_hi, spacing, flipped)


@st.composite
def any_chain(draw: st.DrawFn, *, plain: bool = False) -> list[AxisGeometry]:
    chain = [draw(any_axis(plain=plain))]
    for _ in range(draw(st.integers(0, 3))):
        chain.append(draw(any_axis(pixels=chain[-1].output, plain=plain)))
    return chain


def followed(chain: list[AxisGeometry], outputs: range) -> Counter[int]:
    """The ways from each pixel to some outputs, by following every tap of every one."""
    ways = Counter(outputs)
    for axis in reversed(chain):
        before: Counter[int] = Counter()
        for o, count in ways.items():
            for pixel in axis.taps(o):
                if pixel is not None:
                    before[pixel] += count
        ways = before
    return ways


@given(st.sampled_from((1, 1, 2, 3, 4)).flatmap(lambda spacing: any_axis(spacing=spacing)))
def test_a_weight_meets_the_pixels_that_the_tap_map_says(axis: AxisGeometry) -> None:
    for k in range(axis.kernel):
        expected = [(o, pixel) for o in range(axis.output) if (pixel := axis.tap(o, k)) is not None]
        outputs, pixels = axis.meetings(k)
        assert list(zip(outputs, pixels, strict=True)) == expected


def test_there_are_meetings_of_weights_only() -> None:
    with pytest.raises(IndexError, match="k must be at least 0 and below 3, received 3"):
        AxisGeometry(5, 3).meetings(3)


@given(any_chain(), st.data())
def test_ways_through_a_chain_are_those_found_by_following_each_tap(
    chain: list[AxisGeometry], data: st.DataObject
) -> None:
    output = data.draw(st.none() | st.integers(0, chain[-1].output - 1))
    outputs = range(chain[-1].output) if output is None else range(output, output + 1)
    ways = followed(chain, outputs)
    expected = np.array([ways[pixel] for pixel in range(chain[0].input)], float)
    np.testing.assert_allclose(relative_paths(chain, output), expected / max(expected.max(), 1), rtol=1e-12)


def test_ways_through_a_long_chain_stay_finite_and_none_is_lost() -> None:
    chain = [AxisGeometry(300, 32, pad_lo=15, pad_hi=16)] * 64
    ways = relative_paths(chain, 150)
    assert np.isfinite(ways).all()
    assert ways.max() == 1
    assert (ways > 0).all()


def test_an_output_that_is_not_there_has_no_ways() -> None:
    with pytest.raises(IndexError, match="output must be at least 0 and below 3, received 3"):
        relative_paths([AxisGeometry(5, 3)], 3)


@given(any_chain(plain=True))
def test_a_chain_as_one_layer_has_the_fields_of_the_chain(chain: list[AxisGeometry]) -> None:
    """From the first to the last position that the taps lead to, followed through the padding too."""
    field = receptive_field([ConvGeometry((axis,)) for axis in chain], input_size=chain[0].input)
    (one,) = field.as_one_layer(chain[0].input)
    assert one.output == chain[-1].output
    for o in range(one.output):
        first = last = o
        for axis in reversed(chain):  # positions may lie in the padding, where no output begins
            first = first * axis.stride - axis.pad_lo
            last = last * axis.stride - axis.pad_lo + (axis.kernel - 1) * axis.dilation
        assert (one.first(o), one.first(o) + one.effective_kernel - 1) == (first, last)
        assert (o in one.interior) == (first >= 0 and last < chain[0].input)


def test_fields_without_an_input_size_have_no_place() -> None:
    with pytest.raises(ValueError, match="input_size must be given"):
        receptive_field([Layer(3, strides=2, padding="same")]).as_one_layer(28)
