"""Sizes, pads and the tap map, against published values and against windows moved by hand over a list."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tweakconv.geometry
from tweakconv.geometry import PADDING_MODES, AxisGeometry, ConvGeometry, extend, output_size

MORE = st.integers(0, 40)


@st.composite
def any_axis(draw: st.DrawFn, *, plain: bool = False) -> AxisGeometry:
    """Any axis there can be; a plain one is neither flipped nor has it gaps between its pixels."""
    pixels, spacing = draw(st.integers(1, 24)), 1 if plain else draw(st.sampled_from((1, 1, 2, 3, 4)))
    kernel, dilation = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    length, span = spacing * (pixels - 1) + 1, dilation * (kernel - 1) + 1
    pad_lo = draw(st.integers(-6, 9))
    pad_hi = draw(st.integers(-6, 9))
    assume(length + pad_lo + pad_hi >= span)
    stride, flipped = draw(st.integers(1, 7)), not plain and draw(st.booleans())
    return AxisGeometry(pixels, kernel, stride, dilation, pad_lo, pad_hi, spacing, flipped)


def cells(axis: AxisGeometry) -> dict[int, int | None]:
    """The padded and spread input written out: what stands at each position from -pad_lo on."""
    pixel_at = {pixel * axis.input_dilation: pixel for pixel in range(axis.input)}
    stop = max(pixel_at) + 1 + axis.pad_hi
    return {position: pixel_at.get(position) for position in range(-axis.pad_lo, stop)}


@given(any_axis())
def test_the_positions_are_those_of_padding_and_pixels_cropped_ones_included(axis: AxisGeometry) -> None:
    pixels = {pixel * axis.input_dilation for pixel in range(axis.input)}
    ends = {*cells(axis), *pixels}
    assert axis.positions == range(min(ends), max(ends) + 1)
    for o in range(axis.output):
        assert {axis.position(o, k) for k in range(axis.kernel)} <= set(axis.positions)


@given(any_axis())
def test_a_tap_is_the_pixel_at_its_position(axis: AxisGeometry) -> None:
    standing = {pixel * axis.input_dilation: pixel for pixel in range(axis.input)}
    assert [axis.pixel(position) for position in axis.positions] == [standing.get(p) for p in axis.positions]
    assert all(
        axis.tap(o, k) == axis.pixel(axis.position(o, k)) for o in range(axis.output) for k in range(axis.kernel)
    )


def test_a_geometry_says_whether_it_is_transposed() -> None:
    assert ConvGeometry.transposed((4, 5), 3, strides=2).is_transposed
    assert not ConvGeometry.of((4, 5), 3, strides=2).is_transposed


def windows(axis: AxisGeometry) -> list[list[int]]:
    """The positions under the taps of each output, found by moving the window until it no longer fits."""
    line, found = cells(axis), []
    window = [min(line) + k * axis.dilation for k in range(axis.kernel)]
    while window[-1] in line:
        found.append(window)
        window = [position + axis.stride for position in window]
    return found


class TestValuesOfTheLecture:
    def test_5x5_under_3x3_with_same_and_stride_2_gives_3x3(self) -> None:
        assert output_size((5, 5), (3, 3), strides=2, padding="same") == (3, 3)

    def test_28_under_3_with_padding_1_and_stride_1_stays_28(self) -> None:
        assert output_size(28, 3, strides=1, padding=1) == 28

    def test_28_under_3_with_padding_1_and_stride_3_gives_10(self) -> None:
        assert output_size(28, 3, strides=3, padding=1) == 10

    def test_3x3_at_dilation_2_has_9_parameters_and_the_field_of_view_of_5x5(self) -> None:
        dilated = ConvGeometry.of((28, 28), (3, 3), dilation_rate=2)
        assert dilated.parameters == 9
        assert dilated.effective_kernel_size == (5, 5)
        assert dilated.output_size == output_size((28, 28), (5, 5))

    @pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
    def test_valid_is_the_default_and_loses_k_minus_1_a_layer_while_same_keeps_the_size(self, kernel: int) -> None:
        valid = same = 28
        for layer in (1, 2, 3, 4):
            valid, same = output_size(valid, kernel), output_size(same, kernel, padding="same")
            assert (valid, same) == (28 - layer * (kernel - 1), 28)


class TestSizes:
    @given(any_axis())
    def test_output_counts_the_places_where_the_window_fits(self, axis: AxisGeometry) -> None:
        assert axis.output == len(windows(axis))

    @given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12), st.integers(1, 5))
    def test_same_gives_ceil_of_input_over_stride(self, size: int, kernel: int, stride: int, dilation: int) -> None:
        for padding in ("same", "same_lower"):
            assert output_size(size, kernel, stride, padding, dilation) == len(range(0, size, stride))

    @given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 4))
    def test_full_gives_every_overlap_and_causal_one_output_for_each_input(
        self, size: int, kernel: int, dilation: int
    ) -> None:
        full = ConvGeometry.of(size, kernel, dilation_rate=dilation, padding="full").axes[0]
        assert (full.taps(0)[-1], full.taps(full.output - 1)[0]) == (0, size - 1)
        causal = ConvGeometry.of(size, kernel, dilation_rate=dilation, padding="causal").axes[0]
        assert [causal.taps(o)[-1] for o in range(causal.output)] == list(range(size))

    # 4 taps 2 apart span 7 of 12 pixels: at stride 2 a total padding of p gives (12 + p - 7) // 2 + 1
    # outputs, and the 12 / 2 = 6 outputs of "same" need p = 5*2 + 7 - 12 = 5.
    @pytest.mark.parametrize(
        ("padding", "pads", "size"),
        [
            ("valid", (0, 0), 3),
            ("same", (2, 3), 6),
            ("SAME", (2, 3), 6),
            ("same_lower", (3, 2), 6),
            ("full", (6, 6), 9),
            ("causal", (6, 0), 6),
            (2, (2, 2), 5),
            (np.int64(2), (2, 2), 5),
            (-2, (-2, -2), 1),
            ([3], (3, 3), 6),
            ([(0, 4)], (0, 4), 5),
            ([(-3, 1)], (-3, 1), 2),
        ],
    )
    def test_each_way_to_write_padding(self, padding: Any, pads: tuple[int, int], size: int) -> None:
        geometry = ConvGeometry.of(12, 4, strides=2, dilation_rate=2, padding=padding)
        assert (geometry.pads, geometry.output_size) == ((pads,), (size,))

    def test_axes_are_independent_and_padding_may_mix_numbers_and_pairs(self) -> None:
        # (30 + 1 - 5) // 3 + 1, (20 + 4 - 7) // 2 + 1 and (10 + 1 - 1) // 4 + 1
        sizes = output_size((30, 20, 10), (5, 4, 1), (3, 2, 4), [(0, 1), 2, (1, 0)], (1, 2, 3))
        assert sizes == (9, 9, 3)

    def test_numbers_give_a_plain_int_and_numpy_integers_are_numbers(self) -> None:
        size = output_size(np.int32(28), np.uint8(3), np.int64(1), np.int8(1), np.int16(2))  # type: ignore
        assert size == 26
        assert type(size) is int

    @pytest.mark.parametrize(
        "per_axis",
        [
            {"input_size": (28, 28)},
            {"kernel_size": [3, 3]},
            {"strides": (1, 1)},
            {"dilation_rate": (1, 1)},
            {"padding": (0, 0)},
            {"padding": ((0, 0), (0, 0))},
        ],
    )
    def test_anything_written_axis_by_axis_gives_a_tuple(self, per_axis: dict[str, Any]) -> None:
        assert output_size(**{"input_size": 28, "kernel_size": 3, **per_axis}) == (26, 26)


class TestTapMap:
    @given(any_axis())
    def test_taps_are_the_pixels_under_the_window(self, axis: AxisGeometry) -> None:
        line = cells(axis)
        expected = [[line[position] for position in window] for window in windows(axis)]
        stored = [window[::-1] for window in expected] if axis.flipped else expected
        assert [list(axis.taps(o)) for o in range(axis.output)] == stored

    @given(any_axis())
    def test_first_is_where_the_window_begins_and_position_is_where_a_weight_stands(self, axis: AxisGeometry) -> None:
        for o, window in enumerate(windows(axis)):
            assert axis.first(o) == window[0]
            stored = window[::-1] if axis.flipped else window
            assert [axis.position(o, k) for k in range(axis.kernel)] == stored

    @given(any_axis())
    def test_interior_is_where_the_window_meets_no_padding(self, axis: AxisGeometry) -> None:
        last_pixel = (axis.input - 1) * axis.input_dilation
        inside = [o for o, w in enumerate(windows(axis)) if w[0] >= 0 and w[-1] <= last_pixel]
        assert list(axis.interior) == inside

    def test_interior_of_a_huge_axis_is_not_searched_for(self) -> None:
        axis = AxisGeometry(10**15, 7, stride=2, pad_lo=3, pad_hi=3)
        assert axis.interior == range(2, (10**15 - 7 + 3) // 2 + 1)

    @pytest.mark.parametrize(("o", "k", "name"), [(3, 0, "o"), (-1, 0, "o"), (0, 3, "k"), (0, -1, "k")])
    def test_there_is_no_tap_outside_the_map(self, o: int, k: int, name: str) -> None:
        with pytest.raises(IndexError, match=f"{name} must be .* received {o if name == 'o' else k}"):
            AxisGeometry(5, 3).tap(o, k)

    @pytest.mark.parametrize("mode", [mode for mode in PADDING_MODES if mode not in ("zeros", "constant")])
    @given(st.integers(1, 6), MORE, MORE)
    def test_padding_modes_read_the_pixels_that_numpy_pads_with(self, mode: str, size: int, lo: int, hi: int) -> None:
        padded = np.pad(np.arange(size), (lo, hi), mode=mode)  # type: ignore[call-overload]
        assert [extend(position, size, mode) for position in range(-lo, size + hi)] == padded.tolist()
        axis = AxisGeometry(size, 1, pad_lo=lo, pad_hi=hi)
        assert [axis.tap(o, 0, mode) for o in range(axis.output)] == padded.tolist()

    @pytest.mark.parametrize("mode", ["zeros", "constant"])
    def test_padding_of_a_number_holds_no_pixel(self, mode: str) -> None:
        assert [extend(position, 2, mode) for position in range(-1, 3)] == [None, 0, 1, None]

    def test_a_crop_moves_the_window_and_leaves_what_the_padding_repeats_alone(self) -> None:
        assert AxisGeometry(4, 3, pad_lo=-2, pad_hi=2).taps(1, "wrap") == (3, 0, 1)


class TestTransposed:
    @given(st.data())
    def test_tap_map_is_the_scatter_of_the_definition(self, data: st.DataObject) -> None:
        size, kernel, stride, dilation, extra = (
            data.draw(st.integers(least, most)) for least, most in ((1, 8), (1, 5), (1, 4), (1, 3), (0, 3))
        )
        lo, hi = padding = data.draw(st.tuples(st.integers(-3, 5), st.integers(-3, 5)))
        outputs = (size - 1) * stride + dilation * (kernel - 1) + 1 - lo - hi + extra
        assume(outputs >= 1)
        geometry = ConvGeometry.transposed(
            size, kernel, strides=stride, dilation_rate=dilation, padding=[padding], output_padding=extra
        )
        (axis,) = geometry.axes
        assert axis.output == outputs
        scattered = {(i * stride + k * dilation - lo, k, i) for i in range(size) for k in range(kernel)}
        gathered = {(o, k, axis.tap(o, k)) for o in range(outputs) for k in range(kernel)}
        assert {(o, k, i) for o, k, i in gathered if i is not None} == {
            (o, k, i) for o, k, i in scattered if 0 <= o < outputs
        }

    @given(any_axis(plain=True))
    def test_it_reads_backwards_what_the_convolution_with_the_same_pads_reads(self, axis: AxisGeometry) -> None:
        size, rest = axis.output, axis.slack % axis.stride
        back = ConvGeometry.transposed(
            size,
            axis.kernel,
            strides=axis.stride,
            dilation_rate=axis.dilation,
            padding=[(axis.pad_lo, axis.pad_hi)],
            output_padding=rest,
        ).axes[0]
        assert back.output == axis.input
        forth = {(o, k, axis.tap(o, k)) for o in range(axis.output) for k in range(axis.kernel)}
        assert {(o, k, i) for o, k, i in forth if i is not None} == {
            (o, k, i) for i in range(back.output) for k in range(back.kernel) if (o := back.tap(i, k)) is not None
        }

    # Sizes for 5 pixels, and pads of the equal ordinary convolution, as Keras 3.15 hands them to JAX:
    # _get_output_shape_given_tf_padding and _convert_conv_transpose_padding_args_from_keras_to_jax.
    @pytest.mark.parametrize(
        ("kernel", "settings", "pads", "size"),
        [
            (3, (1, 1, "valid", None), (2, 2), 7),
            (3, (2, 1, "valid", None), (2, 2), 11),
            (2, (3, 1, "valid", None), (1, 2), 15),
            (1, (4, 1, "valid", None), (0, 3), 20),
            (2, (4, 2, "valid", None), (2, 3), 20),
            (3, (2, 1, "valid", 0), (2, 2), 11),
            (3, (2, 1, "valid", 1), (2, 3), 12),
            (3, (1, 1, "same", None), (1, 1), 5),
            (4, (1, 1, "same", None), (2, 1), 5),
            (3, (2, 1, "same", None), (2, 1), 10),
            (4, (2, 1, "same", None), (2, 2), 10),
            (5, (2, 1, "same", None), (3, 2), 10),
            (2, (3, 1, "same", None), (1, 2), 15),
            (1, (3, 1, "same", None), (0, 2), 15),
            (3, (3, 1, "same", None), (2, 2), 15),
            (3, (1, 3, "same", None), (3, 3), 5),
            (3, (2, 2, "same", None), (3, 2), 10),
            (3, (2, 1, "same", 0), (1, 1), 9),
            (3, (2, 1, "same", 1), (2, 1), 10),
            (4, (2, 1, "same", 0), (1, 1), 8),
            (4, (2, 1, "same", 1), (2, 1), 9),
            (5, (3, 1, "same", 2), (3, 3), 15),
            (2, (3, 1, "same", 2), (1, 1), 14),
            (2, (2, 3, "same", 1), (2, 1), 9),
        ],
    )
    def test_names_mean_what_they_mean_in_keras(
        self, kernel: int, settings: tuple[Any, ...], pads: tuple[int, int], size: int
    ) -> None:
        arguments = dict(zip(("strides", "dilation_rate", "padding", "output_padding"), settings, strict=True))
        geometry = ConvGeometry.transposed(5, kernel, **arguments)
        assert (geometry.pads, geometry.output_size) == ((pads,), (size,))

    def test_same_lower_cuts_the_odd_position_at_the_start(self) -> None:
        # The full result of 5 pixels is (5 - 1)*2 + 3 = 11 long; 5*2 = 10 leaves one position to cut.
        same, lower = (
            ConvGeometry.transposed(5, 3, strides=2, padding=name).axes[0] for name in ("same", "same_lower")
        )
        assert (same.output, lower.output) == (10, 10)
        assert same.taps(0) == (0, None, None)
        assert lower.taps(0) == (None, 0, None)

    def test_it_is_an_ordinary_geometry_with_the_stride_between_the_pixels(self) -> None:
        up = ConvGeometry.transposed((4, 6), 3, strides=(2, 3), in_channels=8, out_channels=2, groups=2)
        assert (up.strides, up.input_dilation) == ((1, 1), (2, 3))
        assert up.parameters == 3 * 3 * 8 * 2 // 2
        assert up.multiply_adds == 4 * 6 * up.parameters


class TestTrapsOthersFellInto:
    @pytest.mark.parametrize(
        ("size", "kernel", "stride", "same", "same_lower"),
        [
            (5, 2, 1, (0, 1), (1, 0)),
            (5, 4, 1, (1, 2), (2, 1)),
            (6, 3, 2, (0, 1), (1, 0)),
            (5, 3, 2, (1, 1), (1, 1)),
            (7, 4, 3, (1, 2), (2, 1)),
            (224, 7, 2, (2, 3), (3, 2)),
        ],
    )
    def test_the_odd_pad_of_same_is_at_the_end(
        self, size: int, kernel: int, stride: int, same: tuple[int, int], same_lower: tuple[int, int]
    ) -> None:
        assert ConvGeometry.of(size, kernel, strides=stride, padding="same").pads == (same,)
        assert ConvGeometry.of(size, kernel, strides=stride, padding="same_lower").pads == (same_lower,)

    def test_pytorchs_padding_1_and_same_give_one_size_and_different_pixels(self) -> None:
        same, one = (ConvGeometry.of(28, 3, strides=2, padding=padding) for padding in ("same", 1))
        assert same.output_size == one.output_size == (14,)
        assert same != one
        assert (same.pads, one.pads) == (((0, 1),), ((1, 1),))
        assert (same.axes[0].taps(0), one.axes[0].taps(0)) == ((0, 1, 2), (None, 0, 1))

    def test_a_stride_larger_than_the_kernel_needs_no_negative_pad(self) -> None:
        # 4 outputs of stride 3 and kernel 1 need 3*3 + 1 = 10 of 12 positions.
        geometry = ConvGeometry.of(12, 1, strides=3, padding="same")
        assert (geometry.pads, geometry.output_size) == (((0, 0),), (4,))

    def test_a_dilated_kernel_larger_than_the_padded_input_is_an_error_with_the_numbers_in_it(self) -> None:
        with pytest.raises(ValueError, match="kernel 3 with dilation 9 spans 19 pixels") as error:
            ConvGeometry.of(10, 3, padding=1, dilation_rate=9)
        assert "10 + 1 + 1 = 12" in str(error.value)
        assert "at least 7 to the padding" in str(error.value)
        assert ConvGeometry.of(10, 3, padding=[(1, 8)], dilation_rate=9).output_size == (1,)

    def test_stride_and_dilation_go_together(self) -> None:
        # 3 taps 2 apart span 5 of 10: floor((10 - 5) / 3) + 1 = 2 windows.
        axis = ConvGeometry.of(10, 3, strides=3, dilation_rate=2).axes[0]
        assert [axis.taps(o) for o in range(axis.output)] == [(0, 2, 4), (3, 5, 7)]

    def test_reflect_and_symmetric_are_numpys_and_go_on_beyond_the_image(self) -> None:
        axis = AxisGeometry(3, 1, pad_lo=5, pad_hi=0)
        assert [axis.tap(o, 0, "reflect") for o in range(6)] == [1, 0, 1, 2, 1, 0]
        assert [axis.tap(o, 0, "symmetric") for o in range(6)] == [1, 2, 2, 1, 0, 0]

    def test_the_tap_map_gives_the_numbers_of_the_published_strided_figure(self) -> None:
        # Dumoulin & Visin 2016, figure 1.2: 5x5 input, 3x3 kernel, padding 1, stride 2.
        image = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
        kernel = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
        rows, columns = ConvGeometry.of((5, 5), 3, strides=2, padding=1).axes
        sums = [
            [
                sum(
                    kernel[j][k] * image[row][column]
                    for j, row in enumerate(rows.taps(o))
                    for k, column in enumerate(columns.taps(p))
                    if row is not None and column is not None
                )
                for p in range(columns.output)
            ]
            for o in range(rows.output)
        ]
        assert sums == [[6, 17, 3], [8, 17, 13], [6, 4, 4]]


class TestFormula:
    @pytest.mark.parametrize(
        ("axis", "formula"),
        [
            (AxisGeometry(28, 3, stride=3, pad_lo=1, pad_hi=1), "(28 - 3 + 2*1) / 3 + 1 = 10"),
            (AxisGeometry(28, 3), "(28 - 3) / 1 + 1 = 26"),
            (AxisGeometry(28, 3, stride=2), "floor((28 - 3) / 2) + 1 = floor(25/2) + 1 = 13"),
            (AxisGeometry(28, 4, stride=2, pad_hi=2), "(28 - 4 + 0 + 2) / 2 + 1 = 14"),
            (AxisGeometry(28, 3, pad_lo=-1, pad_hi=-1), "(28 - 3 - 2*1) / 1 + 1 = 24"),
            (AxisGeometry(28, 3, pad_lo=-1, pad_hi=2), "(28 - 3 - 1 + 2) / 1 + 1 = 27"),
            (AxisGeometry(28, 3, dilation=2), "E = 2*(3-1)+1 = 5, (28 - 5) / 1 + 1 = 24"),
            (AxisGeometry(4, 3, input_dilation=2), "J = 2*(4-1)+1 = 7, (7 - 3) / 1 + 1 = 5"),
        ],
    )
    def test_it_shows_the_numbers(self, axis: AxisGeometry, formula: str) -> None:
        assert axis.formula() == formula

    def test_a_transposed_convolution_shows_what_is_spread_and_cut(self) -> None:
        up = ConvGeometry.transposed(4, 3, strides=2, dilation_rate=2, padding=1, output_padding=2)
        assert up.formula() == "E = 2*(3-1)+1 = 5, (4 - 1)*2 + 5 - 1 + 1 = 11"

    @given(any_axis())
    def test_what_it_says_is_true(self, axis: AxisGeometry) -> None:
        for equation in axis.formula().split(", "):
            sides = equation.replace("floor", "int").removeprefix("E = ").removeprefix("J = ").split(" = ")
            assert len({eval(side) for side in sides}) == 1
        assert axis.formula().endswith(f" = {axis.output}")

    def test_equal_axes_share_a_line_and_unequal_ones_are_numbered(self) -> None:
        assert ConvGeometry.of((28, 28), 3).formula() == "(28 - 3) / 1 + 1 = 26"
        assert ConvGeometry.of((28, 9), 3).formula() == ("axis 0: (28 - 3) / 1 + 1 = 26\naxis 1: (9 - 3) / 1 + 1 = 7")


def test_counts_of_weights_and_products() -> None:
    geometry = ConvGeometry.of((10, 12), (3, 5), in_channels=6, out_channels=4, groups=2, padding="same")
    assert geometry.parameters == 3 * 5 * 3 * 4
    assert geometry.multiply_adds == 10 * 12 * 3 * 5 * 3 * 4


def test_a_description_can_be_hashed_and_not_changed() -> None:
    geometry = ConvGeometry.of((10, 12), 3)
    assert hash(geometry) == hash(ConvGeometry.of([10, 12], [3, 3]))
    with pytest.raises(AttributeError):
        geometry.groups = 2  # type: ignore[misc]


@given(any_axis(), st.integers(1, 3), st.integers(1, 3))
def test_the_repr_is_a_call_that_makes_an_equal_geometry(axis: AxisGeometry, groups: int, share: int) -> None:
    geometry = ConvGeometry((axis, axis), groups * share, 2 * groups, groups)
    names = {"AxisGeometry": AxisGeometry, "ConvGeometry": ConvGeometry}
    assert eval(repr(geometry), names) == geometry
    assert eval(repr(axis), names) == axis


def test_the_repr_leaves_out_what_is_not_tweaked() -> None:
    assert repr(AxisGeometry(28, 3, 3, 1, 1, 1)) == "AxisGeometry(28, 3, stride=3, pad_lo=1, pad_hi=1)"
    geometry = ConvGeometry.of((28, 9), 3, out_channels=4)
    assert repr(geometry) == "ConvGeometry((AxisGeometry(28, 3), AxisGeometry(9, 3)), out_channels=4)"


def test_geometry_imports_the_standard_library_and_itself_only() -> None:
    package = Path(tweakconv.geometry.__file__).parent
    sources = [*package.glob("*.py"), package.parent / "receptive_fields.py", package.parent / "inverse.py"]
    # The one counts paths in arrays, the other shows itself in a notebook and imports what draws it only then.
    besides = {"receptive_fields.py": ("numpy", "numpy.typing"), "conv.py": ("tweakconv.view.notebook",)}
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in set(names).difference(besides.get(source.name, ())):
                root = name.split(".")[0]
                assert name.startswith("tweakconv.geometry") or root in sys.stdlib_module_names, source
