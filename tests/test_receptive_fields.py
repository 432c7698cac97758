"""Receptive fields, against published networks and against impulses sent through the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tweakconv import reference
from tweakconv.geometry import ConvGeometry
from tweakconv.receptive_fields import Layer, LayerLike, receptive_field

NAMES = ("valid", "same", "same_lower", "full", "causal")


def seen(layers: list[Layer], size: int) -> list[list[int]]:
    """For each output of a chain the pixels that reach it: those whose impulse does."""
    impulses = np.eye(size)[:, :, None]
    for layer in layers:
        impulses = reference.conv(
            impulses,
            np.ones((layer.kernel_size, 1, 1)),  # type: ignore[arg-type]
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
        )
    return [np.flatnonzero(impulses[:, o, 0]).tolist() for o in range(impulses.shape[1])]


@st.composite
def any_layer(draw: st.DrawFn) -> Layer:
    pad = st.integers(0, 3)
    padding = draw(st.sampled_from(NAMES) | pad | st.tuples(st.tuples(pad, pad)))
    return Layer(draw(st.integers(1, 4)), draw(st.integers(1, 3)), padding, draw(st.integers(1, 3)))


@given(st.lists(any_layer(), min_size=1, max_size=3), st.integers(25, 60))
def test_impulses_reach_an_output_from_its_field_and_from_all_of_it_where_no_border_is_near(
    layers: list[Layer], size: int
) -> None:
    try:
        outputs = seen(layers, size)
    except ValueError:
        assume(False)
    field = receptive_field(layers, size)
    (width,), (jump,), (start,) = field.size, field.jump, field.start
    assert start is not None
    for o, pixels in enumerate(outputs):
        span = range(start + o * jump, start + o * jump + width)
        assert set(pixels) <= set(span)
        if span[0] >= 0 and span[-1] < size:
            assert (pixels[0], pixels[-1], len(pixels)) == (span[0], span[-1], field.pixels_read)


@given(any_layer())
def test_start_is_undetermined_exactly_where_it_differs_between_input_sizes(layer: Layer) -> None:
    starts = {receptive_field([layer], input_size=size).start[0] for size in range(20, 40)}
    (start,) = receptive_field([layer]).start
    assert {start} == starts if start is not None else len(starts) > 1


# Start and size of the field on 224 pixels, and its jump, in the table of Araujo et al., "Computing Receptive
# Fields of Convolutional Neural Networks", Distill 2019: there "effective padding" is minus the start.
VGG_BLOCK = {"kernel_size": 3, "padding": "same"}
POOL = {"kernel_size": 2, "strides": 2}
VGG_16 = [layer for convs in (2, 2, 3, 3, 3) for layer in [*[VGG_BLOCK] * convs, POOL]]


def resnet_v1_50() -> list[dict[str, Any]]:
    """TF-slim's ResNet-50: the last unit of each block but the fourth takes the stride."""
    layers: list[dict[str, Any]] = [
        {"kernel_size": 7, "strides": 2, "padding": 3},
        {"kernel_size": 3, "strides": 2, "padding": "same"},
    ]
    for units, stride in ((3, 2), (4, 2), (6, 2), (3, 1)):
        for unit in range(units):
            step = stride if unit == units - 1 else 1
            layers += [{"kernel_size": 1}, {"kernel_size": 3, "strides": step, "padding": 1}, {"kernel_size": 1}]
    return layers


def mobilenet_v1() -> list[dict[str, Any]]:
    steps = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    return [{"kernel_size": 3, "strides": step, "padding": "same"} for step in steps]


@pytest.mark.parametrize(
    ("layers", "size", "jump", "start"),
    [(VGG_16, 212, 32, -90), (resnet_v1_50(), 483, 32, -239), (mobilenet_v1(), 315, 32, -126)],
    ids=["vgg_16", "resnet_v1_50", "mobilenet_v1"],
)
def test_published_networks(layers: list[LayerLike], size: int, jump: int, start: int) -> None:
    field = receptive_field(layers, input_size=(224, 224))
    assert (field.size, field.jump, field.start) == ((size,) * 2, (jump,) * 2, (start,) * 2)
    assert field.coverage == 1.0


def test_same_under_a_stride_leaves_the_start_open_until_the_input_size_is_known() -> None:
    assert receptive_field(VGG_16).start == (-90,)
    assert receptive_field(mobilenet_v1()).start == (None,)
    assert receptive_field(mobilenet_v1()).size == (315,)
    # The odd size of 225 pixels is padded on both sides, already in the first layer.
    assert receptive_field(mobilenet_v1()[:1], 224).start == (0,)
    assert receptive_field(mobilenet_v1()[:1], 225).start == (-1,)


def test_three_3x3_layers_of_dilation_2_read_49_of_the_169_pixels_they_span() -> None:
    field = receptive_field([Layer((3, 3), dilation_rate=2)] * 3)
    assert (field.size, field.pixels, field.pixels_read) == ((13, 13), 169, 49)
    assert field.coverage == pytest.approx(49 / 169)


@pytest.mark.parametrize(("rates", "read"), [((1, 2, 5), 17), ((1, 2, 9), 21), ((2, 4, 8), 15)])
def test_dilation_rates_without_a_common_factor_close_the_holes(rates: tuple[int, ...], read: int) -> None:
    # Wang et al., "Understanding Convolution for Semantic Segmentation", 2018: (1, 2, 5) has none, (1, 2, 9)
    # has. Layers of 1 and 2 read 7 in a row; 9 apart three of them read 21 of 25. Even rates read even pixels.
    field = receptive_field([Layer(3, dilation_rate=rate) for rate in rates])
    assert field.size == (1 + 2 * sum(rates),)
    assert field.pixels_read == read


def test_a_stride_larger_than_the_kernel_leaves_holes_too() -> None:
    # The taps of the second layer stand 3 pixels apart and each sees 2: pixels 0 and 1, 3 and 4.
    field = receptive_field([Layer(2, strides=3), Layer(2)])
    assert (field.size, field.pixels_read) == ((5,), 4)


def test_axes_differ_where_layers_do_and_single_numbers_hold_for_both() -> None:
    field = receptive_field([Layer((3, 1), strides=(2, 1), padding=((0, 1), (2, 0))), Layer(3, padding=1)])
    assert (field.size, field.jump, field.start) == ((7, 3), (2, 1), (-2, -3))


def test_layers_may_be_geometries_dicts_and_layers() -> None:
    geometry = ConvGeometry.of((28, 28), 3, strides=2, padding="same")
    mixed = receptive_field([geometry, {"kernel_size": 3, "strides": 2, "padding": "same"}, Layer(3)])
    alike = receptive_field([Layer(3, 2, "same"), Layer(3, 2, "same"), Layer(3)], input_size=(28, 28))
    assert mixed == alike


def test_a_crop_starts_inside_the_image() -> None:
    assert receptive_field([Layer(3, padding=-2)]).start == (2,)


@given(st.lists(any_layer(), min_size=1, max_size=4), st.integers(10, 40))
def test_output_sizes_are_those_of_what_the_chain_computes(layers: list[Layer], size: int) -> None:
    try:
        computed = [len(seen(layers[:count], size)) for count in range(1, len(layers) + 1)]
    except ValueError:
        assume(False)
    assert receptive_field(layers, size).output_sizes == tuple((outputs,) for outputs in computed)


def test_many_valid_layers_shrink_an_image_and_same_keeps_it() -> None:
    assert receptive_field([Layer(3)] * 13, 28).output_sizes == tuple((28 - 2 * n,) for n in range(1, 14))
    assert receptive_field([Layer(3, padding="same")] * 13, 28).output_sizes == ((28,),) * 13
    with pytest.raises(ValueError, match=r"layer 13: kernel 3 .* 2 \+ 0 \+ 0 = 2"):
        receptive_field([Layer(3)] * 14, 28)


def test_output_sizes_are_open_up_to_the_first_layer_whose_input_is_known() -> None:
    field = receptive_field([Layer(3), ConvGeometry.of((20, 30), 3, strides=2), Layer(5, padding="same")])
    assert field.output_sizes == (None, (9, 14), (9, 14))


def test_a_layer_shows_the_call_that_makes_it() -> None:
    layer = Layer((3, 1), padding="same", strides=1)
    assert repr(layer) == "Layer((3, 1), padding='same')"
    assert eval(repr(layer)) == layer


def test_no_layers_see_one_pixel() -> None:
    field = receptive_field([])
    assert (field.size, field.jump, field.start, field.coverage) == ((1,), (1,), (0,), 1.0)


def test_a_chain_of_a_thousand_layers_is_no_trouble() -> None:
    field = receptive_field([Layer((3, 3), padding="same")] * 1000, input_size=256)
    assert (field.size, field.start, field.coverage) == ((2001, 2001), (-1000, -1000), 1.0)
