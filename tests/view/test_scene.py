"""Scenes: what they say is what the geometry and the definition say."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.view.scenes import SCENES, scene

from tweakconv import reference
from tweakconv.geometry import PADDING_MODES, ConvGeometry, extend
from tweakconv.view.scene import MAX_CELLS, MAX_TAPS, Scene, make_scene
from tweakconv.view.values import some_inputs


@st.composite
def any_geometry(draw: st.DrawFn) -> ConvGeometry:
    rank = draw(st.integers(1, 2))
    each = lambda least, most: tuple(draw(st.integers(least, most)) for _ in range(rank))  # noqa: E731
    size, kernel, strides, rates = each(1, 9), each(1, 4), each(1, 4), each(1, 3)
    if draw(st.booleans()):
        return ConvGeometry.transposed(size, kernel, strides=strides, dilation_rate=rates, output_padding=each(0, 2))
    pads = [(draw(st.integers(-2, 5)), draw(st.integers(-2, 5))) for _ in range(rank)]
    try:
        return ConvGeometry.of(size, kernel, strides=strides, padding=pads, dilation_rate=rates)
    except ValueError:
        assume(False)
        raise


def padded_input(shown: Scene) -> np.ndarray:
    """The canvas by NumPy's own padding, NaN where nothing is."""
    values = np.array(shown.input.values)
    axes = shown.geometry.axes if shown.geometry.rank == 2 else (None, shown.geometry.axes[0])
    spacing = [1 if axis is None else axis.input_dilation for axis in axes]
    spread = np.full([step * (size - 1) + 1 for step, size in zip(spacing, values.shape, strict=True)], np.nan)
    spread[:: spacing[0], :: spacing[1]] = values
    pads = [(0, 0) if axis is None else (max(axis.pad_lo, 0), max(axis.pad_hi, 0)) for axis in axes]
    if shown.transposed:
        return np.pad(spread, pads, constant_values=np.nan)
    if shown.padding_mode in ("zeros", "constant"):
        return np.pad(spread, pads, constant_values=shown.pad_value)
    return np.pad(spread, pads, mode=shown.padding_mode)


@given(any_geometry())
def test_every_output_is_the_sum_of_what_its_window_reads_times_the_weights(geometry: ConvGeometry) -> None:
    shown = make_scene(geometry, seed=5)
    canvas = padded_input(shown)
    weights = np.array(shown.kernel.values)
    for step in range(shown.steps):
        oy, ox = divmod(step, shown.output.cols)
        read = canvas[np.ix_(shown.rows.taps[oy], shown.cols.taps[ox])]
        assert np.nansum(read * weights) == shown.output.values[oy][ox]


@given(any_geometry())
def test_the_taps_are_those_of_the_geometry(geometry: ConvGeometry) -> None:
    shown = make_scene(geometry)
    for axis, along in zip(geometry.axes, (shown.rows, shown.cols)[-geometry.rank :], strict=True):
        assert len(along.taps) == axis.output
        for o, positions in enumerate(along.taps):
            assert [along.pixels[position] for position in positions] == list(axis.taps(o))
            assert min(positions) == along.starts[o]
            assert max(positions) == along.starts[o] + along.span - 1


@given(any_geometry())
def test_a_pixel_is_unread_where_no_window_of_the_scene_stands_on_it(geometry: ConvGeometry) -> None:
    shown = make_scene(geometry)
    read = {
        (row, col)
        for rows in shown.rows.taps
        for cols in shown.cols.taps
        for row in rows
        for col in cols
        if shown.kind(row, col) == "input"
    }
    places = np.ndindex(len(shown.rows.kinds), len(shown.cols.kinds))
    pixels = {place for place in places if shown.kind(*place) == "input"}
    assert len(pixels) == shown.input.rows * shown.input.cols
    assert {place for place in pixels if shown.unread(*place)} == pixels - read


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_the_padding_holds_what_numpy_pads_with(mode: str) -> None:
    geometry = ConvGeometry.of((3, 4), (3, 2), padding=((2, 5), (3, 1)))
    shown = make_scene(geometry, seed=8, padding_mode=mode, pad_value=6 if mode == "constant" else 0)
    values = [[shown.value(row, col) for col in range(8)] for row in range(10)]
    np.testing.assert_array_equal(values, padded_input(shown))
    assert shown.rows.sources == tuple(extend(position, 3, mode) for position in range(-2, 8))


@pytest.mark.parametrize("name", [name for name in SCENES if name not in ("groups", "causal")])
def test_the_output_is_what_the_reference_computes(name: str) -> None:
    shown = scene(name)
    x, w = np.array(shown.input.values)[None, :, :, None], np.array(shown.kernel.values)[:, :, None, None]
    axes = shown.geometry.axes
    if shown.transposed:
        cut = [(axis.effective_kernel - 1 - axis.pad_lo, axis.effective_kernel - 1 - axis.pad_hi) for axis in axes]
        strides, rates = shown.geometry.input_dilation, shown.geometry.dilation_rate
        y = reference.conv_transpose(x, w, strides=strides, padding=cut, dilation_rate=rates)
    else:
        y = reference.conv(
            x,
            w,
            strides=shown.geometry.strides,
            padding=shown.geometry.pads,
            dilation_rate=shown.geometry.dilation_rate,
            padding_mode=shown.padding_mode,
            constant_value=shown.pad_value,
        )
    np.testing.assert_array_equal(shown.output.values, y[0, :, :, 0])


def test_the_channels_of_a_group_add_up_to_the_output() -> None:
    geometry = ConvGeometry.of((5, 4), 3, in_channels=6, out_channels=4, groups=2)
    parts = [make_scene(geometry, seed=2, output_channel=2, input_channel=channel) for channel in (3, 4, 5)]
    assert {part.channels.read for part in parts} == {(3, 4, 5)}
    assert len({part.input.values for part in parts}) == 3
    total = sum(np.array(part.share.values) for part in parts)
    for part in parts:
        np.testing.assert_array_equal(part.output.values, total)


def test_the_expression_adds_up_and_says_what_other_channels_add() -> None:
    shown = scene("groups")
    for step in range(shown.steps):
        expression = shown.expression(step)
        assert sum(term.product for term in expression.terms) == expression.share
        words = str(expression).replace("−", "-")
        products = re.findall(r"(-?\d+)·\(?(-?\d+)\)?", words)
        assert sum(int(value) * int(weight) for value, weight in products) == expression.share
        assert words.endswith(f"= {expression.total:.0f}")
        assert "with 2 other channels" in words


def test_a_transposed_expression_names_pixels_only() -> None:
    shown = scene("transposed")
    assert {len(shown.expression(step).terms) for step in range(shown.steps)} >= {2, 4}
    assert str(make_scene(ConvGeometry.transposed((1, 1), 1, strides=3)).expression(4)) == "nothing = 0"


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_survives_json_and_says_there_what_it_says_here(name: str) -> None:
    shown = scene(name)
    told = json.loads(json.dumps(shown.as_json(), allow_nan=False))
    assert told["row_taps"] == [list(taps) for taps in shown.rows.taps]
    assert told["cols"]["starts"] == list(shown.cols.starts)
    assert told["steps"] == told["output"]["rows"] * told["output"]["cols"] == shown.steps
    assert np.array_equal(told["output"]["values"], shown.output.values)
    assert told["facts"]["output_size"] == list(shown.geometry.output_size)


def test_a_cell_keeps_its_number_while_sizes_change_and_seeds_differ() -> None:
    small = make_scene(ConvGeometry.of((3, 4), 2), seed=1)
    large = make_scene(ConvGeometry.of((9, 8), 3, padding="same", dilation_rate=2), seed=1)
    np.testing.assert_array_equal(np.array(large.input.values)[:3, :4], small.input.values)
    np.testing.assert_array_equal(np.array(large.kernel.values)[:2, :2], small.kernel.values)
    assert make_scene(ConvGeometry.of((9, 8), 3), seed=2).input.values != large.input.values


def test_the_numbers_of_a_seed_are_these_on_every_machine() -> None:
    """A link that somebody shared goes on showing the same."""
    numbers = some_inputs(2024, [0, 3], 2, 6)
    assert numbers.tolist() == [[[1, 4, 5, 2, 4, 3], [1, 2, 1, 2, 2, 3]], [[5, 3, 3, 0, 4, 3], [1, 5, 2, 1, 2, 4]]]


def test_edits_replace_single_numbers() -> None:
    geometry = ConvGeometry.of((3, 4), 2)
    plain = make_scene(geometry)
    changed = make_scene(geometry, input_edits={(2, 3): -0.5}, kernel_edits={(0, 1): 9})
    assert changed.input.values[2][3] == -0.5
    assert changed.kernel.values[0][1] == 9
    assert changed.input.values[:2] == plain.input.values[:2]


GEOMETRY = ConvGeometry.of((5, 6), 3, padding=1, in_channels=4, out_channels=2, groups=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"geometry": ConvGeometry.of((4, 4, 4), 2)}, "one or two axes to be drawn, received 3"),
        ({"geometry": ConvGeometry.of((129, 128), 3)}, "the padded input has 129 x 128 = 16,512 cells"),
        ({"geometry": ConvGeometry.of((40, 40), 3, padding=10**9)}, f"at most {MAX_CELLS:,}"),
        ({"geometry": ConvGeometry.of((40, 40), 33)}, f"the kernel has 33 x 33 = 1,089 cells, .* at most {MAX_TAPS:,}"),
        ({"seed": -1}, "seed must be at least 0, received -1"),
        ({"output_channel": 2}, "output_channel must be below 2, received 2"),
        ({"input_channel": 2}, "one that output channel 0 reads, 0 to 1 in group 0, received 2"),
        ({"input_values": np.zeros((6, 5))}, r"input_values must have shape \(5, 6\), received \(6, 5\)"),
        ({"kernel_values": [[np.nan] * 3] * 3}, "kernel_values must lie between"),
        ({"input_edits": {(5, 0): 1}}, r"input_edits must lie within 5 rows and 6 columns, received \(5, 0\)"),
        ({"kernel_edits": {(0, 0): 1e9}}, "kernel_edits must lie between -999,999 and 999,999"),
        ({"padding_mode": "mirror"}, "padding_mode must be one of"),
        ({"pad_value": 3}, "pad_value must be 0 unless padding_mode is 'constant'"),
        ({"geometry": ConvGeometry.transposed((3, 3), 2, strides=2), "padding_mode": "edge"}, "with input_dilation 2"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_scene(**{"geometry": GEOMETRY} | arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"geometry": (5, 5)}, "geometry must be a ConvGeometry"),
        ({"input_edits": {3: 1}}, r"input_edits must have \(row, column\) as keys, received 3"),
        ({"kernel_edits": {(0, 0): "1"}}, "kernel_edits must be a number, received '1'"),
        ({"input_values": [["a"] * 6] * 5}, "input_values must hold real numbers"),
        ({"pad_value": True}, "pad_value must be a number"),
    ],
)
def test_what_has_the_wrong_type_is_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        make_scene(**{"geometry": GEOMETRY} | arguments)


def test_the_limit_is_the_last_size_that_is_drawn() -> None:
    assert make_scene(ConvGeometry.of((128, 128), 3, strides=60)).steps == 9
