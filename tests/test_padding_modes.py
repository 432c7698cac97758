"""Padding that continues the image, inside the compiled code: at any distance, in every layout, without a copy."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cases import DTYPES, FORMATS

from tweakconv import compile_conv2d, conv2d, filter2d, get_num_threads, reference, set_num_threads
from tweakconv.compiler.target import runnable_targets

INF, NAN = np.inf, np.nan
MODES = ("constant", "reflect", "symmetric", "edge", "wrap")
PADS = [((17, 9), (12, 11)), ((-1, 3), (2, -4)), ((-2, -1), (0, 0)), ((-4, 6), (0, 0)), ((0, 0), (40, 90))]


def arrays(data_format: str = "channels_last", channels: int = 2) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(3)
    x = rng.integers(-8, 9, (2, 5, 6, channels)).astype(np.float64)
    kernel = rng.integers(-8, 9, (2, 2, channels, 3)).astype(np.float64)
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x, kernel


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pads", PADS)
@pytest.mark.parametrize("data_format", FORMATS)
def test_padding_holds_what_numpy_pads_at_any_distance_and_where_an_end_is_cropped(
    data_format: str, pads: Any, mode: str
) -> None:
    # Positions count from the whole image, at whichever end it is cropped: so add, then crop.
    x, kernel = arrays(data_format)
    first = 1 if data_format == "channels_last" else 2
    widths, kept = [(0, 0)] * 4, [slice(None)] * 4
    for axis, (lo, hi) in enumerate(pads, first):
        widths[axis] = (max(0, lo), max(0, hi))
        kept[axis] = slice(max(0, -lo), -max(0, -hi) or None)
    more: Any = {"constant_values": -5} if mode == "constant" else {}
    padded = np.pad(x, widths, mode, **more)[tuple(kept)]  # type: ignore[call-overload]
    value = -5 if mode == "constant" else 0
    y = conv2d(x, kernel, padding=pads, padding_mode=mode, constant_value=value, data_format=data_format)
    np.testing.assert_array_equal(y, conv2d(padded, kernel, data_format=data_format))
    np.testing.assert_array_equal(
        y,
        reference.conv(x, kernel, padding=pads, padding_mode=mode, constant_value=value, data_format=data_format),
    )


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("mode", MODES)
def test_one_piece_of_code_is_right_for_every_image_size(mode: str, data_format: str, dtype: str, target: str) -> None:
    rng = np.random.default_rng(4)
    kernel = rng.integers(-8, 9, (3, 4, 3, 9)).astype(dtype)
    arguments = {"padding": ((2, 1), (3, 5)), "padding_mode": mode, "data_format": data_format}
    arguments["constant_value"] = 7 if mode == "constant" else 0
    conv = compile_conv2d(kernel, input_shape=(1, 3, 3, 3), target=target, **arguments)
    for height, width in [(1, 1), (1, 2), (2, 1), (3, 16), (2, 31), (4, 33), (1, 70), (5, 131)]:
        x = rng.integers(-8, 9, (1, height, width, 3)).astype(dtype)
        if data_format == "channels_first":
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
        np.testing.assert_array_equal(conv(x), reference.conv(x, kernel, **arguments), f"{height} x {width}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("strides", [1, (2, 1), (1, 2)])
def test_a_filter_continues_each_channel_of_an_image_by_itself(strides: Any, channels: int, mode: str) -> None:
    rng = np.random.default_rng(5)
    image = rng.integers(-8, 9, (7, 8, channels)).astype(np.float32)
    kernel = rng.integers(-8, 9, (4, 5))
    more: Any = {"padding_mode": mode, "constant_value": 2.5 if mode == "constant" else 0}
    for padding in ("same", ((9, 1), (2, 11))):
        y = filter2d(image, kernel, strides, padding, **more)
        np.testing.assert_array_equal(y, reference.filter2d(image, kernel, strides, padding, **more))


@pytest.mark.parametrize("data_format", FORMATS)
def test_one_pixel_is_continued_by_itself(data_format: str) -> None:
    x = np.full((1, 1, 1, 1), 3.0)
    for mode in MODES[1:]:
        y = conv2d(x, np.ones((3, 3, 1, 2)), padding="same", padding_mode=mode, data_format=data_format)
        np.testing.assert_array_equal(y.reshape(-1), [27, 27])


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
def test_nan_and_infinity_are_continued_like_any_number(algorithm: str, mode: str) -> None:
    rng = np.random.default_rng(6)
    x = rng.integers(-8, 9, (1, 9, 11, 4)).astype(np.float32)
    x[0, 0, 0, 1], x[0, 8, 5, 2], x[0, 4, 10, 3] = NAN, INF, -INF
    kernel = rng.integers(1, 9, (3, 3, 4, 5)).astype(np.float32)
    arguments = {"padding": 2, "padding_mode": mode}
    y = conv2d(x, kernel, algorithm=algorithm, **arguments)
    np.testing.assert_allclose(y, reference.conv(x, kernel, **arguments), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e300])
@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_a_constant_that_is_not_finite_reaches_exactly_the_outputs_whose_taps_touch_it(
    data_format: str, algorithm: str, value: float
) -> None:
    if data_format == "channels_first":
        algorithm = "direct"
    rng = np.random.default_rng(7)
    x = rng.integers(-8, 9, (1, 9, 11, 4)).astype(np.float32)
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x
    kernel = rng.integers(1, 9, (3, 3, 4, 5)).astype(np.float32)
    arguments: Any = {"padding": ((1, 2), (3, 0)), "padding_mode": "constant", "data_format": data_format}
    y = conv2d(x, kernel, constant_value=value, algorithm=algorithm, **arguments)
    with np.errstate(over="ignore"):
        expected = reference.conv(x, kernel, constant_value=float(np.float32(value)), **arguments)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-3)


def test_a_constant_of_zero_is_zeros_and_is_multiplied_by_infinity() -> None:
    kernel = np.array([INF, 1.0]).reshape(2, 1, 1, 1)
    for arguments in ({"padding_mode": "zeros"}, {"padding_mode": "constant"}):
        y = conv2d(np.ones((1, 2, 1, 1)), kernel, padding=((2, 0), (0, 0)), **arguments)
        np.testing.assert_array_equal(y.ravel(), [NAN, NAN, INF])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("data_format", FORMATS)
def test_bits_do_not_depend_on_the_number_of_threads(data_format: str, mode: str) -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 40, 41, 24)).astype(np.float32)
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x
    kernel = rng.standard_normal((3, 3, 24, 40)).astype(np.float32)
    conv = compile_conv2d(kernel, input_shape=x.shape, padding=3, padding_mode=mode, data_format=data_format)
    before = get_num_threads()
    try:
        set_num_threads(1)
        alone = conv(x)
        for threads in (2, 3, 5):
            set_num_threads(threads)
            np.testing.assert_array_equal(conv(x), alone)
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("mode", MODES[1:])
def test_no_copy_of_the_image_is_made(mode: str) -> None:
    image = np.ones((1500, 1600), np.float32)
    out = np.empty_like(image)
    filter2d(image, np.ones((5, 5)), padding_mode=mode, out=out)  # compiles, and makes working space
    tracemalloc.start()
    try:
        filter2d(image, np.ones((5, 5)), padding_mode=mode, out=out)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < image.nbytes / 10
    np.testing.assert_array_equal(out, 25)


def test_explain_names_what_lies_in_the_padding() -> None:
    kernel = np.ones((3, 3, 1, 2))
    conv = compile_conv2d(kernel, input_shape=(1, 5, 5, 1), padding=1, padding_mode="constant", constant_value=2.5)
    assert "top 1, bottom 1, left 1, right 1, of constant 2.5" in conv.explain()


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"constant_value": 2}, ValueError, "constant_value: received 2 with padding_mode 'zeros'; only 'constant'"),
        ({"padding_mode": "edge", "constant_value": 2}, ValueError, "received 2 with padding_mode 'edge'"),
        ({"padding_mode": "constant", "constant_value": "2"}, TypeError, "received '2'; a number is needed"),
        ({"padding_mode": "constant", "constant_value": True}, TypeError, "received True; a number is needed"),
        ({"padding_mode": "constant", "constant_value": [1]}, TypeError, r"received \[1\]; a number is needed"),
    ],
)
def test_a_constant_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    x, kernel = arrays()
    with pytest.raises(kind, match=words):
        conv2d(x, kernel, **arguments)
    with pytest.raises(kind, match=words):
        compile_conv2d(kernel, input_shape=x.shape, **arguments)
    with pytest.raises(kind, match=words):
        filter2d(x[0], kernel[:, :, 0, 0], **arguments)
