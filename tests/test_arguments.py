"""Bad arguments: each is refused with its name, what was received, and an exception of the right kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tweakconv import compile_conv2d, conv2d, filter2d

X = np.random.default_rng(0).standard_normal((2, 6, 7, 4)).astype(np.float32)
KERNEL = np.random.default_rng(1).standard_normal((3, 2, 4, 6)).astype(np.float32)
IMAGE, SMALL_KERNEL = X[0], KERNEL[:, :, 0, 0]
Y_SHAPE = (2, 4, 6, 6)


def by_function(**changed: Any) -> Any:
    return conv2d(**{"x": X, "kernel": KERNEL, **changed})


def by_preparing(**changed: Any) -> Any:
    return compile_conv2d(**{"kernel": KERNEL, "input_shape": X.shape, **changed})


def by_prepared(**changed: Any) -> Any:
    return compile_conv2d(KERNEL, input_shape=X.shape)(**{"x": X, **changed})


def by_filter(**changed: Any) -> Any:
    return filter2d(**{"image": IMAGE, "kernel": SMALL_KERNEL, **changed})


def refused(call: Callable[..., Any], kind: type[Exception], *words: object, **changed: Any) -> str:
    """Check that a call is refused, with the changed argument's name and all these words in its message."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call(**changed)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    for word in words or (next(iter(changed)),):
        assert str(word) in message, f"{word!r} is not in: {message}"
    return message


def test_the_arguments_that_are_changed_here_are_good() -> None:
    assert by_function().shape == Y_SHAPE
    assert by_prepared().shape == Y_SHAPE
    assert by_preparing()(X).shape == Y_SHAPE
    assert by_filter().shape == IMAGE.shape


# -- The numbers of the geometry -----------------------------------------------------------------------------------

ALL = [by_function, by_preparing, by_filter]
CONVOLUTIONS = [by_function, by_preparing]


@pytest.mark.parametrize("call", ALL)
@pytest.mark.parametrize("name", ["strides", "dilation_rate"])
@pytest.mark.parametrize("value", [0, -1, (1, 0), (-2, 1), [0, 1], (1, 2, 3), (1,), ()])
def test_strides_and_dilation_rates_below_one_or_of_another_rank_are_refused(
    call: Callable[..., Any], name: str, value: Any
) -> None:
    refused(call, ValueError, name, value, **{name: value})


@pytest.mark.parametrize("call", ALL)
@pytest.mark.parametrize("name", ["strides", "dilation_rate"])
@pytest.mark.parametrize("value", [1.0, "2", None, True, (1, 2.5), (1, None), Fraction(2), np.float64(1), {1, 2}])
def test_strides_and_dilation_rates_that_are_no_integers_are_refused(
    call: Callable[..., Any], name: str, value: Any
) -> None:
    refused(call, TypeError, name, "integer", **{name: value})


@pytest.mark.parametrize("call", ALL)
@pytest.mark.parametrize(
    "value", ["Valid ", "reflect", "SAME_UPPER", "", (1, 2, 3), (1,), ((1, 2, 3), (1, 1)), ((1,), (2, 2)), (1, 1, 1, 1)]
)
def test_unknown_and_misshapen_padding_is_refused(call: Callable[..., Any], value: Any) -> None:
    refused(call, ValueError, "padding", value, padding=value)


@pytest.mark.parametrize("call", ALL)
@pytest.mark.parametrize("value", [None, 1.5, (1, 0.5), ((1, "2"), (0, 0)), True, b"same"])
def test_padding_that_is_neither_a_name_nor_integers_is_refused(call: Callable[..., Any], value: Any) -> None:
    refused(call, TypeError, "padding", padding=value)


@pytest.mark.parametrize("call", ALL)
def test_causal_padding_of_an_image_is_refused_with_what_to_write_instead(call: Callable[..., Any]) -> None:
    refused(call, ValueError, "causal", "pairs", padding="causal")


@pytest.mark.parametrize("call", [by_function, by_filter])
def test_a_bad_argument_is_refused_also_after_a_good_one_that_equals_it(call: Callable[..., Any]) -> None:
    call(padding=1)
    refused(call, TypeError, "padding", padding=True)
    refused(call, TypeError, "padding", padding=1.0)
    call(padding=((1, 1), (1, 0)))
    refused(call, TypeError, "padding", padding=((1, 1), (True, 0)))


@pytest.mark.parametrize("call", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, ValueError),
        (-1, ValueError),
        (4, ValueError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_groups_that_are_no_divisor_are_refused(call: Callable[..., Any], value: Any, kind: type[Exception]) -> None:
    refused(call, kind, "groups", value, groups=value)


def test_groups_that_do_not_fit_the_channels_of_x_are_refused_with_the_numbers() -> None:
    message = refused(by_function, ValueError, "x", (2, 6, 7, 4), groups=3)
    assert "4" in message  # channels there are
    assert "12" in message  # channels there should be: 3 groups of 4


@pytest.mark.parametrize("call", ALL)
@pytest.mark.parametrize(
    "tweak", [{"dilation_rate": 3}, {"kernel": np.ones((7, 2))}, {"kernel": np.ones((3, 8))}, {"padding": -3}]
)
def test_a_kernel_larger_than_the_padded_input_is_refused_with_the_numbers(
    call: Callable[..., Any], tweak: dict[str, Any]
) -> None:
    if "kernel" in tweak and call is not by_filter:
        tweak = {"kernel": np.ones((*tweak["kernel"].shape, 4, 6))}
    message = refused(call, ValueError, "kernel", "no output", **{"padding": "valid", **tweak})
    assert len(re.findall(r"\d+", message)) >= 4


# -- Names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CONVOLUTIONS)
@pytest.mark.parametrize("value", ["NHWC", "channels-last", "", None, 1])
def test_an_unknown_data_format_is_refused_with_those_that_there_are(call: Callable[..., Any], value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"data_format.*channels_last.*channels_first") as caught:
        call(data_format=value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("call", CONVOLUTIONS)
@pytest.mark.parametrize("value", ["Gelu", "ReLU", "softmax", "", 0, np.maximum])
def test_an_unknown_activation_is_refused_with_those_that_there_are(call: Callable[..., Any], value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"activation.*relu") as caught:
        call(activation=value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("call", ALL)
@pytest.mark.parametrize("value", ["zero", "mirror", "", None, 0])
def test_an_unknown_padding_mode_is_refused_with_those_that_there_are(call: Callable[..., Any], value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"padding_mode.*zeros.*reflect.*wrap") as caught:
        call(padding_mode=value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", ["int32", int, "bool", ">f4", "bogus", object(), np.complex64, np.longdouble])
def test_an_unsupported_dtype_is_refused_with_those_that_there_are(value: Any) -> None:
    refused(by_preparing, TypeError, "dtype", "float32", "float64", dtype=value)


@pytest.mark.parametrize("call", ALL)
def test_an_unknown_argument_is_refused_by_its_name(call: Callable[..., Any]) -> None:
    refused(call, TypeError, "stride", stride=2)


# -- Shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [by_function, by_prepared])
@pytest.mark.parametrize("shape", [(), (4,), (6, 7), (6, 7, 4), (1, 2, 6, 7, 4)])
def test_input_of_another_rank_is_refused_with_the_order_of_its_axes(
    call: Callable[..., Any], shape: tuple[int, ...]
) -> None:
    refused(call, ValueError, "x:", shape, "(batch, height, width, channels)", x=np.ones(shape, np.float32))


@pytest.mark.parametrize("call", [by_function, by_prepared])
@pytest.mark.parametrize("shape", [(2, 6, 7, 3), (2, 6, 7, 5), (2, 4, 6, 7)])
def test_input_with_other_channels_than_the_kernel_is_refused_with_both(
    call: Callable[..., Any], shape: tuple[int, ...]
) -> None:
    refused(call, ValueError, "x:", shape, f"{shape[3]} channels", "kernel takes 4", x=np.ones(shape, np.float32))


@pytest.mark.parametrize("call", [by_function, by_prepared])
@pytest.mark.parametrize("shape", [(2, 0, 7, 4), (2, 6, 0, 4), (2, 6, 7, 0), (0, 0, 7, 4)])
def test_input_with_an_empty_axis_other_than_the_batch_is_refused(
    call: Callable[..., Any], shape: tuple[int, ...]
) -> None:
    refused(call, ValueError, "x:", shape, "empty", x=np.ones(shape, np.float32))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "wrap"])
def test_an_empty_batch_gives_an_empty_batch(data_format: str, padding_mode: str) -> None:
    x = np.ones((0, 6, 7, 4) if data_format == "channels_last" else (0, 4, 6, 7), np.float32)
    tweaks = {"data_format": data_format, "padding_mode": padding_mode, "padding": ((1, 0), (0, 2)), "strides": 2}
    y = conv2d(x, KERNEL, **tweaks)  # 6 + 1 - 3 over 2, 7 + 2 - 2 over 2: 3 x 4 outputs
    assert y.shape == ((0, 3, 4, 6) if data_format == "channels_last" else (0, 6, 3, 4))
    assert y.dtype == x.dtype
    prepared = compile_conv2d(KERNEL, input_shape=x.shape, **tweaks)
    assert prepared(x).shape == y.shape
    out = np.empty(y.shape, np.float32)
    assert prepared(x, out=out) is out
    assert prepared(np.ones((2, *x.shape[1:]), np.float32)).shape == (2, *y.shape[1:])
    assert "0x" not in prepared.explain().splitlines()[0]


@pytest.mark.parametrize("call", CONVOLUTIONS)
@pytest.mark.parametrize(
    "shape", [(), (3,), (3, 2), (3, 2, 4), (3, 2, 4, 6, 1), (0, 2, 4, 6), (3, 0, 4, 6), (3, 2, 0, 6), (3, 2, 4, 0)]
)
def test_a_kernel_of_another_rank_or_empty_is_refused(call: Callable[..., Any], shape: tuple[int, ...]) -> None:
    refused(call, ValueError, "kernel:", shape, "out channels", kernel=np.ones(shape))


@pytest.mark.parametrize("call", CONVOLUTIONS)
@pytest.mark.parametrize("bias", [np.float32(1), np.ones(5), np.ones(7), np.ones((1, 6)), np.ones((6, 1)), [], 3.0])
def test_bias_of_another_shape_is_refused(call: Callable[..., Any], bias: Any) -> None:
    refused(call, ValueError, "bias:", np.shape(bias), "6", bias=bias)


@pytest.mark.parametrize("shape", [(), (6,), (1, 6, 7, 4), (0, 7), (6, 0), (6, 7, 0)])
def test_an_image_of_another_rank_or_empty_is_refused(shape: tuple[int, ...]) -> None:
    refused(by_filter, ValueError, "image:", shape, image=np.ones(shape, np.float32))


@pytest.mark.parametrize("shape", [(), (3,), (3, 3, 1), (3, 3, 1, 1), (0, 3), (3, 0)])
def test_a_filter_of_another_rank_or_empty_is_refused(shape: tuple[int, ...]) -> None:
    refused(by_filter, ValueError, "kernel:", shape, kernel=np.ones(shape))


@pytest.mark.parametrize("shape", [(6, 7, 4), (2, 0, 7, 4), (2, 6, 7, 5), (2, -6, 7, 4), (-1, 6, 7, 4), ()])
def test_an_input_shape_that_no_input_can_have_is_refused_by_that_name(shape: tuple[int, ...]) -> None:
    refused(by_preparing, ValueError, "input_shape", shape, input_shape=shape)


@pytest.mark.parametrize("shape", [6, None, (2, 6.0, 7, 4), "2674", (2, 6, 7, None), X])
def test_an_input_shape_that_is_no_integers_is_refused_by_that_name(shape: Any) -> None:
    refused(by_preparing, TypeError, "input_shape", input_shape=shape)


# -- Types ---------------------------------------------------------------------------------------------------------

NOT_FLOATS = ["int64", "int8", "bool", "uint32", "complex64", "object", "U3", "S3", "M8[s]", "m8[s]", "longdouble"]


@pytest.mark.parametrize(("call", "name"), [(by_function, "x"), (by_prepared, "x"), (by_filter, "image")])
@pytest.mark.parametrize("dtype", NOT_FLOATS)
def test_input_of_a_type_that_is_not_supported_is_refused_with_what_to_do(
    call: Callable[..., Any], name: str, dtype: str
) -> None:
    shape = IMAGE.shape if name == "image" else X.shape
    array = np.zeros(shape, dtype)
    remedy = {"c": f"{name}.real", "O": "array of numbers", "U": "array of numbers", "S": "array of numbers"}
    expected = remedy.get(array.dtype.kind, "array of numbers" if array.dtype.kind in "mM" else "astype")
    refused(call, TypeError, f"{name}:", array.dtype, expected, **{name: array})


@pytest.mark.parametrize(("call", "name"), [(by_function, "x"), (by_prepared, "x"), (by_filter, "image")])
@pytest.mark.parametrize("value", [None, "abc", 3, object(), [["a"]], {}, [1, 2]])
def test_input_that_is_no_array_of_floats_is_refused(call: Callable[..., Any], name: str, value: Any) -> None:
    refused(call, TypeError, f"{name}:", **{name: value})


@pytest.mark.parametrize(
    ("call", "name"),
    [(by_function, "x"), (by_prepared, "x"), (by_filter, "image"), (by_function, "kernel"), (by_preparing, "kernel"),
     (by_filter, "kernel"), (by_function, "bias")],
)  # fmt: skip
def test_nested_lists_of_uneven_length_are_refused_by_name(call: Callable[..., Any], name: str) -> None:
    refused(call, ValueError, name, **{name: [[1.0], [1.0, 2.0]]})


@pytest.mark.parametrize(
    ("call", "name"),
    [(by_function, "x"), (by_prepared, "x"), (by_filter, "image"), (by_function, "kernel"), (by_preparing, "kernel"),
     (by_filter, "kernel"), (by_function, "bias")],
)  # fmt: skip
def test_masked_arrays_are_refused_since_their_mask_would_be_ignored(call: Callable[..., Any], name: str) -> None:
    good = {"x": X, "image": IMAGE, "bias": np.ones(6), "kernel": SMALL_KERNEL if call is by_filter else KERNEL}[name]
    refused(call, TypeError, f"{name}:", "mask", **{name: np.ma.masked_array(good, mask=good > 0)})


def test_float64_input_to_a_convolution_prepared_for_float32_is_refused_with_what_to_do() -> None:
    refused(by_prepared, TypeError, "x:", "float64", "float32", "astype", x=X.astype(np.float64))
    prepared = compile_conv2d(KERNEL, input_shape=X.shape, dtype="float64")
    with pytest.raises(TypeError, match=r"x:.*float32.*float64.*astype"):
        prepared(X)


@pytest.mark.parametrize("call", [by_function, by_preparing, by_filter])
@pytest.mark.parametrize("dtype", ["complex64", "object", "U3", "M8[s]", "bool"])
def test_a_kernel_that_is_not_real_numbers_is_refused(call: Callable[..., Any], dtype: str) -> None:
    shape = SMALL_KERNEL.shape if call is by_filter else KERNEL.shape
    refused(call, TypeError, "kernel:", np.dtype(dtype), kernel=np.zeros(shape, dtype))


@pytest.mark.parametrize("dtype", ["complex64", "object", "U3"])
def test_a_bias_that_is_not_real_numbers_is_refused(dtype: str) -> None:
    refused(by_function, TypeError, "bias:", np.dtype(dtype), bias=np.zeros(6, dtype))


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float32", "float64", ">f8", "longdouble"])
def test_kernel_and_bias_of_any_real_type_are_converted(dtype: str) -> None:
    kernel, bias = np.arange(96).reshape(2, 2, 4, 6).astype(dtype), np.arange(6).astype(dtype)
    y = conv2d(X, kernel, bias)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, conv2d(X, kernel.astype(np.float32), bias.astype(np.float32)))
    np.testing.assert_array_equal(y, conv2d(X, kernel.tolist(), bias.tolist()))


def test_a_convolution_is_prepared_in_its_kernels_type_or_float32() -> None:
    for dtype, computed in (
        ("float32", "float32"),
        ("float64", "float64"),
        (">f8", "float64"),
        ("int32", "float32"),
        (">f2", "float16"),
    ):
        assert compile_conv2d(KERNEL.astype(dtype), input_shape=X.shape).dtype == np.dtype(computed)


# -- out -----------------------------------------------------------------------------------------------------------

INTO = [by_function, by_prepared]


@pytest.mark.parametrize("call", INTO)
@pytest.mark.parametrize("shape", [(1, 4, 6, 6), (2, 6, 4, 6), (2, 4, 6, 7), (288,), (2, 4, 36), ()])
def test_out_of_another_shape_is_refused_with_the_right_one(call: Callable[..., Any], shape: tuple[int, ...]) -> None:
    refused(call, ValueError, "out:", shape, Y_SHAPE, out=np.empty(shape, np.float32))


@pytest.mark.parametrize("call", INTO)
@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", ">f4", "complex64", "object"])
def test_out_of_another_dtype_is_refused_with_the_right_one(call: Callable[..., Any], dtype: str) -> None:
    refused(call, TypeError, "out:", np.dtype(dtype), "float32", out=np.empty(Y_SHAPE, dtype))


@pytest.mark.parametrize("call", INTO)
@pytest.mark.parametrize("value", ["y", 3, [1.0], (1, 2), bytearray(1152), memoryview(bytearray(1152))])
def test_out_that_is_no_array_is_refused(call: Callable[..., Any], value: Any) -> None:
    refused(call, TypeError, "out:", type(value).__name__, out=value)


@pytest.mark.parametrize("call", INTO)
def test_out_that_is_a_masked_array_is_refused(call: Callable[..., Any]) -> None:
    refused(call, TypeError, "out:", "ask", out=np.ma.zeros(Y_SHAPE, np.float32))


@pytest.mark.parametrize("call", INTO)
def test_read_only_out_is_refused_and_left_alone(call: Callable[..., Any]) -> None:
    out = np.full(Y_SHAPE, 7, np.float32)
    out.flags.writeable = False
    refused(call, ValueError, "out:", "read-only", out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("call", INTO)
@pytest.mark.parametrize(
    "make",
    [
        lambda: np.empty(Y_SHAPE[::-1], np.float32).T,
        lambda: np.empty((*Y_SHAPE[:3], 12), np.float32)[..., ::2],
        lambda: np.empty(Y_SHAPE, np.float32)[::-1],
        lambda: np.broadcast_to(np.empty((1, *Y_SHAPE[1:]), np.float32), Y_SHAPE),
        lambda: np.ndarray(Y_SHAPE, np.float32, np.empty(4 * 288 + 1, np.uint8), 1),
    ],
    ids=["Fortran order", "every other channel", "reversed", "broadcast", "unaligned"],
)
def test_out_that_is_not_in_one_aligned_piece_is_refused(call: Callable[..., Any], make: Callable[[], Any]) -> None:
    refused(call, ValueError, "out:", out=make())


@pytest.mark.parametrize("call", INTO)
@pytest.mark.parametrize("offset", [0, 1, 335])
@pytest.mark.parametrize("padding_mode", ["zeros", "edge"])
def test_out_that_overlaps_the_input_is_refused_and_left_alone(
    call: Callable[..., Any], offset: int, padding_mode: str
) -> None:
    memory = np.random.default_rng(2).standard_normal(336 + 288).astype(np.float32)
    before = memory.copy()
    x, out = memory[:336].reshape(X.shape), memory[offset : offset + 288].reshape(Y_SHAPE)
    if call is by_function:
        refused(call, ValueError, "out:", "overlaps", out=out, x=x, padding_mode=padding_mode)
    else:
        refused(call, ValueError, "out:", "overlaps", out=out, x=x)
    np.testing.assert_array_equal(memory, before)


def test_out_beside_the_input_in_the_same_memory_is_fine() -> None:
    memory = np.empty(336 + 288, np.float32)
    x, out = memory[:336].reshape(X.shape), memory[336:].reshape(Y_SHAPE)
    x[...] = X
    assert conv2d(x, KERNEL, out=out) is out
    np.testing.assert_array_equal(out, conv2d(X, KERNEL))
    np.testing.assert_array_equal(x, X)


def test_out_that_is_the_kernel_gets_the_right_result() -> None:
    kernel = np.random.default_rng(3).standard_normal((3, 3, 3, 3)).astype(np.float32)
    x = np.random.default_rng(4).standard_normal((3, 5, 5, 3)).astype(np.float32)
    expected = conv2d(x, kernel)
    out = kernel
    np.testing.assert_array_equal(conv2d(x, kernel, out=out), expected)


@pytest.mark.parametrize(("change", "kind"), [
    (lambda out: out[:, :, :3].copy(), ValueError), (lambda out: out.astype(np.float64), TypeError),
    (lambda out: out[::-1], ValueError), (lambda out: out.tolist(), TypeError), (lambda out: IMAGE, ValueError),
])  # fmt: skip
def test_a_filters_bad_out_is_refused(change: Callable[[Any], Any], kind: type[Exception]) -> None:
    refused(by_filter, kind, "out:", out=change(np.empty(IMAGE.shape, np.float32)))


# -- Extremes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("stride", [10**5, 10**9, 2**62])
def test_a_stride_far_beyond_the_image_takes_its_first_window(stride: int, data_format: str) -> None:
    x, kernel = np.round(3 * X), np.round(3 * KERNEL)  # whole numbers, whose sums are exact
    x = x if data_format == "channels_last" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    y = conv2d(x, kernel, strides=stride, data_format=data_format)
    first = conv2d(x, kernel, data_format=data_format)
    window = (slice(None), slice(1), slice(1)) if data_format == "channels_last" else (..., slice(1), slice(1))
    np.testing.assert_array_equal(y, first[window])


@pytest.mark.parametrize("rate", [10**5, 2**62, 2**70])
def test_a_dilation_rate_says_nothing_where_there_is_one_tap(rate: int) -> None:
    kernel = KERNEL[:1, :1]
    np.testing.assert_array_equal(conv2d(X, kernel, dilation_rate=rate), conv2d(X, kernel))


@pytest.mark.parametrize("pads", [2**40, 2**62])
def test_padding_beyond_all_memory_is_an_error_of_memory_or_value(pads: int) -> None:
    with pytest.raises((MemoryError, ValueError)):
        conv2d(X, KERNEL, padding=pads)
