"""Bad arguments: each error is of the right type, names the argument and quotes what was received."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tweakconv.geometry import AxisGeometry, ConvGeometry, extend, output_size
from tweakconv.inverse import find_geometries
from tweakconv.receptive_fields import Layer, receptive_field

# argument, value, what the message quotes, type
SIZES = [
    ("input_size", 0, "0", ValueError),
    ("input_size", (28, -1), "-1 in (28, -1)", ValueError),
    ("input_size", (), "()", ValueError),
    ("input_size", 28.0, "28.0", TypeError),
    ("input_size", True, "True", TypeError),
    ("input_size", np.bool_(True), "True", TypeError),
    ("input_size", None, "None", TypeError),
    ("input_size", "28", "'28'", TypeError),
    ("kernel_size", 0, "0", ValueError),
    ("kernel_size", (3, 0), "0 in (3, 0)", ValueError),
    ("kernel_size", 3.5, "3.5", TypeError),
    ("kernel_size", (3, "3"), "'3' in (3, '3')", TypeError),
    ("strides", 0, "0", ValueError),
    ("strides", -2, "-2", ValueError),
    ("strides", (1, False), "False in (1, False)", TypeError),
    ("dilation_rate", 0, "0", ValueError),
    ("dilation_rate", [1, -1], "-1 in [1, -1]", ValueError),
    ("padding", "smae", "'smae'", ValueError),
    ("padding", None, "None", TypeError),
    ("padding", 1.5, "1.5", TypeError),
    ("padding", True, "True", TypeError),
    ("padding", (1, 2.0), "2.0 in (1, 2.0)", TypeError),
    ("padding", ((1, 2, 3), (1, 2)), "(1, 2, 3) in ((1, 2, 3), (1, 2))", ValueError),
    ("padding", ((1, True), (1, 2)), "True in ((1, True), (1, 2))", TypeError),
]
CHANNELS = [
    ("groups", 0, "0", ValueError),
    ("groups", 3, "3", ValueError),
    ("groups", 1.0, "1.0", TypeError),
    ("in_channels", 0, "0", ValueError),
    ("in_channels", -4, "-4", ValueError),
    ("out_channels", 0, "0", ValueError),
    ("out_channels", True, "True", TypeError),
]


@pytest.mark.parametrize("make", [ConvGeometry.of, ConvGeometry.transposed])
@pytest.mark.parametrize(("name", "value", "quoted", "error"), SIZES + CHANNELS)
def test_geometry_names_the_argument_and_quotes_the_value(
    make: Callable[..., ConvGeometry], name: str, value: Any, quoted: str, error: type[Exception]
) -> None:
    arguments = {"input_size": 28, "kernel_size": 3, "in_channels": 4, "out_channels": 8, name: value}
    with pytest.raises(error, match=f"(?s)^{name}.*received .*{re.escape(quoted)}"):
        make(**arguments)


@pytest.mark.parametrize(("name", "value", "quoted", "error"), SIZES)
def test_output_size_does_too(name: str, value: Any, quoted: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{name}.*received .*{re.escape(quoted)}"):
        output_size(**{"input_size": 28, "kernel_size": 3, name: value})


@pytest.mark.parametrize("name", ["kernel_size", "strides", "dilation_rate", "padding"])
@pytest.mark.parametrize("make", [ConvGeometry.of, ConvGeometry.transposed])
def test_a_wrong_number_of_entries_is_told_from_the_right_one(make: Callable[..., ConvGeometry], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}.*2 entries, one per axis, received \(1, 1, 1\)"):
        make(**{"input_size": (28, 28), "kernel_size": 3, name: (1, 1, 1)})


def test_four_flat_pads_are_pointed_to_pairs() -> None:
    with pytest.raises(ValueError, match=r"padding must have 2 entries.*received \[0, 1, 0, 1\]; .*pairs"):
        ConvGeometry.of((28, 28), 3, padding=[0, 1, 0, 1])


def test_groups_that_do_not_divide_show_the_division() -> None:
    with pytest.raises(ValueError, match=r"groups must divide out_channels, received groups 4 and .* 10 = 4\*2 \+ 2"):
        ConvGeometry.of(28, 3, groups=4, in_channels=8, out_channels=10)


def test_causal_on_two_axes_says_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"padding='causal' needs a single axis.*received 2 axes; write pairs"):
        ConvGeometry.of((28, 28), 3, padding="causal")


def test_only_a_single_axis_is_offered_causal_padding() -> None:
    with pytest.raises(ValueError, match="'causal'"):
        ConvGeometry.of(28, 3, padding="smae")
    with pytest.raises(ValueError, match="one of 'valid', 'same', 'same_lower', 'full', an integer"):
        ConvGeometry.of((28, 28), 3, padding="smae")


def test_an_error_on_one_of_several_axes_says_on_which() -> None:
    with pytest.raises(ValueError, match=r"^axis 1 \(width\): kernel 5 .* 4 \+ 0 \+ 0 = 4: there is no"):
        ConvGeometry.of((9, 4), 5)
    with pytest.raises(ValueError, match=r"^axis 2: kernel 5 "):
        ConvGeometry.of((9, 9, 4), 5)
    with pytest.raises(ValueError, match=r"^kernel 5 with dilation 1 spans 5 pixels.*add at least 1 to the padding"):
        ConvGeometry.of(4, 5)


@pytest.mark.parametrize("crop", [9, 14])
def test_a_crop_that_leaves_no_room_for_the_window_is_an_error(crop: int) -> None:
    with pytest.raises(ValueError, match=rf"kernel 3 .* has 20 - {crop} - {crop} = {20 - 2 * crop}"):
        ConvGeometry.of(20, 3, padding=-crop)


class TestTransposed:
    @pytest.mark.parametrize("padding", ["full", "causal"])
    def test_it_has_no_full_or_causal_padding(self, padding: str) -> None:
        with pytest.raises(ValueError, match=f"padding of a transposed convolution.*received '{padding}'"):
            ConvGeometry.transposed(28, 3, padding=padding)

    @pytest.mark.parametrize(
        ("value", "quoted", "error"),
        [(-1, "-1", ValueError), ("1", "'1'", TypeError), ((1, -2), "-2", ValueError)],
    )
    def test_output_padding_is_an_integer_from_0(self, value: Any, quoted: str, error: type[Exception]) -> None:
        with pytest.raises(error, match=f"^output_padding must be .*received {quoted}"):
            ConvGeometry.transposed(28, 3, output_padding=value)

    def test_cutting_away_everything_shows_the_sum(self) -> None:
        with pytest.raises(ValueError, match=r"padding \(4, 3\).*: \(3 - 1\)\*2 \+ 3 - 4 - 3 = 0, .*at least 1"):
            ConvGeometry.transposed(3, 3, strides=2, padding=[(4, 3)])


@pytest.mark.parametrize(
    ("numbers", "message", "error"),
    [
        ({"input": 0}, "input must be at least 1, received 0", ValueError),
        ({"stride": -1}, "stride must be at least 1, received -1", ValueError),
        ({"input_dilation": 0}, "input_dilation must be at least 1, received 0", ValueError),
        ({"pad_hi": "same"}, "pad_hi must be an integer, received 'same'", TypeError),
        ({"pad_lo": 0.0}, "pad_lo must be an integer, received 0.0", TypeError),
    ],
)
def test_an_axis_checks_its_own_numbers(numbers: dict[str, Any], message: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=message):
        AxisGeometry(**{"input": 5, "kernel": 3, **numbers})


def test_a_geometry_has_axes_and_nothing_else() -> None:
    with pytest.raises(ValueError, match=r"axes must have at least 1 entry, received \(\)"):
        ConvGeometry(())
    with pytest.raises(TypeError, match=r"axes must be .* received \(28,\); .*ConvGeometry\.of\("):
        ConvGeometry((28,))  # type: ignore[arg-type]


def test_sizes_given_to_the_class_are_pointed_to_the_maker_that_takes_them() -> None:
    with pytest.raises(TypeError, match=r"received 28; sizes go to ConvGeometry\.of\(input_size, kernel_size\)"):
        ConvGeometry(28, 3)  # type: ignore[arg-type]


def test_an_unknown_padding_mode_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"padding_mode must be one of 'zeros', .*'wrap', received 'circular'"):
        extend(-1, 5, "circular")


def test_padding_modes_that_read_pixels_do_not_go_with_gaps_between_them() -> None:
    with pytest.raises(ValueError, match=r"padding_mode must be .* with input_dilation 2, received 'wrap'"):
        AxisGeometry(5, 3, input_dilation=2).tap(0, 0, "wrap")


@pytest.mark.parametrize(
    ("layers", "message", "error"),
    [
        ([Layer(3), 5], "layers must be Layer, .*received 5 as layer 1", TypeError),
        ([{"strides": 2}], "layers must have a kernel_size .*received {'strides': 2} as layer 0", ValueError),
        (
            [{"kernel_size": 3, "stride": 2}],
            "layers .*strides, padding, dilation_rate, received .*'stride'",
            ValueError,
        ),
        ([Layer(3), {"kernel_size": 0}], "layer 1: kernel_size must be at least 1, received 0", ValueError),
        ([{"kernel_size": 3, "padding": 0.5}], "layer 0: padding must be an integer, received 0.5", TypeError),
        (
            [Layer((3, 3)), Layer(3, strides=(1, 1, 1))],
            r"layer 1: strides .*received \(1, 1, 1\)",
            ValueError,
        ),
        (
            [Layer(3), ConvGeometry.of((9, 9), 3), ConvGeometry.of(9, 3)],
            "layer 2: .* 2 axes.* received 1",
            ValueError,
        ),
        (
            [ConvGeometry.of(28, 3), ConvGeometry.of(28, 3)],
            r"layer 1: input_size must be \(26,\), .*received \(28,\)",
            ValueError,
        ),
        (
            [ConvGeometry.transposed(5, 3, strides=2)],
            r"layer 0: input_dilation .*received \(2,\)",
            ValueError,
        ),
    ],
)
def test_a_layer_that_does_not_fit_is_named_by_its_number(
    layers: list[Any], message: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=message):
        receptive_field(layers)


@pytest.mark.parametrize("layers", [Layer(3), {"kernel_size": 3}, ConvGeometry.of(9, 3), 3, "Layer(3)"])
def test_one_layer_is_not_a_chain(layers: Any) -> None:
    with pytest.raises(TypeError, match=rf"layers must be a list of layers, .*received {re.escape(repr(layers))}"):
        receptive_field(layers)


@pytest.mark.parametrize(
    ("arguments", "message", "error"),
    [
        ({"kernel_size": 0}, "kernel_size must be at least 1, received 0", ValueError),
        ({"strides": 0}, "strides must be at least 1, received 0", ValueError),
        ({"dilation_rate": (1, 1.5)}, r"dilation_rate must be an integer, received 1.5", TypeError),
        ({"padding": "smae"}, "padding must be one of .*received 'smae'", ValueError),
        ({"kernel_size": (3, 3), "strides": (1, 1, 1)}, r"strides .*2 entries.*received \(1, 1, 1\)", ValueError),
        ({"kernel_size": (3, 3), "padding": "causal"}, "needs a single axis", ValueError),
    ],
)
def test_a_layer_that_no_chain_could_hold_is_refused_when_it_is_made(
    arguments: dict[str, Any], message: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=message):
        Layer(**{"kernel_size": 3, **arguments})


def test_a_chain_that_outgrows_its_input_says_where() -> None:
    with pytest.raises(ValueError, match=r"layer 2: kernel 5 .* 4 \+ 0 \+ 0 = 4"):
        receptive_field([Layer(5)] * 3, input_size=12)


@pytest.mark.parametrize(
    ("arguments", "message", "error"),
    [
        ({"input_size": 0}, "input_size must be at least 1, received 0", ValueError),
        ({"output_size": 0}, "output_size must be at least 1, received 0", ValueError),
        ({"output_size": (10, 10)}, r"output_size must be an integer, received \(10, 10\)", TypeError),
        ({"kernel_size": 0}, "kernel_size must be at least 1, received 0", ValueError),
        ({"strides": range(3)}, r"strides must be at least 1, received 0 in range\(0, 3\)", ValueError),
        (
            {"dilation_rate": (1, 0.5)},
            r"dilation_rate must be an integer, received 0.5 in \(1, 0.5\)",
            TypeError,
        ),
        ({"padding": "smae"}, "padding must be one of .*received 'smae'", ValueError),
    ],
)
def test_the_inverse_question_checks_its_bounds(
    arguments: dict[str, Any], message: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=message):
        find_geometries(**{"input_size": 28, "output_size": 10, **arguments})
