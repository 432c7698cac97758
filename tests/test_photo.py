"""A filtered picture: values as an independent library computes them, alpha from the right pixels, the kind kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from tweakconv.geometry import ConvGeometry
from tweakconv.kernels import Kernel, parse_kernel
from tweakconv.photo import filter_picture, sample_centres
from tweakconv.picture import ImageFileError, Picture

RNG = np.random.default_rng(11)


def random_picture(dtype=np.uint8, height=13, width=17, channels=3, alpha=False):
    samples = RNG.integers(0, np.iinfo(dtype).max, (height, width, channels + alpha), dtype=dtype, endpoint=True)
    return Picture(samples[..., :channels], samples[..., channels] if alpha else None)


def scipy_filtered(plane, kernel, stride, pads, dilation):
    """One channel in float64: padded, the kernel spread with zeros, every position, then those of the stride."""
    spread = np.zeros([dilation * (taps - 1) + 1 for taps in kernel.shape])
    spread[::dilation, ::dilation] = kernel
    return signal.correlate2d(np.pad(plane.astype(float), pads), spread, mode="valid")[::stride, ::stride]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [(1, (1, 1), 1), (2, (0, 3), 1), (1, (4, 2), 2), (3, (2, 0), 2)]
)
def test_every_channel_is_filtered_as_scipy_does_and_rounded(dtype, channels, stride, padding, dilation):
    picture = random_picture(dtype, channels=channels)
    kernel = Kernel("random", RNG.random((3, 4)) / 6)
    pads = (padding, padding[::-1])
    filtered = filter_picture(picture, kernel, strides=stride, padding=pads, dilation_rate=dilation).picture
    assert filtered.pixels.dtype == dtype
    for c in range(channels):
        expected = scipy_filtered(picture.pixels[..., c], kernel.weights, stride, pads, dilation)
        assert filtered.pixels[..., c].shape == expected.shape
        # Half a unit is what rounding takes, the rest is float32's.
        assert np.abs(filtered.pixels[..., c] - expected).max() <= 0.5 + 2e-7 * np.iinfo(dtype).max


def test_the_identity_leaves_every_16_bit_value_as_it_was():
    picture = random_picture(np.uint16)
    np.testing.assert_array_equal(filter_picture(picture, parse_kernel("identity")).picture.pixels, picture.pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_kernel_that_sums_to_1_keeps_white_white(dtype):
    white = Picture(np.full((9, 9, 3), np.iinfo(dtype).max, dtype))
    for name in ("blur:5", "gaussian:7", "unsharp"):
        filtered = filter_picture(white, parse_kernel(name), padding="valid").picture
        assert (filtered.pixels == np.iinfo(dtype).max).all()


def test_64_bit_floats_are_filtered_in_64_bits():
    values = RNG.standard_normal((8, 9, 1))
    kernel = Kernel("random", RNG.standard_normal((3, 3)))
    filtered = filter_picture(Picture(values), kernel, padding="valid").picture.pixels[..., 0]
    np.testing.assert_allclose(filtered, scipy_filtered(values[..., 0], kernel.weights, 1, ((0, 0), (0, 0)), 1))


def test_flip_is_the_convolution_of_mathematics():
    picture = random_picture(channels=1)
    kernel = Kernel("random", RNG.random((3, 3)) / 5)
    flipped = filter_picture(picture, kernel, padding="valid", flip=True).picture.pixels[..., 0]
    expected = signal.convolve2d(picture.pixels[..., 0].astype(float), kernel.weights, mode="valid")
    assert np.abs(flipped - expected).max() <= 0.5001


def test_strides_thin_out_the_resolution_along_their_axes():
    picture = replace(random_picture(), resolution=(300.0, 600.0))
    assert filter_picture(picture, parse_kernel("blur"), strides=(2, 3)).picture.resolution == (150.0, 200.0)


def test_the_padding_mode_fills_the_border():
    picture = Picture(np.full((6, 6, 1), 90, np.uint8))
    blur = parse_kernel("blur")
    assert filter_picture(picture, blur).picture.pixels[0, 0, 0] == 40  # 4 of 9 pixels, the others black
    assert (filter_picture(picture, blur, padding_mode="edge").picture.pixels == 90).all()
    white = filter_picture(picture, blur, padding_mode="constant", constant_value=180).picture.pixels
    assert white[0, 0, 0] == 140  # (4 * 90 + 5 * 180) / 9
    with_alpha = replace(picture, alpha=np.arange(36, dtype=np.uint8).reshape(6, 6))
    filtered = filter_picture(with_alpha, blur, padding=2, padding_mode="constant", constant_value=180).picture
    assert filtered.alpha is not None
    assert (filtered.alpha[0, :3].tolist(), filtered.alpha[-1, -3:].tolist()) == ([0, 0, 1], [34, 35, 35])


def test_grey_weighs_the_colours_without_rounding_in_between():
    picture = Picture(np.array([[[100, 0, 0], [0, 100, 0], [0, 0, 100], [1, 1, 1]]], np.uint8), icc_profile=b"rgb")
    filtered = filter_picture(picture, parse_kernel("10"), grey=True, value_range="clip").picture
    assert filtered.pixels.ravel().tolist() == [255, 255, 114, 10]  # 299 and 587 are above white
    assert filtered.kind == "8-bit grey"
    assert filtered.icc_profile is None


def test_grey_leaves_a_grey_picture_and_its_profile_alone():
    picture = Picture(random_picture(channels=1).pixels, icc_profile=b"grey")
    filtered = filter_picture(picture, parse_kernel("identity"), grey=True).picture
    np.testing.assert_array_equal(filtered.pixels, picture.pixels)
    assert filtered.icc_profile == b"grey"


# Alpha


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "centres"),
    [
        (3, 1, "same", 1, [0, 1, 2, 3, 4, 5]),
        (4, 1, "same", 1, [0, 1, 2, 3, 4, 5]),  # the earlier of two middle pixels: alpha stays in place
        (3, 2, "same", 1, [1, 3, 5]),  # pads 0 and 1: the first window covers pixels 0 to 2
        (3, 2, 1, 1, [0, 2, 4]),
        (3, 1, "valid", 1, [1, 2, 3, 4]),
        (2, 1, "valid", 3, [1, 2, 3]),  # spans 4 pixels, the middle ones are 1 and 2
        (3, 1, "full", 1, [0, 0, 1, 2, 3, 4, 5, 5]),  # centres from -1 to 6
        (1, 2, ((3, 0),), 1, [0, 0, 1, 3, 5]),  # centres at -3, -1, 1, 3, 5
    ],
)
def test_alpha_comes_from_the_centre_of_each_window(kernel, stride, padding, dilation, centres):
    down = ConvGeometry.of(6, kernel, strides=stride, padding=padding, dilation_rate=dilation)
    across = ConvGeometry.of(1, 1)
    both = ConvGeometry((*down.axes, *across.axes))
    plane = np.arange(10, 16)[:, None]
    assert sample_centres(plane, both)[:, 0].tolist() == [10 + centre for centre in centres]


def test_alpha_in_the_padding_follows_the_padding_mode():
    geometry = ConvGeometry.of((1, 4), (1, 5), padding=((0, 0), (4, 4)))  # centres from -2 to 5
    plane = np.array([[10, 11, 12, 13]])
    assert sample_centres(plane, geometry, "reflect")[0].tolist() == [12, 11, 10, 11, 12, 13, 12, 11]
    assert sample_centres(plane, geometry, "wrap")[0].tolist() == [12, 13, 10, 11, 12, 13, 10, 11]


def test_alpha_is_sampled_along_both_axes_and_not_convolved():
    picture = random_picture(alpha=True)
    filtered = filter_picture(picture, parse_kernel("blur:3"), strides=(2, 3), padding="valid").picture
    np.testing.assert_array_equal(filtered.alpha, picture.alpha[1:-1:2, 1:-1:3])
    assert filtered.kind == "8-bit RGB with alpha"


# Refusals


def test_a_window_larger_than_the_picture_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"height.*spans 21 pixels.*13"):
        filter_picture(random_picture(), parse_kernel("blur:11"), padding="valid", dilation_rate=2)


def test_a_result_of_too_many_pixels_is_refused_before_it_is_computed():
    with pytest.raises(ImageFileError, match="output of 200015 x 200011 = 40,005,200,165 pixels"):
        filter_picture(random_picture(), parse_kernel("blur"), padding=100_000)


@pytest.mark.parametrize("weight", ["1e39", "1e38"])
def test_weights_that_overflow_are_refused(weight):
    with pytest.raises(ValueError, match=r"kernel .* (float32 cannot hold|results overflow)"):
        filter_picture(random_picture(), parse_kernel(weight))


def test_bad_tweaks_are_refused_by_name():
    for arguments, words in (
        ({"strides": 0}, "strides must be at least 1"),
        ({"padding": "sane"}, "padding must be one of"),
        ({"dilation_rate": (1, 2, 3)}, "dilation_rate"),
        ({"padding_mode": "mirror"}, "padding_mode"),
        ({"value_range": "none"}, "range must be one of"),
    ):
        with pytest.raises(ValueError, match=words):
            filter_picture(random_picture(), parse_kernel("blur"), **arguments)
