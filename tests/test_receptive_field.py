"""Receptive fields, against published networks and against impulses sent through the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tweakconv import reference
from tweakconv.geometry import ConvGeometry
from tweakconv.receptive_field import Layer, receptive_field

NAMES = ("valid", "same", "same_lower", "full", "causal")


def seen(layers: list[Layer], size: int) -> list[list[int]]:
    """For each output of a chain the pixels that reach it: those whose impulse does."""
    signal = np.eye(size)[:, :, None]
    for layer in layers:
        ones = np.ones((layer.kernel_size, 1, 1))
        signal = reference.conv(
            signal, ones, None, layer.strides, layer.padding, dilation_rate=layer.dilation_rate
        )
    return [np.flatnonzero(signal[:, o, 0]).tolist() for o in range(signal.shape[1])]


@st.composite
def any_chain(draw: st.DrawFn) -> list[Layer]:
    padding = st.sampled_from(NAMES) | st.integers(0, 3) | st.tuples(st.tuples(st.integers(-1, 3), st.integers(-1, 3)))
    return [
        Layer(draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(padding), draw(st.integers(1, 3)))
        for _ in range(draw(st.integers(1, 3)))
    ]


@given(any_chain(), st.integers(1, 70))
def test_field_of_every_output_is_where_impulses_reach_it(layers: list[Layer], size: int) -> None:
    try:
        field = receptive_field(layers, size)
    except ValueError as error:  # the chain outgrows its input: the reference must say the same
        with pytest.raises(ValueError, match="there is no output"):
            seen(layers, size)
        assert "there is no output" in str(error)
        assume(False)
    (width,), (jump,), (start,) = field.size, field.jump, field.start
    assert start is not None
    for o, pixels in enumerate(seen(layers, size)):
        first = start + o * jump
        assert set(pixels) <= set(range(first, first + width))
