"""The quick way into small convolutions: what goes through it and what does not, to the same bits."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.test_memory_safety import guarded

import tweakconv as tc
from tweakconv import arrays
from tweakconv.arrays import address
from tweakconv.compiler import door
from tweakconv.published import is_as_published

SHAPE = (1, 6, 7, 3)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def prepared(rng: np.random.Generator, dtype: str = "f4", **more: Any) -> tc.PreparedConv:
    kernel, bias = rng.standard_normal((3, 3, 3, 5)).astype(dtype), rng.standard_normal(5).astype(dtype)
    return tc.compile_conv2d(kernel, bias, input_shape=SHAPE, padding="same", **more)


def without_doors(monkeypatch: pytest.MonkeyPatch, conv: tc.PreparedConv) -> tc.PreparedConv:
    """The same convolution that takes the long way."""
    monkeypatch.setattr(door, "_native", lambda: None)
    again: tc.PreparedConv = pickle.loads(pickle.dumps(conv))
    return again


def doors_of(conv: tc.PreparedConv) -> list[door.Door | None]:
    return [launch.door for launch in conv._launches.values()]


def test_small_calls_have_a_door_and_compute_the_same_bits_without(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = prepared(rng)
    x, other = rng.standard_normal((2, *SHAPE)).astype("f4")
    y = [conv(x), conv(x), conv(other, out=np.empty((1, 6, 7, 5), "f4"))]
    assert None not in doors_of(conv)
    slow = without_doors(monkeypatch, conv)
    for found, given in zip(y, (x, x, other), strict=True):
        np.testing.assert_array_equal(found, slow(given))
    assert doors_of(slow) == [None]


def test_what_takes_long_rounds_apart_or_adds_a_residual_has_none(rng: np.random.Generator) -> None:
    large = tc.compile_conv2d(rng.standard_normal((3, 3, 8, 8)).astype("f4"), input_shape=(1, 40, 40, 8))
    large(np.ones((1, 40, 40, 8), "f4"))
    adding = prepared(rng, residual=True)
    adding(np.ones(SHAPE, "f4"), residual=np.ones((1, 6, 7, 5), "f4"))
    assert doors_of(large) == doors_of(adding) == [None]


VIEWS: dict[str, Callable[[Any], Any]] = {
    "reversed rows": lambda x: x[:, ::-1],
    "reversed pixels": lambda x: x[:, :, ::-1],
    "every second of more channels": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "part of more rows": lambda x: np.concatenate([x, x], axis=1)[:, 3:9],
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "in Fortran's order": np.asfortranarray,
    "not aligned": lambda x: np.frombuffer(b"." + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
    "read-only": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "a class of somebody's": lambda x: x.view(type("Mine", (np.ndarray,), {})),
}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("view", VIEWS)
def test_arrays_of_the_same_shape_that_lie_otherwise_are_told_apart(
    view: str, dtype: str, rng: np.random.Generator
) -> None:
    conv, x = prepared(rng, dtype), rng.standard_normal(SHAPE).astype(dtype)
    seen = VIEWS[view](x)
    expected = prepared(np.random.default_rng(5), dtype)(np.array(seen, dtype))
    for given in (x, seen, seen, x, seen):
        y = conv(given)
        if given is seen:
            np.testing.assert_array_equal(y, expected)


def test_lists_go_the_long_way_after_arrays_have_been_through(rng: np.random.Generator) -> None:
    conv = prepared(rng, "f8")
    x = rng.standard_normal(SHAPE)
    first = conv(x)
    np.testing.assert_array_equal(conv(x.tolist()), first)
    np.testing.assert_array_equal(conv(x), first)


def test_mistakes_are_answered_as_ever_after_a_call_that_was_right(rng: np.random.Generator) -> None:
    conv = prepared(rng)
    x, out = rng.standard_normal(SHAPE).astype("f4"), np.empty((1, 6, 7, 5), "f4")
    conv(x, out=out)
    conv(x, out=out)
    before, memory = out.copy(), np.zeros(400, "f4")
    fixed = out.copy()
    fixed.flags.writeable = False
    mistakes: list[tuple[Any, Any, type[Exception], str]] = [
        (x.astype("f8"), None, TypeError, "x: received dtype float64, but this convolution takes float32"),
        (x.astype("i4"), None, TypeError, "x: received dtype int32"),
        (x[0], None, ValueError, "x: received shape"),
        ("x", None, TypeError, "x: received the text"),
        (np.ma.masked_less(x, 0), None, TypeError, "x: received a masked array"),
        (x, out.astype("f8"), TypeError, "out: received dtype float64"),
        (x, out.astype(">f4"), TypeError, "out: received dtype >f4"),
        (x, out[0], ValueError, "out: received shape"),
        (x, np.empty((1, 6, 7, 10), "f4")[..., ::2], ValueError, "out: received strides"),
        (x, fixed, ValueError, "out: received a read-only array"),
        (x, [1.0], TypeError, "out: received list"),
        (memory[:126].reshape(SHAPE), memory[100:310].reshape(1, 6, 7, 5), ValueError, "out: overlaps the memory"),
        (memory[-126:].reshape(SHAPE), memory[65:275].reshape(1, 6, 7, 5), ValueError, "out: overlaps the memory"),
    ]
    for given, into, error, says in mistakes:
        with pytest.raises(error, match=says):
            conv(given, out=into)
        assert not memory.any()
    with pytest.raises(ValueError, match="residual: this convolution was made without"):
        conv(x, residual=out)
    np.testing.assert_array_equal(conv(x), before)


def test_memory_that_touches_is_apart(rng: np.random.Generator) -> None:
    conv = prepared(rng)
    memory = np.zeros(126 + 210, "f4")
    x, y = memory[:126].reshape(SHAPE), memory[126:].reshape(1, 6, 7, 5)
    x[...] = rng.standard_normal(SHAPE)
    expected = conv(x)
    for _ in range(2):
        y[...] = np.nan
        assert conv(x, out=y) is y
        np.testing.assert_array_equal(y, expected)


def test_shapes_in_turns_and_empty_batches_keep_to_their_own(rng: np.random.Generator) -> None:
    conv = prepared(rng)
    inputs = [rng.standard_normal(shape).astype("f4") for shape in [SHAPE, (2, 6, 7, 3), (1, 7, 6, 3), (0, 6, 7, 3)]]
    expected = [prepared(np.random.default_rng(5))(x) for x in inputs]
    for _ in range(3):
        for x, y in zip(inputs, expected, strict=True):
            np.testing.assert_array_equal(conv(x), y)


def test_other_weights_of_the_same_plan_are_not_mixed_up(rng: np.random.Generator) -> None:
    conv, x = prepared(rng), rng.standard_normal(SHAPE).astype("f4")
    first = conv(x)
    kernel, bias = rng.standard_normal((3, 3, 3, 5)).astype("f4"), rng.standard_normal(5).astype("f4")
    other = conv.with_kernel(kernel, bias)
    expected = tc.conv2d(x, kernel, bias, padding="same")
    for _ in range(2):
        np.testing.assert_allclose(other(x), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(conv(x), first)


def test_a_copy_has_doors_for_the_same_arrays(rng: np.random.Generator) -> None:
    conv, x = prepared(rng), rng.standard_normal(SHAPE).astype("f4")
    again = pickle.loads(pickle.dumps(conv))
    y = conv(x)
    for _ in range(2):
        np.testing.assert_array_equal(again(x), y)
    (way_in,) = doors_of(again)
    assert way_in is not None
    out = np.empty_like(y)
    assert way_in.enter(way_in.place, again._weights_address, again._bias_address, id(x), id(out))
    np.testing.assert_array_equal(out, y)


def test_arrays_that_are_gone_leave_nothing_behind(rng: np.random.Generator) -> None:
    conv = prepared(rng)
    x = rng.standard_normal((50, *SHAPE)).astype("f4")
    expected = [prepared(np.random.default_rng(5))(each.copy()) for each in x]
    for each, y in zip(x, expected, strict=True):
        np.testing.assert_array_equal(conv(each.copy()), y)


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_it_reads_and_writes_inside_of_its_arrays(side: str, padding: str, rng: np.random.Generator) -> None:
    kernel, x = rng.standard_normal((3, 3, 3, 5)).astype("f4"), rng.standard_normal(SHAPE).astype("f4")
    conv = tc.compile_conv2d(kernel, input_shape=SHAPE, padding=padding)
    expected = conv(x)
    given, out = guarded(x, side), guarded(np.full_like(expected, np.nan), side)
    for _ in range(2):
        np.testing.assert_array_equal(conv(given, out=out), expected)


def test_threads_share_a_convolution_with_inputs_of_several_shapes(rng: np.random.Generator) -> None:
    conv = prepared(rng)
    inputs = [rng.standard_normal((1, 6, 7 - turn % 2, 3)).astype("f4") for turn in range(4)]
    expected = [conv(x) for x in inputs]
    wrong: list[int] = []

    def call(turn: int) -> None:
        for _ in range(2000):
            if not np.array_equal(conv(inputs[turn]), expected[turn]):
                wrong.append(turn)

    callers = [threading.Thread(target=call, args=(turn,)) for turn in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_addresses_are_those_of_numpy_by_either_way(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_as_published()
    x = rng.standard_normal((4, 5, 6))
    some = [x, x[1:], x[:, ::-1], x.astype(">f8"), np.broadcast_to(x[0], x.shape), x.view(np.recarray)]
    wanted = [array.ctypes.data for array in some]
    assert [address(array) for array in some] == wanted
    monkeypatch.setattr(arrays, "is_as_published", lambda: False)
    assert [address(array) for array in some] == wanted


def test_there_are_no_doors_where_several_threads_run_python_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert door._are_possible()
    monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    assert not door._are_possible()
