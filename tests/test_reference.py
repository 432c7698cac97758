"""The definition against PyTorch and SciPy, and what it says about padding and about what is not a number."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tweakconv import reference
from tweakconv.geometry import ConvGeometry

Array = NDArray[np.float64]
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def numbers(*shape: int, seed: int = 0) -> Array:
    """Numbers without any symmetry that could hide a shift or a flip."""
    return np.random.default_rng(seed).standard_normal(shape)


def as_torch(x: Array, data_format: str = "channels_last") -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1) if data_format == "channels_last" else x))


def from_torch(y: torch.Tensor, data_format: str = "channels_last") -> Array:
    return np.moveaxis(y.numpy(), 1, -1) if data_format == "channels_last" else y.numpy()


def weights_as_torch(kernel: Array) -> torch.Tensor:
    """(*spatial, I, O) to PyTorch's (O, I, *spatial), and Keras' (*spatial, O, I) to (I, O, *spatial)."""
    return torch.from_numpy(np.moveaxis(kernel, (-1, -2), (0, 1)).copy())


def torch_pads(pads: tuple[tuple[int, int], ...]) -> list[int]:
    """`torch.nn.functional.pad` wants the last axis first."""
    return [pad for lo_hi in reversed(pads) for pad in lo_hi]


@st.composite
def any_case(draw: st.DrawFn, *, transposed: bool = False) -> tuple[Array, Array, dict[str, Any]]:
    """An image, a kernel, and the other arguments of a convolution over one to three axes."""
    rank = draw(st.integers(1, 3))

    def per_axis(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(rank))

    taps, strides, rates = per_axis(1, 3), per_axis(1, 3), per_axis(1, 3)
    spans = [rate * (k - 1) + 1 for k, rate in zip(taps, rates, strict=True)]
    groups, share_in, share_out = (draw(st.integers(1, most)) for most in (3, 2, 2))
    settings = {
        "strides": strides,
        "dilation_rate": rates,
        "groups": groups,
        "data_format": draw(st.sampled_from(("channels_last", "channels_first"))),
    }
    if transposed:
        # As far as PyTorch goes: the same pad on both sides, and less output padding than stride or dilation.
        settings["padding"] = tuple(draw(st.integers(0, (span - 1) // 2)) for span in spans)
        settings["output_padding"] = tuple(
            draw(st.integers(0, max(step, rate) - 1)) for step, rate in zip(strides, rates, strict=True)
        )
        size = per_axis(1, 4)
        kernel = numbers(*taps, share_out, groups * share_in, seed=1)
    else:
        pads = tuple((draw(st.integers(-1, 3)), draw(st.integers(-1, 3))) for _ in range(rank))
        settings["padding"] = pads
        crops = [min(lo, 0) + min(hi, 0) for lo, hi in pads]
        size = tuple(span - crop + draw(st.integers(0, 4)) for span, crop in zip(spans, crops, strict=True))
        kernel = numbers(*taps, share_in, groups * share_out, seed=1)
    image = numbers(draw(st.integers(1, 2)), *size, groups * share_in, seed=2)
    if settings["data_format"] == "channels_first":
        image = np.moveaxis(image, -1, 1)
    return image, kernel, settings


class TestConv:
    @settings(deadline=None)
    @given(any_case())
    def test_any_rank_stride_pad_dilation_group_and_layout_is_pytorchs(
        self, case: tuple[Array, Array, dict[str, Any]]
    ) -> None:
        x, kernel, arguments = case
        bias = numbers(kernel.shape[-1], seed=3)
        layout = arguments["data_format"]
        expected = CONV[x.ndim - 2](
            F.pad(as_torch(x, layout), torch_pads(arguments["padding"])),
            weights_as_torch(kernel),
            torch.from_numpy(bias),
            stride=arguments["strides"],
            dilation=arguments["dilation_rate"],
            groups=arguments["groups"],
        )
        y = reference.conv(x, kernel, bias, **arguments)
        np.testing.assert_allclose(y, from_torch(expected, layout), rtol=1e-10, atol=1e-12)

    @pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
    @pytest.mark.parametrize("rate", [1, (1, 2), 3])
    @pytest.mark.parametrize("taps", [(3, 3), (2, 4), (4, 3)])
    @pytest.mark.parametrize("padding", ["valid", "same"])
    def test_valid_and_same_are_pytorchs(self, padding: str, taps: tuple[int, int], rate: Any) -> None:
        x, kernel = numbers(1, 10, 11, 2), numbers(*taps, 2, 3, seed=1)
        expected = F.conv2d(as_torch(x), weights_as_torch(kernel), padding=padding, dilation=rate)
        y = reference.conv(x, kernel, padding=padding, dilation_rate=rate)
        np.testing.assert_allclose(y, from_torch(expected), rtol=1e-11, atol=1e-12)

    def test_pytorchs_kernels_are_transposed_as_the_definitions_say(self) -> None:
        w = numbers(6, 2, 3, 4, seed=1)  # (out, in / groups, height, width), in 3 groups
        x = numbers(1, 9, 10, 6)
        expected = F.conv2d(as_torch(x), torch.from_numpy(w), stride=2, groups=3)
        y = reference.conv(x, w.transpose(2, 3, 1, 0), strides=2, groups=3)
        np.testing.assert_allclose(y, from_torch(expected), rtol=1e-11, atol=1e-12)

    @pytest.mark.parametrize("padding", ["full", "valid", "same"])
    def test_paddings_are_scipys_modes_where_the_kernel_is_odd(self, padding: str) -> None:
        image, kernel = numbers(9, 8), numbers(3, 5, seed=1)
        y = reference.filter2d(image, kernel, padding=padding)
        np.testing.assert_allclose(y, scipy.signal.correlate(image, kernel, mode=padding), atol=1e-12)
        y = reference.filter2d(image, kernel, padding=padding, flip=True)
        np.testing.assert_allclose(y, scipy.signal.convolve(image, kernel, mode=padding), atol=1e-12)

    def test_padding_1_and_same_at_stride_2_have_one_shape_and_different_values(self) -> None:
        x, kernel = numbers(1, 6, 6, 1), numbers(3, 3, 1, 1, seed=1)
        one = reference.conv(x, kernel, strides=2, padding=1)
        same = reference.conv(x, kernel, strides=2, padding="same")
        assert one.shape == same.shape
        unstrided = reference.conv(x, kernel, padding=1)
        np.testing.assert_array_equal(one, unstrided[:, 0::2, 0::2])
        np.testing.assert_array_equal(same, unstrided[:, 1::2, 1::2])

    def test_causal_outputs_do_not_change_with_what_comes_later(self) -> None:
        x, kernel = numbers(1, 12, 2), numbers(3, 2, 2, seed=1)
        changed = np.concatenate([x[:, :7], numbers(1, 5, 2, seed=2)], axis=1)
        before, after = (reference.conv(s, kernel, padding="causal", dilation_rate=2) for s in (x, changed))
        np.testing.assert_array_equal(before[:, :7], after[:, :7])
        assert (before[:, 7:] != after[:, 7:]).all()

    def test_bias_and_relu_come_after_the_sum(self) -> None:
        x, kernel, bias = numbers(2, 5, 5, 3), numbers(3, 3, 3, 4, seed=1), numbers(4, seed=2)
        y = reference.conv(x, kernel, bias, activation="relu")
        np.testing.assert_array_equal(y, np.maximum(reference.conv(x, kernel) + bias, 0))
        assert (y == 0).any()

    def test_an_empty_batch_gives_an_empty_batch(self) -> None:
        assert reference.conv(np.ones((0, 5, 6, 3)), np.ones((3, 3, 3, 2))).shape == (0, 3, 4, 2)
        assert reference.conv_transpose(np.ones((0, 5, 3)), np.ones((3, 2, 3))).shape == (0, 7, 2)


class TestAccumulation:
    def test_is_in_float64_unless_asked_otherwise(self) -> None:
        x = np.array([1e8, 1, -1e8], np.float32).reshape(1, 3, 1)
        ones = np.ones((3, 1, 1), np.float32)
        exact, rounded = reference.conv(x, ones), reference.conv(x, ones, accumulate=np.float32)
        assert (exact.dtype, rounded.dtype) == (np.float64, np.float32)
        assert (exact.item(), rounded.item()) == (1.0, 0.0)

    def test_integers_are_summed_as_floats(self) -> None:
        y = reference.conv(np.full((1, 2, 1), 200, np.uint8), np.full((2, 1, 1), 200, np.uint8))
        assert y.item() == 80000.0


class TestTransposed:
    @settings(deadline=None)
    @given(any_case(transposed=True))
    def test_any_rank_stride_cut_dilation_group_and_layout_is_pytorchs(
        self, case: tuple[Array, Array, dict[str, Any]]
    ) -> None:
        x, kernel, arguments = case
        layout = arguments["data_format"]
        bias = numbers(kernel.shape[-2] * arguments["groups"], seed=3)
        sizes = ConvGeometry.transposed(
            x.shape[1:-1] if layout == "channels_last" else x.shape[2:],
            kernel.shape[:-2],
            **{name: value for name, value in arguments.items() if name not in ("groups", "data_format")},
        ).output_size
        expected = CONV_TRANSPOSE[x.ndim - 2](
            as_torch(x, layout),
            weights_as_torch(kernel),
            torch.from_numpy(bias),
            stride=arguments["strides"],
            padding=arguments["padding"],
            output_padding=arguments["output_padding"],
            groups=arguments["groups"],
            dilation=arguments["dilation_rate"],
        )
        assert tuple(expected.shape[2:]) == sizes
        y = reference.conv_transpose(x, kernel, bias, **arguments)
        np.testing.assert_allclose(y, from_torch(expected, layout), rtol=1e-10, atol=1e-12)

    # Keras cuts the full result, (input - 1)*stride + E long, to (lo, length): with E = 3 and stride 2 on 4
    # pixels it has 9, of which "same" keeps the first 8; with E = 4 it has 10 and loses one at either end; with
    # E = 2 and stride 3 it has 11 and gains a zero. An output padding of 0 on E = 3 asks for 7: one at either end.
    @pytest.mark.parametrize(
        ("taps", "stride", "padding", "output_padding", "kept"),
        [
            (3, 2, "valid", None, (0, 9)),
            (2, 3, "valid", None, (0, 12)),
            (2, 3, "valid", 0, (0, 11)),
            (3, 2, "same", None, (0, 8)),
            (3, 2, "same_lower", None, (1, 8)),
            (4, 2, "same", None, (1, 8)),
            (2, 3, "same", None, (0, 12)),
            (3, 2, "same", 0, (1, 7)),
            (3, 2, "same", 1, (0, 8)),
        ],
    )
    def test_names_cut_the_full_result_where_keras_does(
        self, taps: int, stride: int, padding: str, output_padding: int | None, kept: tuple[int, int]
    ) -> None:
        x, kernel = numbers(1, 4, 2), numbers(taps, 3, 2, seed=1)
        full = from_torch(F.conv_transpose1d(as_torch(x), weights_as_torch(kernel), stride=stride))
        start, length = kept
        longer = np.pad(full, [(0, 0), (0, max(0, start + length - full.shape[1])), (0, 0)])
        y = reference.conv_transpose(x, kernel, None, stride, padding, output_padding=output_padding)
        np.testing.assert_allclose(y, longer[:, start : start + length], atol=1e-12)

    @settings(deadline=None)
    @given(any_case())
    def test_with_the_same_kernel_it_is_the_adjoint_of_the_convolution(
        self, case: tuple[Array, Array, dict[str, Any]]
    ) -> None:
        x, kernel, arguments = case
        y = reference.conv(x, kernel, **arguments)
        weighting = numbers(*y.shape, seed=4)
        spatial = slice(1, -1) if arguments["data_format"] == "channels_last" else slice(2, None)
        geometry = ConvGeometry.of(
            x.shape[spatial],
            kernel.shape[:-2],
            strides=arguments["strides"],
            padding=arguments["padding"],
            dilation_rate=arguments["dilation_rate"],
        )
        rest = tuple(axis.slack % axis.stride for axis in geometry.axes)
        back = reference.conv_transpose(weighting, kernel, output_padding=rest, **arguments)
        assert back.shape == x.shape
        np.testing.assert_allclose(np.vdot(y, weighting), np.vdot(x, back), rtol=1e-9, atol=1e-9)

    def test_nothing_is_multiplied_in_its_gaps(self) -> None:
        y = reference.conv_transpose(np.ones((1, 2, 1)), np.full((1, 1, 1), np.inf), strides=3)
        assert y.ravel().tolist() == [np.inf, 0, 0, np.inf, 0, 0]


class TestDepthwise:
    @pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
    @pytest.mark.parametrize("multiplier", [1, 3])
    def test_every_channel_has_its_own_kernels(self, multiplier: int, layout: str) -> None:
        x, kernel, bias = numbers(2, 7, 8, 4), numbers(3, 2, 4, multiplier, seed=1), numbers(4 * multiplier)
        own = [reference.conv(x[..., c : c + 1], kernel[:, :, c : c + 1], strides=2, padding="same") for c in range(4)]
        expected = np.concatenate(own, axis=-1) + bias
        if layout == "channels_first":
            x, expected = np.moveaxis(x, -1, 1), np.moveaxis(expected, -1, 1)
        y = reference.depthwise_conv(x, kernel, bias, 2, "same", data_format=layout)
        np.testing.assert_allclose(y, expected, atol=1e-12)

    def test_stride_and_dilation_go_together(self) -> None:
        x, kernel = numbers(1, 11, 12, 3), numbers(3, 3, 3, 1, seed=1)
        expected = F.conv2d(
            as_torch(x), torch.from_numpy(np.moveaxis(kernel, (2, 3), (0, 1)).copy()), stride=2, dilation=2, groups=3
        )
        y = reference.depthwise_conv(x, kernel, strides=2, dilation_rate=2)
        np.testing.assert_allclose(y, from_torch(expected), atol=1e-12)


class TestFilter2d:
    def test_every_channel_meets_the_same_kernel(self) -> None:
        image, kernel = numbers(6, 7, 3), numbers(2, 3, seed=1)
        y = reference.filter2d(image, kernel, 2, "full", dilation_rate=2, flip=True)
        for c in range(3):
            alone = reference.filter2d(image[..., c], kernel, 2, "full", dilation_rate=2, flip=True)
            np.testing.assert_array_equal(y[..., c], alone)

    # Where each of SciPy's functions puts an even kernel, and the padding that puts it there.
    @pytest.mark.parametrize(
        ("theirs", "flip", "padding"),
        [
            (lambda x, k: scipy.signal.correlate(x, k, "same"), False, "same_lower"),
            (lambda x, k: scipy.signal.convolve(x, k, "same"), True, "same_lower"),
            (lambda x, k: scipy.ndimage.correlate(x, k, mode="constant"), False, "same_lower"),
            (lambda x, k: scipy.ndimage.convolve(x, k, mode="constant"), True, "same"),
        ],
        ids=["signal.correlate", "signal.convolve", "ndimage.correlate", "ndimage.convolve"],
    )
    def test_padding_decides_where_even_kernels_stand(self, theirs: Any, flip: bool, padding: str) -> None:
        image, kernel = numbers(9, 8), numbers(4, 2, seed=1)
        y = reference.filter2d(image, kernel, padding=padding, flip=flip)
        np.testing.assert_allclose(y, theirs(image, kernel), atol=1e-12)

    @pytest.mark.parametrize(
        ("mode", "theirs"),
        [("reflect", "mirror"), ("symmetric", "reflect"), ("edge", "nearest"), ("wrap", "grid-wrap")],
    )
    @pytest.mark.parametrize("taps", [(3, 5), (9, 11)])
    def test_padding_modes_have_other_names_in_ndimage(self, taps: tuple[int, int], mode: str, theirs: str) -> None:
        image, kernel = numbers(5, 4), numbers(*taps, seed=1)
        y = reference.filter2d(image, kernel, padding_mode=mode)
        np.testing.assert_allclose(y, scipy.ndimage.correlate(image, kernel, mode=theirs), atol=1e-11)


class TestPaddingModes:
    @pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "wrap"])
    @pytest.mark.parametrize("pads", [((0, 1), (2, 0)), ((7, 5), (9, 8))])
    def test_they_are_numpys_on_each_axis_and_beyond_the_size_of_the_image(self, pads: Any, mode: str) -> None:
        x, kernel = numbers(2, 4, 3, 2), numbers(3, 2, 2, 3, seed=1)
        padded = np.pad(x, [(0, 0), *pads, (0, 0)], mode=mode)  # type: ignore[call-overload]
        y = reference.conv(x, kernel, strides=2, padding=pads, padding_mode=mode)
        np.testing.assert_array_equal(y, reference.conv(padded, kernel, strides=2))

    @pytest.mark.parametrize("value", [-2.5, np.inf])
    def test_a_constant_is_multiplied_like_any_pixel(self, value: float) -> None:
        x, kernel = numbers(1, 4, 5, 2), numbers(3, 2, 2, 3, seed=1)
        padded = np.pad(x, [(0, 0), (2, 0), (1, 3), (0, 0)], constant_values=value)
        y = reference.conv(x, kernel, padding=((2, 0), (1, 3)), padding_mode="constant", constant_value=value)
        np.testing.assert_array_equal(y, reference.conv(padded, kernel))

    @pytest.mark.parametrize(("mode", "theirs"), [("wrap", "circular"), ("reflect", "reflect"), ("edge", "replicate")])
    def test_each_axis_is_padded_by_its_own_pixels_as_in_pytorch(self, mode: str, theirs: str) -> None:
        x, kernel = numbers(1, 5, 6, 2), numbers(2, 3, 2, 3, seed=1)
        pads = ((3, 1), (0, 4))
        expected = F.conv2d(F.pad(as_torch(x), torch_pads(pads), mode=theirs), weights_as_torch(kernel))
        y = reference.conv(x, kernel, padding=pads, padding_mode=mode)
        np.testing.assert_allclose(y, from_torch(expected), atol=1e-12)


class TestNotANumber:
    @pytest.mark.parametrize("channels", [1, 2, 8, 33, 129])
    def test_zero_padding_times_infinity_is_nan_for_any_number_of_channels(self, channels: int) -> None:
        x, kernel = np.ones((1, 3, channels)), np.ones((3, channels, 2))
        kernel[0, channels - 1, 1] = np.inf
        y = reference.conv(x, kernel, padding="same")
        assert np.isnan(y[0, :, 1]).tolist() == [True, False, False]
        assert np.isfinite(y[0, :, 0]).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_it_reaches_exactly_the_outputs_whose_taps_touch_it(self, value: float) -> None:
        x = numbers(1, 9, 9, 2)
        x[0, 4, 5, 1] = value
        y = reference.conv(x, np.ones((3, 3, 2, 3)), padding=1, dilation_rate=2)
        # Output o reads o - 1, o + 1 and o + 3: pixel 4 in 1, 3 and 5, pixel 5 in 2, 4 and 6.
        touched = np.zeros((7, 7), bool)
        touched[np.ix_([1, 3, 5], [2, 4, 6])] = True
        for f in range(3):
            np.testing.assert_array_equal(~np.isfinite(y[0, :, :, f]), touched)

    def test_infinity_in_all_of_the_input_stays_infinity(self) -> None:
        y = reference.conv(np.full((1, 3, 3, 200), np.inf), np.ones((3, 3, 200, 1)))
        assert y.item() == np.inf

    def test_relu_of_nan_is_nan(self) -> None:
        x = np.array([np.nan, -np.inf, np.inf, -1.0]).reshape(1, 4, 1)
        y = reference.conv(x, np.ones((1, 1, 1)), activation="relu")
        np.testing.assert_array_equal(y.ravel(), [np.nan, 0, np.inf, 0])


@pytest.mark.parametrize(
    ("arguments", "message", "error"),
    [
        ({"x": np.ones((5, 5, 2))}, "x must have 4 axes .*(3, 3, 2, 4), received shape (5, 5, 2)", ValueError),
        ({"x": np.ones((1, 5, 5, 3))}, "kernel must have .*3 = 3 // 1 .*received (3, 3, 2, 4)", ValueError),
        ({"x": np.ones((1, 0, 5, 2))}, "input_size must be at least 1, received 0 in (0, 5)", ValueError),
        ({"x": np.ones((1, 5, 5, 0))}, "in_channels must be at least 1, received 0", ValueError),
        ({"x": np.ones((1, 5, 5, 2), complex)}, "x must hold real numbers, received dtype complex128", TypeError),
        ({"x": "pixels"}, "x must hold real numbers, received dtype <U6", TypeError),
        ({"kernel": np.ones((2, 4))}, "kernel must have spatial axes .*received (2, 4)", ValueError),
        ({"groups": 2}, "kernel must have .*1 = 2 // 2 .*received (3, 3, 2, 4)", ValueError),
        ({"groups": 3}, "groups must divide in_channels, received groups 3", ValueError),
        ({"bias": np.ones(2)}, "bias must have shape (4,), .*received (2,)", ValueError),
        ({"bias": ["a"] * 4}, "bias must hold real numbers, received dtype <U1", TypeError),
        ({"padding": 9, "padding_mode": "mirror"}, "padding_mode must be one of .*received 'mirror'", ValueError),
        ({"constant_value": 3}, "constant_value must be 0 unless .*received 3 with padding_mode 'zeros'", ValueError),
        ({"data_format": "NHWC"}, "data_format must be 'channels_last' or .*received 'NHWC'", ValueError),
        ({"activation": "than"}, "activation: received 'than'; choose None or one of 'relu', ", ValueError),
        ({"residual": np.ones((1, 2, 2, 3))}, "residual must have the shape of the result, ", ValueError),
        ({"accumulate": np.int32}, "accumulate must be a floating dtype, received int32", TypeError),
    ],
)
def test_bad_arguments_are_named_and_quoted(arguments: dict[str, Any], message: str, error: type[Exception]) -> None:
    pattern = re.escape(message).replace(r"\.\*", ".*")
    with pytest.raises(error, match=pattern):
        reference.conv(**{"x": np.ones((1, 5, 5, 2)), "kernel": np.ones((3, 3, 2, 4)), **arguments})


def test_kernels_of_the_other_operations_are_checked_too() -> None:
    with pytest.raises(ValueError, match=r"kernel must have .* the 2 channels of x last, received \(3, 2, 4\)"):
        reference.conv_transpose(np.ones((1, 5, 2)), np.ones((3, 2, 4)))
    with pytest.raises(ValueError, match=r"kernel must have shape .*multiplier\), received \(3, 3\)"):
        reference.depthwise_conv(np.ones((1, 5, 2)), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"image must have shape .*received \(5,\)"):
        reference.filter2d(np.ones(5), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"kernel must have shape \(KH, KW\), received \(3, 3, 1\)"):
        reference.filter2d(np.ones((5, 5)), np.ones((3, 3, 1)))
