"""Traps that other libraries fell into, one by one, each with where it happened.

Those about pooling, figures, transposed convolutions and tiles are told where those are tested.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.cases import DTYPES, FORMATS, Case, by_definition

from tweakconv import ConvGeometry, compile_conv2d, conv2d, filter2d, output_size

NAN, INF = np.nan, np.inf


def ramp(*shape: int) -> Any:
    """Numbers without symmetry, small enough that sums are exact."""
    return (np.arange(1, np.prod(shape) + 1) ** 2 % 31).astype(np.float64).reshape(shape)


def test_even_kernels_and_strides_under_same_put_the_odd_pad_at_the_end() -> None:
    """Keras' own documentation says "evenly"; tensornets#25 met both."""
    row = np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1)
    pair = np.array([1.0, 2]).reshape(1, 2, 1, 1)
    np.testing.assert_array_equal(conv2d(row, pair, padding="same").ravel(), [21, 210, 2100, 1000])
    np.testing.assert_array_equal(conv2d(row, pair, padding="same_lower").ravel(), [2, 21, 210, 2100])
    three = np.array([1.0, 2, 3]).reshape(1, 3, 1, 1)  # 4 pixels at stride 2: one pad, behind the last pixel
    np.testing.assert_array_equal(conv2d(row, three, strides=(1, 2), padding="same").ravel(), [321, 2100])
    np.testing.assert_array_equal(conv2d(row, three, strides=(1, 2), padding="same_lower").ravel(), [32, 3210])


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_stride_larger_than_the_kernel_under_same_needs_no_padding_and_no_negative_one(data_format: str) -> None:
    """onnxruntime#10086: the needed pad went negative."""
    for size in range(1, 12):
        case = Case("trap", (1, size), (1, 1), kernel=(1, 2), strides=(1, 5), padding="same", bias=False)
        x, kernel, _ = case.arrays(data_format, np.float64, whole=True)
        pads = ConvGeometry.of((1, size), (1, 2), strides=(1, 5), padding="same").pads[1]
        assert min(pads) >= 0
        pixels = np.append(x.ravel(), 0)  # the window of the last output may hang over by one pixel
        expected = [pixels[o : o + 2] @ kernel.ravel() for o in range(0, size, 5)]
        np.testing.assert_array_equal(
            conv2d(x, kernel, data_format=data_format, strides=(1, 5), padding="same").ravel(), expected
        )


@pytest.mark.parametrize("call", [
    lambda: conv2d(ramp(1, 5, 9, 1), ramp(3, 3, 1, 1), dilation_rate=3, padding=((0, 1), (0, 0))),
    lambda: compile_conv2d(ramp(3, 3, 1, 1), input_shape=(1, 5, 9, 1), dilation_rate=3, padding=((0, 1), (0, 0))),
    lambda: compile_conv2d(ramp(3, 3, 1, 1), input_shape=(1, 9, 9, 1), dilation_rate=3)(ramp(1, 6, 9, 1)),
    lambda: filter2d(ramp(6, 9), ramp(3, 3), dilation_rate=3, padding="valid"),
    lambda: output_size((6, 9), 3, dilation_rate=3),
])  # fmt: skip
def test_a_dilated_kernel_larger_than_the_padded_input_is_a_clear_error(call: Any) -> None:
    """pytorch#15446 raised a bare C++ exception; keras#22418 built layers of size 0."""
    with pytest.raises(ValueError, match=r"kernel 3 with dilation 3 spans 7 pixels.* = 6.*no output"):
        call()


def test_the_right_shape_with_shifted_content_is_noticed() -> None:
    """keras#22876: off by one pixel, and CI passed because only shapes were checked."""
    x = np.zeros((1, 7, 9, 1))
    for row in range(7):
        for column in range(9):
            x[...] = 0
            x[0, row, column, 0] = 1
            y = conv2d(x, np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(3, 3, 1, 1), padding="same")
            # Output (i, j) holds tap (row - i + 1, column - j + 1).
            expected = np.zeros((7, 9))
            for i in range(max(0, row - 1), min(7, row + 2)):
                for j in range(max(0, column - 1), min(9, column + 2)):
                    expected[i, j] = 3 * (row - i + 1) + (column - j + 1) + 1
            np.testing.assert_array_equal(y[0, :, :, 0], expected)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("data_format", FORMATS)
def test_a_stride_and_a_dilation_rate_above_one_go_together(data_format: str, groups: int) -> None:
    """Keras refuses it at the layer; its DepthwiseConv2D took it and gave a wrong shape (keras#16314)."""
    case = Case("trap", (11, 12), (4, 8), strides=(2, 3), dilation_rate=(3, 2), padding="same", groups=groups)
    x, kernel, bias = case.arrays(data_format, np.float64, whole=True)
    y = conv2d(x, kernel, bias, data_format=data_format, **case.arguments)
    assert y.shape == ((1, 6, 4, 8) if data_format == "channels_last" else (1, 8, 6, 4))
    np.testing.assert_array_equal(y, by_definition(case, x, kernel, bias, data_format))


@pytest.mark.parametrize("data_format", FORMATS)
def test_circular_padding_wraps_each_axis_by_its_own_pads(data_format: str) -> None:
    """pytorch#37844: on the wrong axis; pytorch#20981: by half."""
    plane = ramp(3, 4)
    x = plane.reshape((1, 3, 4, 1) if data_format == "channels_last" else (1, 1, 3, 4))
    one = np.ones((1, 1, 1, 1))
    y = conv2d(x, one, padding=((2, 1), (0, 3)), padding_mode="wrap", data_format=data_format)
    rows, columns = [1, 2, 0, 1, 2, 0], [0, 1, 2, 3, 0, 1, 2]
    np.testing.assert_array_equal(y.reshape(6, 7), plane[np.ix_(rows, columns)])


def test_reflect_pads_larger_than_the_image_go_on_mirroring() -> None:
    """pytorch#18413."""
    x = np.array([1.0, 2, 3]).reshape(1, 1, 3, 1)
    y = conv2d(x, np.ones((1, 1, 1, 1)), padding=((0, 0), (5, 6)), padding_mode="reflect")
    np.testing.assert_array_equal(y.ravel(), [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1])
    single = conv2d(x[:, :, :1], np.ones((1, 1, 1, 1)), padding=((0, 0), (2, 1)), padding_mode="reflect")
    np.testing.assert_array_equal(single.ravel(), [1, 1, 1, 1])


def test_reflect_and_symmetric_mean_what_they_mean_in_numpy() -> None:
    """`reflect` means different things in NumPy, dask and OpenCV."""
    image = ramp(3, 4)
    for mode in ("reflect", "symmetric", "edge", "wrap"):
        y = filter2d(image, [[1]], padding=((2, 1), (1, 2)), padding_mode=mode)
        np.testing.assert_array_equal(y, np.pad(image, ((2, 1), (1, 2)), mode=mode))


@pytest.mark.parametrize("data_format", FORMATS)
def test_no_padded_copy_of_the_input_is_made_however_large_the_pads(data_format: str) -> None:
    """mlx#4258: a padded buffer that overflowed although the output fitted."""
    # Padded, this input would have 100,004 x 100,004 pixels and take 80 GB; the output has 3 x 3, one of
    # which sees the image: that whose window begins at pixel (1, 1).
    x = ramp(1, 4, 4, 1) if data_format == "channels_last" else ramp(1, 1, 4, 4)
    y = conv2d(x, np.ones((2, 2, 1, 1)), padding=50_000, strides=50_001, data_format=data_format)
    plane = x.reshape(4, 4)
    expected = np.zeros((3, 3))
    expected[1, 1] = plane[1:3, 1:3].sum()
    np.testing.assert_array_equal(y.reshape(3, 3), expected)


CHANNELS = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 127, 128, 129, 130, 200]


@pytest.mark.parametrize("channels", CHANNELS)
def test_zero_padding_times_infinity_is_nan_for_every_number_of_channels(channels: int) -> None:
    """burn#5385: it depended on the number of channels."""
    dtype, data_format = DTYPES[CHANNELS.index(channels) % 2], FORMATS[CHANNELS.index(channels) // 2 % 2]
    x = np.ones((1, 3, 3, channels) if data_format == "channels_last" else (1, channels, 3, 3), dtype)
    kernel = np.zeros((3, 3, channels, 2), dtype)
    kernel[0, 0, channels - 1, 0] = INF
    y = conv2d(x, kernel, padding="same", data_format=data_format)
    y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
    expected = np.zeros((3, 3, 2))
    expected[..., 0] = INF
    expected[0, :, 0] = expected[:, 0, 0] = NAN  # where tap (0, 0) lies in the padding
    np.testing.assert_array_equal(y[0], expected)


@pytest.mark.parametrize("channels", [1, 127, 128, 129, 520])
@pytest.mark.parametrize("data_format", FORMATS)
def test_input_that_is_all_infinite_gives_infinity_where_no_padding_is(channels: int, data_format: str) -> None:
    """tensorflow#60315: NaN above 128 channels."""
    x = np.full((1, 4, 4, channels) if data_format == "channels_last" else (1, channels, 4, 4), INF, np.float32)
    y = conv2d(x, np.ones((2, 2, channels, 3), np.float32), padding="same", data_format=data_format)
    assert (y == INF).all()  # padding is 0 x 1 = 0
    assert (conv2d(x, -np.ones((2, 2, channels, 3)), data_format=data_format) == -INF).all()


@pytest.mark.parametrize("kernel", [3, 15, 31])
def test_one_nan_reaches_its_own_window_and_no_further(kernel: int) -> None:
    """scipy#15927: through an FFT it contaminated the whole result."""
    image = np.ones((64, 70), np.float32)
    image[40, 33] = NAN
    y = filter2d(image, np.ones((kernel, kernel)))
    half = kernel // 2
    expected = np.zeros((64, 70), bool)
    expected[max(0, 40 - half) : 40 + half + 1, max(0, 33 - half) : 33 + half + 1] = True
    np.testing.assert_array_equal(np.isnan(y), expected)


@pytest.mark.parametrize("data_format", FORMATS)
def test_tiles_give_the_bits_of_the_whole_image(data_format: str) -> None:
    """kikuchipy#154: another order of summation showed as stripes at the borders of tiles."""
    case = Case("trap", (23, 29), (70, 6), kernel=(3, 3), bias=True, activation="relu")
    x, kernel, bias = case.arrays(data_format, np.float32)
    whole = conv2d(x, kernel, bias, data_format=data_format, activation="relu", algorithm="direct")
    rows, columns = (1, 2) if data_format == "channels_last" else (2, 3)
    for top in range(0, 21, 5):
        for left in range(0, 27, 8):
            here, there = [slice(None)] * 4, [slice(None)] * 4
            here[rows], here[columns] = slice(top, top + 7), slice(left, left + 10)  # 5 x 8 outputs, with their halo
            there[rows], there[columns] = slice(top, top + 5), slice(left, left + 8)
            tile = conv2d(x[tuple(here)], kernel, bias, data_format=data_format, activation="relu", algorithm="direct")
            np.testing.assert_array_equal(tile, whole[tuple(there)])


def test_pytorchs_padding_1_at_stride_2_and_keras_same_have_one_size_and_different_pixels() -> None:
    """The two are taken for each other; on even inputs they are not the same."""
    x, kernel = ramp(1, 6, 6, 1), ramp(3, 3, 1, 1)
    keras, pytorch = (conv2d(x, kernel, strides=2, padding=padding) for padding in ("same", 1))
    expected = F.conv2d(
        torch.from_numpy(x.reshape(1, 1, 6, 6)), torch.from_numpy(kernel.reshape(1, 1, 3, 3)), stride=2, padding=1
    )
    assert keras.shape == pytorch.shape == (1, 3, 3, 1)
    np.testing.assert_array_equal(pytorch.reshape(3, 3), expected.numpy().reshape(3, 3))
    assert (keras != pytorch).any()
