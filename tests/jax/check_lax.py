"""`conv_general_dilated` against lax's, whatever is asked of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from tweakconv.jax import conv_general_dilated

SPECS = {
    1: [None, ("NWC", "WIO", "NWC"), ("NCW", "WIO", "NWC"), ("CNW", "OIW", "WNC")],
    2: [None, ("NHWC", "HWIO", "NHWC"), ("NCHW", "HWIO", "NHWC"), ("HWNC", "OIHW", "NCHW"), ("NWHC", "HIWO", "CWNH")],
    3: [None, ("NDHWC", "DHWIO", "NDHWC"), ("NCDHW", "DHWIO", "NDHWC")],
}


def arrays(specs: Any, size: Any, kernel: Any, groups: int, channels: tuple[int, int], dtype: Any = np.float64) -> Any:
    """lhs and rhs in the orders that the dimension numbers say."""
    rank = len(size)
    lhs, rhs, _ = specs or ("NC" + "DHW"[-rank:], "OI" + "DHW"[-rank:], "")
    rng = np.random.default_rng(1)
    # lax counts spatial axes in the order of the letters of lhs.
    names = [c for c in lhs if c not in "NC"]
    sizes = dict(zip(names, size, strict=True)) | {"N": 2, "C": channels[0] * groups}
    tap = dict(zip(names, kernel, strict=True)) | {"I": channels[0], "O": channels[1] * groups}
    return (
        jnp.asarray(rng.standard_normal([sizes[c] for c in lhs]).astype(dtype)),
        jnp.asarray(rng.standard_normal([tap[c] for c in rhs]).astype(dtype)),
    )


def check(lhs: Any, rhs: Any, *arguments: Any, **more: Any) -> None:
    ours = conv_general_dilated(lhs, rhs, *arguments, **more)
    theirs = lax.conv_general_dilated(lhs, rhs, *arguments, **more)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)

    r = np.random.default_rng(2).standard_normal(theirs.shape)

    @jax.jit
    def gradients(a: Any, b: Any) -> Any:
        return [
            jax.grad(lambda a, b, of=of: (of(a, b, *arguments, **more) * r).sum(), (0, 1))(a, b)
            for of in (conv_general_dilated, lax.conv_general_dilated)
        ]

    for a, b in zip(*gradients(lhs, rhs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("rank", "specs"), [(rank, specs) for rank in SPECS for specs in SPECS[rank]], ids=str)
def test_every_order_of_axes(rank: int, specs: Any, groups: int) -> None:
    lhs, rhs = arrays(specs, (9, 7, 6)[:rank], (3, 2, 2)[:rank], groups, (3, 2))
    check(lhs, rhs, (2, 1, 1)[:rank], "SAME", None, (1, 2, 1)[:rank], specs, groups)


@pytest.mark.parametrize("padding", ["SAME", "VALID", "SAME_LOWER", "same", ((2, 0), (1, 3)), ((-1, 2), (0, -2))])
@pytest.mark.parametrize(("strides", "rates"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3)), ((3, 2), (2, 1))])
def test_every_padding_stride_and_dilation(padding: Any, strides: Any, rates: Any) -> None:
    lhs, rhs = arrays(None, (11, 9), (3, 2), 1, (3, 4))
    check(lhs, rhs, strides, padding, rhs_dilation=rates)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((2, 3), (1, 2)), ((-1, 0), (4, -3)), ((7, 6), (0, 0))])
@pytest.mark.parametrize(
    ("strides", "spread"), [((1, 1), (2, 3)), ((1, 1), (1, 4)), ((2, 1), (3, 2)), ((3, 2), (2, 2))]
)
def test_pixels_that_stand_apart(strides: Any, spread: Any, padding: Any, groups: int) -> None:
    lhs, rhs = arrays(SPECS[2][1], (5, 6), (3, 2), groups, (2, 2))
    check(lhs, rhs, strides, padding, spread, (1, 2), SPECS[2][1], groups)


@settings(max_examples=25)
@given(st.data())
def test_any_convolution(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 3))

    def ints(least: int, most: int) -> Any:
        return data.draw(st.tuples(*[st.integers(least, most)] * rank))

    specs = data.draw(st.sampled_from(SPECS[rank]))
    size, kernel, strides, spread, rates = ints(2, 9), ints(1, 3), ints(1, 3), ints(1, 3), ints(1, 3)
    pads = data.draw(st.tuples(*[st.tuples(st.integers(-1, 4), st.integers(-1, 4))] * rank))
    groups = data.draw(st.integers(1, 3))
    lhs, rhs = arrays(specs, size, kernel, groups, (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))))
    arguments = (strides, pads, spread, rates, specs, groups)
    expected = lax.conv_general_dilated(lhs, rhs, *arguments)
    if expected.size == 0:
        with pytest.raises(ValueError, match=r"no output|cuts away the whole"):
            conv_general_dilated(lhs, rhs, *arguments)
        return
    ours = conv_general_dilated(lhs, rhs, *arguments)
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_types_are_those_of_lax(dtype: str) -> None:
    lhs, rhs = (a.astype(dtype) for a in arrays(None, (8, 9), (3, 3), 1, (3, 4)))
    for preferred in (None, "float32"):
        ours, theirs = (
            of(lhs, rhs, (1, 1), "SAME", preferred_element_type=preferred)
            for of in (conv_general_dilated, lax.conv_general_dilated)
        )
        assert ours.dtype == theirs.dtype
        tolerance = {"float16": 1e-2, "bfloat16": 1e-1, "float32": 1e-5}[dtype]
        np.testing.assert_allclose(ours.astype("float32"), theirs.astype("float32"), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("change", "error", "says"), [
    ({"batch_group_count": 2}, ValueError, "batch_group_count: received 2; only 1 is computed"),
    ({"padding": "FULL"}, ValueError, "padding: received 'FULL'; choose one of 'VALID', 'SAME'"),
    ({"padding": "SAME", "lhs_dilation": (2, 2)}, ValueError, "write a .lo, hi. pair for each axis"),
    ({"window_strides": (0, 1)}, ValueError, "window_strides must be at least 1, received 0"),
    ({"feature_group_count": 3}, ValueError, "groups: received 3, which does not divide"),
    ({"rhs": np.ones((4, 5, 2, 2))}, ValueError, "has 4 channels.*the kernel takes 5"),
    ({"rhs": np.ones((4, 4, 2, 2), np.float32)}, TypeError, "rhs: received dtype float32; lhs has float64, convert it"),
    ({"lhs": np.ones((2, 4, 6, 6), int), "rhs": np.ones((4, 4, 2, 2), int)}, TypeError, "lhs: received dtype int64"),
    ({"lhs": np.ones((2, 4))}, ValueError, "both must have 3, 4 or 5 axes"),
    ({"rhs": np.ones((4, 4, 9, 2))}, ValueError, "kernel 9.*no output"),
])  # fmt: skip
def test_mistakes_are_answered_with_what_was_received(change: Any, error: type, says: str) -> None:
    arguments = {"lhs": np.ones((2, 4, 6, 6)), "rhs": np.ones((4, 4, 2, 2)), "window_strides": (1, 1),
                 "padding": "VALID", **change}  # fmt: skip
    with pytest.raises(error, match=says):
        conv_general_dilated(**arguments)
