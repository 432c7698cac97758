"""Native packing against the definition in NumPy: every schedule, type, order of memory and target."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.packed import packed

import tweakconv as tc
from tweakconv.compiler import jit
from tweakconv.compiler.packing import moves, points
from tweakconv.compiler.schedules.winograd_forms import Form
from tweakconv.compiler.target import TARGETS, runnable_targets
from tweakconv.lowering import six_axes, taps_of
from tweakconv.packing import relaid
from tweakconv.prepared import PreparedConv

Array = NDArray[Any]


def _in_order(kernel: Array, order: tuple[int, ...]) -> Array:
    """The same kernel with its axes in an order in memory."""
    return np.ascontiguousarray(kernel.transpose(order)).transpose(np.argsort([axis % kernel.ndim for axis in order]))


def _not_aligned(kernel: Array) -> Array:
    memory = np.zeros(kernel.nbytes + 1, np.uint8)
    array: Array = np.ndarray(kernel.shape, kernel.dtype, memory, 1)
    array[...] = kernel
    return array


ORDERS: dict[str, Callable[[Array], Array]] = {
    "as users write it": lambda kernel: kernel,
    "as PyTorch keeps it": lambda kernel: _in_order(kernel, (-1, -2, *range(kernel.ndim - 2))),
    "as PyTorch keeps it, channels_last": lambda kernel: _in_order(kernel, (-1, *range(kernel.ndim - 2), -2)),
    "input channels innermost": lambda kernel: _in_order(kernel, (*range(kernel.ndim - 2), -1, -2)),
    "reversed": lambda kernel: kernel[::-1, ..., ::-1].copy()[::-1, ..., ::-1],
    "with gaps": lambda kernel: np.repeat(np.repeat(kernel, 2, -1), 3, 0)[::3, ..., ::2],
    "not aligned": _not_aligned,
    "one number": lambda kernel: np.broadcast_to(kernel.reshape(-1)[:1], kernel.shape),
}

KERNELS = [
    # kernel, groups, arguments
    ((3, 3, 5, 70), 1, {}),
    ((3, 3, 64, 48), 1, {"algorithm": "direct"}),
    ((1, 1, 40, 130), 1, {}),
    ((7, 7, 3, 64), 1, {"strides": 2}),
    ((9, 11, 70, 5), 1, {}),
    ((3, 3, 33, 17), 1, {"algorithm": "winograd"}),
    ((5, 5, 20, 35), 1, {"algorithm": "winograd"}),
    ((1, 7, 32, 32), 1, {"algorithm": "winograd"}),
    ((4, 3, 48, 200), 1, {"algorithm": "winograd"}),
    ((7, 7, 40, 20), 1, {"algorithm": "winograd"}),
    ((3, 3, 18, 40), 2, {"algorithm": "winograd"}),
    ((3, 3, 33, 70), 1, {"algorithm": "winograd", "strides": 2}),
    ((3, 3, 1, 70), 70, {}),
    ((3, 5, 1, 72), 18, {}),
    ((5, 5, 4, 36), 9, {}),
    ((3, 3, 8, 56), 7, {}),  # transposed at stride 2: seven loops, of which a line of the table has six
    ((3, 3, 6, 36), 3, {}),
    ((3, 3, 3, 9), 9, {}),
    ((13, 2, 1, 1), 1, {}),
    ((5, 6, 21), 1, {}),
    ((3, 3, 3, 6, 21), 1, {}),
    ((9, 3, 5, 70, 33), 1, {}),
]


def prepared(kernel: Array, groups: int, transposed: bool, arguments: dict[str, Any]) -> PreparedConv:
    rank = kernel.ndim - 2
    channels = kernel.shape[-1] if transposed else kernel.shape[-2] * groups
    size = (13, 14, 15)[-rank:]
    data_format = arguments.get("data_format", "channels_last")
    shape = (1, *size, channels) if data_format == "channels_last" else (1, channels, *size)
    compile_conv = getattr(tc, f"compile_conv{rank}d{'_transpose' if transposed else ''}")
    conv: PreparedConv = compile_conv(kernel, input_shape=shape, groups=groups, padding="same", **arguments)
    return conv


def by_definition(conv: PreparedConv, kernel: Array) -> Array:
    """The packed kernel piece by piece."""
    whole, parts = six_axes(conv.layer, kernel), []
    for phases in conv._lowered.pieces:
        piece = taps_of(whole, phases)
        planes = piece.shape[:1] if conv.layer.rank == 3 else ()
        parts.append(packed(conv.built.choice, piece.reshape(*planes, *piece.shape[1:4], conv.layer.out_channels)))
    return np.concatenate(parts)


def check(conv: PreparedConv, kernel: Array) -> None:
    """To the last bit where weights are laid out anew; within one unit in the last place where they are transformed."""
    if conv.built.choice.algorithm == "separable":  # what a kernel of one number is taken for; its factors are packed
        return
    wanted = by_definition(conv, kernel)
    if conv.built.choice.algorithm == "winograd":
        np.testing.assert_array_max_ulp(conv._weights, wanted, 1)
        assert np.mean(conv._weights != wanted) < 1e-3
    else:
        np.testing.assert_array_equal(conv._weights, wanted)


@pytest.mark.usefixtures("winograd_plans")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "groups", "arguments"), KERNELS)
def test_kernels_are_packed_as_the_definition_says(
    shape: tuple[int, ...], groups: int, arguments: dict[str, Any], dtype: str, order: str
) -> None:
    if arguments.get("algorithm") == "winograd" and dtype == "float64":
        arguments = {}
    kernel = ORDERS[order](np.random.default_rng(3).standard_normal(shape).astype(dtype))
    for data_format, target in itertools.product(("channels_last", "channels_first"), runnable_targets()):
        if target == runnable_targets()[0] or order == "as users write it":
            conv = prepared(kernel, groups, False, {**arguments, "data_format": data_format, "target": target})
            check(conv, kernel)
            np.testing.assert_array_equal(conv._packer.unpack(conv._weights), kernel)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(("shape", "groups", "arguments"), KERNELS)
def test_kernels_of_transposed_convolutions_are_packed_as_the_definition_says(
    shape: tuple[int, ...], groups: int, arguments: dict[str, Any], strides: int, order: str
) -> None:
    *taps, ins, outs = shape
    kernel = ORDERS[order](np.random.default_rng(4).standard_normal((*taps, ins, outs)).astype(np.float32))
    for data_format in ("channels_last", "channels_first"):
        conv = prepared(kernel, groups, True, {"strides": strides, "data_format": data_format})
        check(conv, kernel)
        np.testing.assert_array_equal(conv._packer.unpack(conv._weights), kernel)


@pytest.mark.parametrize("shape", [(3, 3, 256, 256), (1, 1, 512, 1000), (3, 3, 300, 300)])
def test_threads_that_share_the_packing_give_the_same_bits(shape: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    before = tc.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            tc.set_num_threads(threads)
            for order in ("as users write it", "as PyTorch keeps it"):
                results.append(prepared(ORDERS[order](kernel), 1, False, {})._weights)
    finally:
        tc.set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.usefixtures("winograd_plans")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3e38, 1e38])
@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("order", ["as users write it", "as PyTorch keeps it"])
def test_the_largest_magnitude_is_found_wherever_it_is(order: str, algorithm: str, value: float) -> None:
    kernel = np.random.default_rng(6).standard_normal((3, 3, 17, 37)).astype(np.float32)
    conv = prepared(ORDERS[order](kernel), 1, False, {"algorithm": algorithm})
    room = np.empty_like(conv._weights)
    for place in range(0, kernel.size, 257):
        worse = kernel.copy()
        worse.reshape(-1)[place] = value
        found = conv._packer.pack(ORDERS[order](worse), room.ctypes.data)
        np.testing.assert_equal(found, float(np.abs(np.float32(value))))
    assert conv._packer.pack(ORDERS[order](kernel), room.ctypes.data) == float(np.abs(kernel).max())


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_the_packing_without_calls_to_a_library(target: str) -> None:
    texts = [points.emit(TARGETS[target], Form.of(taps)) for taps in ((3, 3), (5, 5), (1, 7), (4, 1), (7, 7))]
    texts += [moves.emit(TARGETS[target], e, turns=turns) for e in ("float", "double") for turns in (False, True)]
    for text in texts:
        lines = jit.assembly(text, TARGETS[target]).splitlines()
        called = {line.split()[-1] for line in lines if line.split()[:1] in (["callq"], ["bl"])}
        assert called <= {"turn", ".Lturn$local"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 3, 5, 7), (1, 2, 70, 33), (2, 3, 4, 16, 40), (9, 64)])
def test_a_kernel_is_relaid_in_any_order_of_memory(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(5)
    kernel = rng.standard_normal(shape).astype(dtype)
    for _ in range(6):
        order = rng.permutation(len(shape))
        room = np.full([shape[axis] for axis in order], np.nan, dtype)
        np.testing.assert_array_equal(relaid(kernel, room.transpose(np.argsort(order))), kernel)
