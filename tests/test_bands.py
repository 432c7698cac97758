"""A layout by way of the other: bands and strips, their borders, and the transposes between the two."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import tweakconv as tc
from tweakconv.compiler import jit
from tweakconv.compiler.emit import Builder
from tweakconv.compiler.schedules import bands, winograd
from tweakconv.compiler.schedules.transpose import (
    INTERLEAVED,
    PARAMETERS,
    emit_interleave,
    emit_separate,
    emit_transpose,
    slack,
)
from tweakconv.compiler.target import get_target, runnable_targets

LAYERS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "many strips": ((1, 33, 90, 170), (3, 3, 33, 47), {"padding": ((2, 1), (0, 3))}),
    "dilated": ((2, 20, 41, 37), (3, 3, 20, 40), {"padding": "same", "dilation_rate": (2, 3)}),
    "dilated far": ((2, 34, 23, 37), (3, 3, 34, 40), {"padding": "same", "dilation_rate": (7, 9)}),
    "dilated beyond the image": ((1, 20, 9, 11), (3, 4, 20, 36), {"padding": "same", "dilation_rate": (13, 12)}),
    "dilated far, a pad above only": (
        (1, 32, 31, 19),
        (2, 3, 32, 64),
        {"padding": ((11, 0), (0, 9)), "dilation_rate": 6},
    ),
    "dilated far, cropped": ((1, 40, 30, 33), (3, 2, 40, 64), {"padding": ((-2, 9), (8, -3)), "dilation_rate": 5}),
    "dilated far at a stride": ((2, 33, 29, 41), (3, 3, 33, 36), {"padding": 6, "dilation_rate": 6, "strides": (2, 3)}),
    "dilated along the columns": ((1, 40, 19, 53), (3, 3, 40, 40), {"padding": (1, 8), "dilation_rate": (1, 8)}),
    "dilated, bands in a phase": ((1, 96, 130, 70), (3, 3, 96, 40), {"padding": "same", "dilation_rate": (2, 4)}),
    "dilated, bands side by side": ((1, 64, 6, 9000), (3, 3, 64, 40), {"padding": "same", "dilation_rate": (2, 5)}),
    "strided": ((2, 40, 57, 45), (3, 3, 40, 50), {"padding": "same", "strides": 2}),
    "three channels": ((2, 3, 67, 83), (7, 7, 3, 64), {"padding": 3, "strides": 2}),
    "bands side by side": ((1, 64, 2, 9000), (1, 5, 64, 64), {"padding": "same", "strides": (1, 2)}),
    "depthwise, small": ((2, 70, 9, 14), (5, 5, 1, 70), {"padding": "same", "groups": 70, "strides": 2}),
    "strips of two groups": ((1, 90, 9, 150), (3, 3, 45, 80), {"padding": "same", "groups": 2}),
    "strips, cropped": ((1, 30, 19, 21), (3, 3, 30, 17), {"padding": ((-2, 1), (3, -4))}),
}


FEW_OUTPUTS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "colours": ((2, 61, 47, 3), (3, 3, 3, 3), {"padding": "same"}),
    "one of many": ((1, 23, 30, 33), (5, 3, 33, 1), {"padding": ((2, 1), (0, 3))}),
    "one of one": ((2, 9, 40, 2), (3, 3, 2, 1), {}),
    "dilated": ((2, 20, 31, 12), (3, 3, 12, 2), {"padding": "same", "dilation_rate": (2, 2)}),
    "strided, cropped": ((1, 37, 29, 20), (3, 3, 20, 5), {"padding": ((-2, 1), (3, -4)), "strides": (2, 1)}),
    "narrower than a vector": ((1, 50, 5, 4), (3, 3, 4, 3), {"padding": "same"}),
    "strips": ((1, 3, 30011, 16), (3, 3, 16, 4), {"padding": "same"}),
}
"""Channels_last, of whose lanes most would have no output channel."""


def arrays(shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(sum(shape))
    shapes = (shape, kernel_shape, kernel_shape[-1:])
    return [rng.standard_normal(each).astype(np.float32) for each in shapes]


def in_float64(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any], arguments: dict[str, Any]) -> NDArray[Any]:
    """The definition's sums, by lanes of columns."""
    wide = (x.astype(np.float64), kernel.astype(np.float64), bias.astype(np.float64))
    return tc.conv2d(np.ascontiguousarray(wide[0].transpose(0, 2, 3, 1)), *wide[1:], algorithm="direct", **arguments)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("name", LAYERS)
def test_bands_and_strips_compute_what_channels_last_does(name: str, target: str, threads: int) -> None:
    shape, kernel_shape, arguments = LAYERS[name]
    x, kernel, bias = arrays(shape, kernel_shape)
    conv = tc.compile_conv2d(
        kernel, bias, input_shape=shape, data_format="channels_first", target=target, activation="relu", **arguments
    )
    if target == "avx512":
        assert conv.built.choice.schedule is (winograd if "strips" in name else bands)
    before = tc.get_num_threads()
    tc.set_num_threads(threads)
    try:
        y = conv(x)
    finally:
        tc.set_num_threads(before)
    expected = np.maximum(in_float64(x, kernel, bias, arguments), 0).transpose(0, 3, 1, 2)
    scale = np.sqrt(np.prod(kernel_shape[:-1]))
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("name", FEW_OUTPUTS)
def test_few_output_channels_go_by_planes(name: str, target: str, threads: int) -> None:
    shape, kernel_shape, arguments = FEW_OUTPUTS[name]
    x, kernel, bias = arrays(shape, kernel_shape)
    conv = tc.compile_conv2d(
        kernel,
        bias,
        input_shape=shape,
        target=target,
        activation="silu",
        residual=True,
        algorithm="direct",
        **arguments,
    )
    if target == "avx512":
        assert conv.built.choice.schedule is bands
    columns_first = (x.transpose(0, 3, 1, 2).copy(), kernel, bias)
    sums = tc.conv2d(*(each.astype(np.float64) for each in columns_first), data_format="channels_first", **arguments)
    added = np.random.default_rng(8).standard_normal(sums.shape).astype(np.float32)
    wide = sums + added
    expected = (wide / (1 + np.exp(-wide))).transpose(0, 2, 3, 1)
    before = tc.get_num_threads()
    tc.set_num_threads(threads)
    try:
        y = conv(x, residual=added.transpose(0, 2, 3, 1).copy())
    finally:
        tc.set_num_threads(before)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * np.sqrt(np.prod(kernel_shape[:-1])))


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap", "symmetric", "constant"])
def test_planes_hold_what_lies_in_the_padding(mode: str) -> None:
    x, kernel, bias = arrays((1, 70, 90, 3), (5, 5, 3, 4))
    constant = {"constant_value": 2.5} if mode == "constant" else {}
    filled = {"constant_values": 2.5} if mode == "constant" else {}
    conv = tc.compile_conv2d(kernel, bias, input_shape=x.shape, padding=((1, 2), (3, 0)), padding_mode=mode, **constant)
    assert conv.built.choice.schedule is bands
    numpy_mode: Any = mode
    padded = np.pad(x, ((0, 0), (1, 2), (3, 0), (0, 0)), mode=numpy_mode, **filled)
    expected = in_float64(padded.transpose(0, 3, 1, 2), kernel, bias, {})
    np.testing.assert_allclose(conv(x), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_against_pytorch_with_a_residual_and_strided_views(stride: int) -> None:
    kernel_shape = LAYERS["strided"][1]
    x, kernel, bias = arrays((2, 40, 57, 90), kernel_shape)
    view = x[:, :, ::2, :45]
    size = {1: (29, 45), 2: (15, 23)}[stride]
    added = np.random.default_rng(4).standard_normal((2, 50, *size)).astype(np.float32)
    y = tc.conv2d(
        view, kernel, bias, strides=stride, padding=1, data_format="channels_first", activation="silu", residual=added
    )
    weights = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    sums = torch.nn.functional.conv2d(torch.from_numpy(view.copy()), weights, torch.from_numpy(bias), stride, 1)
    np.testing.assert_allclose(y, torch.nn.functional.silu(sums + torch.from_numpy(added)).numpy(), atol=2e-4)


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("name", [name for name in LAYERS if name.startswith("dilated") and "stride" not in name])
def test_far_apart_taps_with_a_residual_give_the_same_in_any_number_of_threads(name: str, algorithm: str) -> None:
    shape, kernel_shape, arguments = LAYERS[name]
    x, kernel, bias = arrays(shape, kernel_shape)
    if algorithm == "winograd" and not set(kernel_shape[:2]) <= {3, 4, 5}:
        algorithm = "direct"
    conv = tc.compile_conv2d(
        kernel, bias, input_shape=shape, data_format="channels_first", algorithm=algorithm, residual=True, **arguments
    )
    sums = in_float64(x, kernel, bias, arguments).transpose(0, 3, 1, 2)
    added = np.random.default_rng(9).standard_normal(sums.shape).astype(np.float32)
    before = tc.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            tc.set_num_threads(threads)
            results.append(conv(x, residual=added))
    finally:
        tc.set_num_threads(before)
    np.testing.assert_allclose(results[0], sums + added, rtol=0, atol=2e-5 * np.sqrt(np.prod(kernel_shape[:-1])))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("weight", [np.nan, np.inf])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_zeros_between_far_apart_taps_and_the_image_are_multiplied_by_what_is_not_finite(
    data_format: str, weight: float
) -> None:
    shape, kernel_shape, arguments = LAYERS["dilated far"]
    x, kernel, bias = arrays(shape, kernel_shape)
    kernel[0, 2, 5, 7] = weight
    expected = in_float64(x, kernel, bias, arguments).transpose(0, 3, 1, 2)
    assert np.isfinite(expected[:, 6]).all()
    assert np.isnan(expected[:, 7]).any()
    last = data_format == "channels_last"
    y = tc.conv2d(
        np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if last else x, kernel, bias, data_format=data_format, **arguments
    )
    y = y.transpose(0, 3, 1, 2) if last else y
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap", "symmetric"])
def test_what_the_padding_holds_comes_from_the_whole_image(mode: str, strides: tuple[int, int]) -> None:
    x, kernel, bias = arrays((1, 24, 150, 130), (5, 5, 24, 32))
    y = tc.conv2d(x, kernel, bias, padding=2, padding_mode=mode, data_format="channels_first", strides=strides)
    numpy_mode: Any = mode
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode=numpy_mode)
    expected = in_float64(padded, kernel, bias, {"strides": strides}).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(y, expected, rtol=0, atol=5e-4)


def test_nan_and_infinity_reach_exactly_the_outputs_whose_taps_touch_them() -> None:
    shape, kernel_shape, arguments = LAYERS["many strips"]
    x, kernel, bias = arrays(shape, kernel_shape)
    x[0, 3, 40, 77], x[0, 30, 89, 169], x[0, 0, 0, 0] = np.nan, np.inf, -np.inf
    conv = tc.compile_conv2d(kernel, bias, input_shape=shape, data_format="channels_first", **arguments)
    assert conv.built.choice.algorithm == "winograd"
    expected = in_float64(x, kernel, bias, arguments).transpose(0, 3, 1, 2)
    y = conv(x)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(y), finite)
    np.testing.assert_array_equal(y[~finite], expected[~finite].astype(np.float32))


def test_the_number_of_threads_and_the_batch_change_no_bit() -> None:
    shape, kernel_shape, arguments = LAYERS["many strips"]
    x, kernel, bias = arrays(shape, kernel_shape)
    both = np.concatenate([x, x[:, :, ::-1]])
    conv = tc.compile_conv2d(
        kernel, bias, input_shape=shape, data_format="channels_first", algorithm="direct", **arguments
    )
    before = tc.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            tc.set_num_threads(threads)
            results += [conv(x)[0], conv(both)[0]]
    finally:
        tc.set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("spills", [True, False])
@pytest.mark.parametrize("element", ["float", "double"])
@pytest.mark.parametrize("target", runnable_targets())
def test_a_transpose_writes_the_matrix_turned_over_and_nothing_else(target: str, element: str, spills: bool) -> None:
    chosen = get_target(target)
    b = Builder(chosen, element)
    emit_transpose(b, "turn", spills=spills)
    b.function("run", dict(PARAMETERS), lambda *values: b.call("turn", *values), public=True)
    loaded = jit.Loaded(jit.compile_module(b.module(), chosen))
    kinds = [ctypes.c_void_p if kind == "ptr" else ctypes.c_int64 for kind in PARAMETERS.values()]
    turn = loaded.function("run", *kinds)
    dtype = np.float32 if element == "float" else np.float64
    lanes = chosen.lanes(np.dtype(dtype).itemsize)
    for rows in (1, 2, 3, lanes - 1, lanes, lanes + 1, 2 * lanes + 3):
        for columns in (1, 2, 3, 4, 5, 7, lanes, 2 * lanes + 1, 3 * lanes + 7):
            source = np.random.default_rng(rows).standard_normal((rows, columns + 3)).astype(dtype)
            step = rows if spills else rows + 2
            behind = slack(lanes)
            target_room = np.full(columns * step + behind, np.nan, dtype)
            turn(source.ctypes.data, columns + 3, rows, target_room.ctypes.data, step, columns)
            written = target_room[: columns * step].reshape(columns, step)
            np.testing.assert_array_equal(written[:, :rows], source[:, :columns].T)
            assert np.isnan(written[:, rows:]).all()
            if not spills or rows >= lanes:
                assert np.isnan(target_room[columns * step :]).all()


@pytest.mark.parametrize("element", ["float", "double"])
@pytest.mark.parametrize("target", runnable_targets())
def test_a_few_rows_are_interleaved(target: str, element: str) -> None:
    chosen = get_target(target)
    dtype = np.float32 if element == "float" else np.float64
    lanes = chosen.lanes(np.dtype(dtype).itemsize)
    kinds = [ctypes.c_void_p if kind == "ptr" else ctypes.c_int64 for kind in PARAMETERS.values()]
    for rows in INTERLEAVED:
        b = Builder(chosen, element)
        emit_interleave(b, "turn", rows)
        b.function("run", dict(PARAMETERS), lambda *values, b=b: b.call("turn", *values), public=True)
        loaded = jit.Loaded(jit.compile_module(b.module(), chosen))
        turn = loaded.function("run", *kinds)
        for columns in (1, 2, lanes - 1, lanes, lanes + 1, 3 * lanes + 5):
            source = np.random.default_rng(rows).standard_normal((rows, columns + 3)).astype(dtype)
            room = np.full(columns * rows + 1, np.nan, dtype)
            turn(source.ctypes.data, columns + 3, rows, room.ctypes.data, rows, columns)
            np.testing.assert_array_equal(room[:-1].reshape(columns, rows), source[:, :columns].T)
            assert np.isnan(room[-1])


@pytest.mark.parametrize("element", ["float", "double"])
@pytest.mark.parametrize("target", runnable_targets())
def test_a_few_columns_are_separated(target: str, element: str) -> None:
    chosen = get_target(target)
    dtype = np.float32 if element == "float" else np.float64
    lanes = chosen.lanes(np.dtype(dtype).itemsize)
    kinds = [ctypes.c_void_p if kind == "ptr" else ctypes.c_int64 for kind in PARAMETERS.values()]
    for columns in INTERLEAVED:
        b = Builder(chosen, element)
        emit_separate(b, "turn", columns)
        b.function("run", dict(PARAMETERS), lambda *values, b=b: b.call("turn", *values), public=True)
        loaded = jit.Loaded(jit.compile_module(b.module(), chosen))
        turn = loaded.function("run", *kinds)
        for rows in (1, 2, lanes - 1, lanes, lanes + 1, 3 * lanes + 5):
            source = np.random.default_rng(rows).standard_normal((rows, columns)).astype(dtype)
            room = np.full((columns, rows + 2), np.nan, dtype)
            turn(source.ctypes.data, columns, rows, room.ctypes.data, rows + 2, columns)
            np.testing.assert_array_equal(room[:, :rows], source.T)
            assert np.isnan(room[:, rows:]).all()


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (56, 56), (13, 11), (1, 300), (300, 1)])
def test_pointwise_rows_of_another_length_change_no_value(size: tuple[int, int], data_format: str) -> None:
    first = data_format == "channels_first"
    x, kernel, bias = arrays((2, 37, *size) if first else (2, *size, 37), (1, 1, 37, 29))
    images = x if first else x.transpose(0, 3, 1, 2)
    expected = np.einsum("nchw,co->nohw", images.astype(np.float64), kernel[0, 0].astype(np.float64))
    expected += bias[:, None, None]
    apart = np.zeros(
        (*x.shape[:-2], x.shape[-2] + 1, x.shape[-1]), np.float32
    )  # rows, or pixels, are followed by others
    apart[..., :-1, :] = x
    for array in (x, apart[..., :-1, :]):
        y = tc.conv2d(array, kernel, bias, data_format=data_format)
        np.testing.assert_allclose(y if first else y.transpose(0, 3, 1, 2), expected, atol=1e-4)
