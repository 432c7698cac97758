"""The functional calls: weights packed in each call, all else remembered from calls like it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.test_packing import ORDERS

import tweakconv as tc
from tweakconv import packing, reference
from tweakconv.ops import general
from tweakconv.planned import PLANS, PlannedConv, Plans

Array = NDArray[Any]


def arrays(size: int = 14, channels: int = 32, dtype: str = "float32") -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(size + channels)
    shapes = (2, size, size, channels), (3, 3, channels, channels), (channels,)
    x, kernel, bias = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return x, kernel, bias


def by_definition(x: Array, kernel: Array, bias: Array | None = None, **arguments: Any) -> Array:
    return reference.conv(x.astype(np.float64), kernel.astype(np.float64), bias, **arguments)


def close(y: Array, expected: Array) -> None:
    np.testing.assert_allclose(y, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


ALGORITHMS = pytest.mark.parametrize("algorithm", ["direct", "winograd"])


@ALGORITHMS
def test_weights_changed_in_place_between_calls_are_noticed(algorithm: str) -> None:
    x, kernel, bias = arrays()
    for turn in range(4):
        y = tc.conv2d(x, kernel, bias, padding="same", algorithm=algorithm)
        close(y, by_definition(x, kernel, bias, padding="same"))
        kernel *= -1.5
        kernel[1, 1, turn] += 1
        bias += turn


@ALGORITHMS
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_a_kernel_in_memory_changes_no_bit(order: str, algorithm: str) -> None:
    x, kernel, bias = arrays()
    kernel = ORDERS[order](kernel)
    expected = tc.conv2d(x, kernel.copy(), bias, algorithm=algorithm)
    for _ in range(2):
        np.testing.assert_array_equal(tc.conv2d(x, kernel, bias, algorithm=algorithm), expected)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_repeated_call_gives_the_bits_of_the_first_and_of_a_prepared_convolution(data_format: str) -> None:
    x, kernel, bias = arrays()
    for algorithm in ("direct", "winograd"):
        arguments: dict[str, Any] = {"data_format": data_format, "algorithm": algorithm, "padding": "same"}
        image = x if data_format == "channels_last" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        expected = tc.compile_conv2d(kernel, bias, input_shape=image.shape, **arguments)(image)
        for _ in range(3):
            np.testing.assert_array_equal(tc.conv2d(image, kernel, bias, **arguments), expected)


def test_weights_that_are_not_finite_between_those_that_are_give_what_the_definition_gives() -> None:
    x, kernel, bias = arrays(56, 64)
    usual = tc.conv2d(x, kernel, bias, padding="same")
    for value in (np.nan, np.inf, -np.inf):
        wild = kernel.copy()
        wild[0, 2, 5, 7] = value
        y = tc.conv2d(x, wild, bias, padding="same")
        assert np.isfinite(y[..., :7]).all()
        assert np.isfinite(y[..., 8:]).all()
        assert not np.isfinite(y[..., 7]).any()  # in the padding too, where 0 is multiplied
        np.testing.assert_array_equal(tc.conv2d(x, kernel, bias, padding="same"), usual)
    with pytest.raises(ValueError, match=r"algorithm: received 'winograd'.*NaN, infinity"):
        tc.conv2d(x, wild, bias, padding="same", algorithm="winograd")
    np.testing.assert_array_equal(
        tc.conv2d(x, kernel, np.full(64, np.inf, np.float32), padding="same"), np.full(x.shape, np.inf)
    )
    huge = kernel * np.float32(1e37)
    close(tc.conv2d(x * np.float32(1e-37), huge, padding="same"), by_definition(x, kernel, padding="same"))


def test_whole_numbers_come_out_whole_after_a_call_with_others() -> None:
    x, kernel, _ = arrays(56, 64)
    whole_x, whole = np.rint(9 * x), np.rint(9 * kernel)
    for _ in range(2):
        tc.conv2d(x, kernel, padding="same")
        np.testing.assert_array_equal(
            tc.conv2d(whole_x, whole, padding="same"), by_definition(whole_x, whole, padding="same")
        )


def test_threads_may_call_with_different_weights_at_once() -> None:
    x, kernel, _ = arrays()
    kernels = [kernel * factor for factor in (1, 2, 4, 8)]
    expected = [tc.conv2d(x, k, padding="same") for k in kernels]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(tc.conv2d(x, kernels[i], padding="same"), expected[i]):
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(kernels))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"strides": True}, TypeError),
    ({"strides": 1.0}, TypeError),
    ({"strides": (1, 1.0)}, TypeError),
    ({"dilation_rate": True}, TypeError),
    ({"padding": ((0, 0), (0, False))}, TypeError),
    ({"groups": True}, TypeError),
    ({"constant_value": True}, TypeError),
    ({"constant_value": 1.0}, ValueError),
    ({"strides": (1, 1, 1)}, ValueError),
    ({"padding_mode": "zero"}, ValueError),
    ({"data_format": "NHWC"}, ValueError),
    ({"activation": "relu7"}, ValueError),
    ({"algorithm": "fastest"}, ValueError),
    ({"algorithm": ["direct"]}, ValueError),
    ({"bias": np.zeros(3, np.float32)}, ValueError),
    ({"bias": np.zeros(4, complex)}, TypeError),
    ({"out": np.zeros((1, 4, 4, 3), np.float32)}, ValueError),
    ({"residual": np.zeros((1, 4, 4, 3), np.float32)}, ValueError),
]


@pytest.mark.parametrize(("arguments", "error"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused_at_first_is_refused_in_the_same_words_after_a_call_that_compares_equal(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    x, kernel = np.ones((1, 6, 6, 2), np.float32), np.ones((3, 3, 2, 4), np.float32)
    PLANS.forget()
    with pytest.raises(error) as first:
        tc.conv2d(x, kernel, **arguments)
    tc.conv2d(x, kernel)
    tc.conv2d(x, kernel, strides=(1, 1), padding=((0, 0), (0, 0)), dilation_rate=1, groups=1, constant_value=0)
    tc.conv2d(x, kernel, padding_mode="constant", constant_value=1)
    for _ in range(2):
        with pytest.raises(error) as again:
            tc.conv2d(x, kernel, **arguments)
        assert str(again.value) == str(first.value)


def test_inputs_that_the_plan_of_another_does_not_fit_are_refused_or_converted_as_at_first() -> None:
    x, kernel, bias = arrays()
    expected = tc.conv2d(x, kernel, bias)
    for same in (x.astype(">f4"), np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("f4").reshape(x.shape)):
        np.testing.assert_array_equal(tc.conv2d(same, kernel, bias), expected)
    for weights in (kernel.astype(">f4"), kernel.astype(np.float64), kernel.tolist()):
        np.testing.assert_array_equal(tc.conv2d(x, weights, bias.tolist()), expected)
        np.testing.assert_array_equal(tc.conv2d(x, weights, bias.astype(np.float64)), expected)
    with pytest.raises(TypeError, match="masked array"):
        tc.conv2d(np.ma.masked_array(x), kernel, bias)
    with pytest.raises(TypeError, match="complex"):
        tc.conv2d(x, kernel * 1j, bias)
    assert tc.conv2d(x.astype(np.float64), kernel).dtype == np.float64
    assert tc.conv2d(x.astype(np.float16), kernel).dtype == np.float16


def test_a_repeated_call_plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, kernel, bias = arrays()
    expected = tc.conv2d(x, kernel, bias, padding="same")
    monkeypatch.setattr(general, "layer_of", None)
    monkeypatch.setattr(general, "PlannedConv", None)
    np.testing.assert_array_equal(tc.conv2d(x, kernel, bias, padding="same"), expected)
    np.testing.assert_array_equal(tc.conv2d(x, kernel * 2, bias * 2, padding="same"), 2 * expected)


def test_remembered_plans_are_bounded_and_those_used_last_stay() -> None:
    plans = Plans(3)
    layer = general.layer_of(2, (1, 1, 1, 1), general.Tweaks(1, "valid", 1, 1, "channels_last"), residual=False)
    float32 = np.dtype(np.float32)
    made = [
        PlannedConv(layer, float32, (1, 4, size, 1), tc.compiler.target.get_target(), algorithm="auto", dtype=float32)
        for size in range(1, 6)
    ]
    for size, plan in enumerate(made):
        plans.keep(size, plan)
        assert plans.get(0) is (made[0] if size < 5 else None)  # used at each turn
    assert len(plans) == 3
    assert [size for size in range(5) if plans.get(size)] == [0, 3, 4]
    plans.keep([], made[0])  # cannot be looked up
    plans.keep(None, made[0])
    assert len(plans) == 3
    x = np.ones((1, 4, 400, 1), np.float32)
    for size in range(1, 300):
        tc.conv2d(x[:, :, :size], np.ones((1, 1, 1, 1)))
    assert len(PLANS) <= 128


def test_convolutions_of_many_pieces_are_not_remembered() -> None:
    PLANS.forget()
    x = np.ones((1, 3, 3, 1), np.float32)
    tc.conv2d_transpose(x, np.ones((2, 2, 1, 1), np.float32), strides=2)
    assert len(PLANS) == 1
    tc.conv2d_transpose(x, np.ones((2, 2, 1, 1), np.float32), strides=20)
    assert len(PLANS) == 1


def test_memory_lent_for_packing_is_bounded_and_no_two_calls_share_it() -> None:
    most = packing._MOST_ROOM_BYTES
    with packing.borrowed(most // 2) as first, packing.borrowed(most // 2) as second, packing.borrowed(most) as third:
        assert len({first, second, third}) == 3
        assert all(start % 64 == 0 for start in (first, second, third))
    assert sum(room.bytes for room in packing._rooms) <= most
    for size in range(1, 40):
        with packing.borrowed(size), packing.borrowed(size):
            pass
    assert len(packing._rooms) <= packing._MOST_ROOMS


def test_with_kernel_packs_other_weights_and_another_bias() -> None:
    x, kernel, bias = arrays()
    for algorithm in ("direct", "winograd"):
        conv = tc.compile_conv2d(kernel, bias, input_shape=x.shape, algorithm=algorithm)
        other = conv.with_kernel(2 * kernel)
        np.testing.assert_array_equal(
            other(x), tc.compile_conv2d(2 * kernel, bias, input_shape=x.shape, algorithm=algorithm)(x)
        )
        np.testing.assert_array_equal(conv.with_kernel(2 * kernel, 2 * bias)(x), 2 * conv(x))
    narrow = tc.compile_conv2d(kernel, bias, input_shape=x.shape, dtype="float16", algorithm="direct")
    wild = kernel.copy()
    wild[0, 0, 0, 0] = np.nan
    assert narrow.with_kernel(wild).dtype == np.float16
    assert np.isnan(narrow.with_kernel(wild)(x.astype(np.float16))[..., 0]).all()


def test_input_gradients_use_the_weights_of_their_call() -> None:
    _, kernel, _ = arrays()
    grad = np.random.default_rng(2).standard_normal((2, 14, 14, 32)).astype(np.float32)
    prepared = tc.compile_conv2d_input_grad(kernel.shape, input_shape=(2, 14, 14, 32), padding="same")
    first = prepared(grad, kernel)
    np.testing.assert_array_equal(prepared(grad, 2 * kernel), 2 * first)
    kernel[0, 0] = np.nan
    assert np.isnan(prepared(grad, kernel)).any()
    kernel[0, 0] = 0
    assert np.isfinite(prepared(grad, kernel)).all()
