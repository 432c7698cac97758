"""The tab "One layer" in a real browser: what is drawn and written is what the geometry says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tweakconv.geometry import ConvGeometry
from tweakconv.view.state import LayerState

EDGES = "input_size=6x7&kernel_size=3x2&strides=2x1&padding=1:2,0:3&dilation_rate=1x2&seed=3"
LAYERS = {
    "plain": "",
    "strided, same": "input_size=6x7&strides=2&padding=same",
    "uneven pads, nothing square": EDGES,
    "stride and dilation leave pixels out": "input_size=9&kernel_size=3&strides=2&dilation_rate=2&padding=1",
    "reflected": "input_size=5x6&padding=2:1,3:0&padding_mode=reflect",
    "cropped": "input_size=8x8&padding=-1:0,0:-2",
    "one axis, causal": "input_size=9&kernel_size=3&dilation_rate=2&padding=causal",
    "transposed": "input_size=4x3&kernel_size=3x2&strides=2x3&transposed=1&padding=1:0,0:1",
    "transposed, one axis": "input_size=4&kernel_size=4&strides=2&transposed=1&padding=same",
}


def geometry_of(query):
    return LayerState.from_query(query).geometry()


def two_axes(geometry):
    """Rows and columns of the drawing; a single axis is drawn as one row."""
    if len(geometry.axes) == 2:
        return geometry.axes
    return ConvGeometry.of((1, geometry.input_size[0]), 1).axes[0], geometry.axes[0]


def by_hand(axis):
    """Which padded position each weight stands on for each output, by the definition and not by the tap map."""
    places = []
    for o in range(axis.output):
        start = o * axis.stride - axis.pad_lo + max(axis.pad_lo, 0)
        steps = [k * axis.dilation for k in range(axis.kernel)]
        places.append([start + step for step in (reversed(steps) if axis.flipped else steps)])
    return places


def times(size):
    return " × ".join(map(str, size))


def assert_shows(shown, geometry):
    """The drawing, the sizes, the formulas and the numbers are those of a geometry."""
    rows, columns = two_axes(geometry)
    assert shown.sizes() == f"{times(geometry.input_size)} → {times(geometry.output_size)}"
    assert shown.cells("output") == {(y, x) for y in range(rows.output) for x in range(columns.output)}
    assert len(shown.cells("input")) == rows.input * columns.input
    everywhere = [axis.effective_input + max(axis.pad_lo, 0) + max(axis.pad_hi, 0) for axis in (rows, columns)]
    assert sum(len(shown.cells(part)) for part in ("input", "pad", "gap")) == np.prod(everywhere)
    assert shown.formulas() == [axis.formula() for axis in geometry.axes]
    facts = shown.facts()
    assert facts["Parameters"] == f"{geometry.parameters:,}"
    assert facts["Multiply-adds"] == f"{geometry.multiply_adds:,}"
    assert facts["Window spans"] == times(geometry.effective_kernel_size)
    assert float(facts["Never read"].removesuffix(" %")) == pytest.approx(100 * geometry.unread_fraction(), abs=0.051)


@pytest.mark.parametrize(
    ("name", "view"),
    [*((name, "tilted") for name in LAYERS), ("uneven pads, nothing square", "flat"), ("transposed", "flat")],
)
def test_the_window_visits_exactly_the_taps_of_the_tap_map(shown, name, view):
    query = LAYERS[name]
    shown.open("&".join(filter(None, [query, f"view={view}"])))
    geometry = geometry_of(query)
    assert_shows(shown, geometry)
    row_taps, column_taps = map(by_hand, two_axes(geometry))
    steps = shown.walk(len(row_taps) * len(column_taps))
    assert [step.output for step in steps] == [(y, x) for y in range(len(row_taps)) for x in range(len(column_taps))]
    for step in steps:
        y, x = step.output
        weights = {(ky, kx): (r, c) for ky, r in enumerate(row_taps[y]) for kx, c in enumerate(column_taps[x])}
        assert step.weights == weights
        assert step.read == set(weights.values())


CONTROLS = {
    "input": ("Input, as a number", 9, "input_size=9x9"),
    "kernel": ("Kernel, as a number", 2, "kernel_size=2"),
    "stride": ("Stride, as a number", 3, "strides=3"),
    "dilation": ("Dilation, as a number", 2, "dilation_rate=2"),
    "largest input": ("Input, as a number", 64, "input_size=64x64"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_each_tweak_changes_the_picture_and_the_numbers(shown, name):
    label, value, query = CONTROLS[name]
    shown.open()
    shown.number(label, value)
    assert_shows(shown, geometry_of(query))
    name, text = query.split("=")
    shown.wait_for_query(**{name: text})


@pytest.mark.parametrize(
    ("label", "key", "query"),
    [
        ("Input", "End", "input_size=64x64"),
        ("Kernel", "ArrowRight", "kernel_size=4"),
        ("Stride", "ArrowRight", "strides=2"),
        ("Dilation", "ArrowRight", "dilation_rate=2"),
    ],
)
def test_sliders_do_what_numbers_do(shown, label, key, query):
    shown.open()
    shown.page.get_by_role("slider", name=label, exact=True).press(key)
    assert_shows(shown.settled(), geometry_of(query))


def test_height_and_width_go_their_own_ways_once_they_are_apart(shown):
    shown.open("padding=same")
    for label in ("input", "kernel", "stride", "dilation"):
        shown.page.get_by_role("button", name=f"Same {label} for height and width").click()
    shown.number("Input, height, as a number", 7).number("Kernel, width, as a number", 2)
    shown.number("Stride, height, as a number", 3).number("Dilation, width, as a number", 3)
    query = "input_size=7x5&kernel_size=3x2&strides=3x1&dilation_rate=1x3&padding=same"
    assert_shows(shown, geometry_of(query))
    shown.page.get_by_role("button", name="Same stride for height and width").click()
    assert_shows(shown.settled(), geometry_of(query.replace("strides=3x1", "strides=3x3")))


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower", "full"])
def test_each_padding_is_drawn_and_told_side_by_side(shown, padding):
    shown.open("input_size=6x5&kernel_size=4x3&strides=2x3&padding=1")
    shown.page.get_by_label(padding.replace("_", " "), exact=True).check(force=True)
    geometry = geometry_of(f"input_size=6x5&kernel_size=4x3&strides=2x3&padding={padding}")
    assert_shows(shown.settled(), geometry)
    sides = ("top", "bottom", "left", "right")
    told = [int(shown.page.get_by_label(f"Padding, {side}", exact=True).input_value()) for side in sides]
    assert told == [pad for pair in geometry.pads for pad in pair]


def test_each_side_is_padded_by_hand_beginning_with_the_pads_there_are(shown):
    shown.open("input_size=6x7&strides=2&padding=same")
    shown.page.get_by_label("by hand", exact=True).check(force=True)
    assert_shows(shown.settled(), geometry_of("input_size=6x7&strides=2&padding=0:1,1:1"))
    for side, value in [("top", 2), ("bottom", 0), ("left", 3), ("right", 4)]:
        shown.number(f"Padding, {side}", value)
    assert_shows(shown, geometry_of("input_size=6x7&strides=2&padding=2:0,3:4"))
    shown.wait_for_query(padding="2:0,3:4")


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric", "edge", "wrap"])
def test_the_padding_holds_what_its_mode_says(shown, mode):
    shown.open("input_size=4x5&padding=2:3,3:1&view=flat&seed=5")
    shown.page.get_by_label("What the padding holds").select_option(mode)
    shown.settled()
    options = {}
    if mode == "constant":
        shown.number("Value of the padding", 7)
        options = {"constant_values": 7}
    expected = np.pad(shown.table("Input values"), [(2, 3), (3, 1)], mode=mode, **options)
    held = shown.page.eval_on_selector_all(
        '.ex-drawing [data-plane="input"] .tc-value', "all => all.map((e) => Number(e.textContent.replace('−', '-')))"
    )
    assert held == expected.ravel().tolist()


def correlated(values, weights, padded, strides=(1, 1), dilation=(1, 1)):
    """A cross-correlation written out with NumPy alone."""
    padded = np.pad(values, padded)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weights.shape, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans)[:: strides[0], :: strides[1]]
    return np.einsum("yxij,ij->yx", windows[:, :, :: dilation[0], :: dilation[1]], weights)


def test_every_output_is_the_sum_of_its_products(shown):
    shown.open("input_size=5x6&kernel_size=2x3&strides=2x1&dilation_rate=1x2&padding=1:0,0:2&view=flat&seed=8")
    expected = correlated(shown.table("Input values"), shown.table("Kernel weights"), [(1, 0), (0, 2)], (2, 1), (1, 2))
    for step in range(expected.size):
        assert shown.result() == expected.flat[step]
        products = shown.page.locator(".ex-product").all_inner_texts()
        assert (
            sum(np.prod([float(n) for n in re.findall(r"-?\d+", p.replace("−", "-"))]) for p in products)
            == (expected.flat[step])
        )
        shown.page.get_by_role("button", name="Next output").click()


def test_typing_values_changes_the_sums_and_an_empty_cell_takes_its_own_value_back(shown):
    shown.open()
    before = shown.table("Input values")
    cell = shown.page.locator('table[aria-label="Input values"] td[data-row="1"][data-column="2"]')
    cell.click()
    shown.page.keyboard.type("40")
    shown.page.keyboard.press("Enter")
    shown.settled()
    weight = shown.page.locator('table[aria-label="Kernel weights"] td[data-row="2"][data-column="0"]')
    weight.press("-")
    shown.page.keyboard.type("3")
    shown.page.keyboard.press("Tab")
    shown.settled()
    shown.wait_for_query(input_edits="1.2:40", kernel_edits="2.0:-3")
    values, weights = shown.table("Input values"), shown.table("Kernel weights")
    assert values[1, 2] == 40
    assert weights[2, 0] == -3
    assert shown.result() == correlated(values, weights, 0)[0, 0]
    cell.press("Delete")
    shown.settled()
    shown.wait_for_query(input_edits=None, kernel_edits="2.0:-3")
    assert (shown.table("Input values") == before).all()


def test_a_value_is_edited_where_it_is_drawn(shown):
    shown.open("input_size=4x5&padding=1:0,2:0&view=flat")
    shown.page.locator('.ex-drawing [data-part="input"][data-row="2"][data-col="4"]').click(position={"x": 5, "y": 5})
    shown.page.get_by_label("input row 1, column 2").fill("9.5")
    shown.page.keyboard.press("Enter")
    shown.settled()
    shown.wait_for_query(input_edits="1.2:9.5")
    shown.page.locator('.ex-drawing [data-part="weight"][data-row="0"][data-col="1"]').click(force=True)
    shown.page.get_by_label("kernel row 0, column 1").fill("-2")
    shown.page.keyboard.press("Escape")
    assert shown.query().get("kernel_edits") is None
    assert shown.table("Input values")[1, 2] == 9.5


def test_edits_outside_a_smaller_input_go_and_the_others_stay(shown):
    shown.open("input_edits=0.1:8,4.4:9&kernel_edits=2.2:7")
    shown.number("Input, as a number", 3)
    shown.wait_for_query(input_size="3x3", input_edits="0.1:8", kernel_edits="2.2:7")


def test_pointing_at_an_output_shows_it_and_a_click_pins_it(shown):
    shown.open("input_size=6x6&view=flat&step=1")
    output = '.ex-drawing [data-part="output"][data-row="{}"][data-col="{}"]'
    shown.page.locator(output.format(2, 3)).hover()
    assert shown.current_output() == (2, 3)
    assert shown.text(".ex-sum").startswith("Output row 2, column 3 reads 9 values")
    shown.page.mouse.move(5, 5)
    assert shown.current_output() == (0, 1)
    shown.page.locator(output.format(1, 2)).click()
    shown.wait_for_query(pin="6")
    shown.page.locator(output.format(3, 3)).hover()
    assert shown.current_output() == (1, 2)
    assert shown.page.locator(".ex-pinned").is_visible()
    shown.page.locator(output.format(1, 2)).click()
    shown.wait_for_query(pin=None)
    assert not shown.page.locator(".ex-pinned").is_visible()


def test_time_is_played_paused_stepped_and_dragged(shown):
    shown.open("input_size=6x6")
    page = shown.page
    page.get_by_label("Speed").select_option("16")
    page.get_by_role("button", name="Play").click()
    page.wait_for_selector('.ex-drawing [data-part="output"][data-row="1"].tc-current')
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("button", name="Last output").click()
    assert shown.current_output() == (3, 3)
    page.get_by_role("button", name="Previous output").click()
    assert shown.current_output() == (3, 2)
    page.get_by_role("button", name="First output").click()
    assert shown.current_output() == (0, 0)
    slider = page.get_by_role("slider", name="Output cell")
    slider.fill("6")
    assert shown.current_output() == (1, 2)
    assert slider.get_attribute("aria-valuetext") == "output row 1, column 2"
    shown.wait_for_query(step="6")


def test_groups_show_which_channels_an_output_reads(shown):
    shown.open()
    shown.number("Input channels", 4).number("Output channels", 6).number("Groups", 2)
    geometry = geometry_of("in_channels=4&out_channels=6&groups=2")
    assert_shows(shown, geometry)
    assert geometry.parameters == 3 * 3 * 2 * 6
    reads = shown.page.locator('.ex-wiring [data-tone="input"] [data-read="true"]')
    assert reads.all_inner_texts() == ["0", "1"]
    shown.page.get_by_role("button", name="output channel 4").click()
    shown.settled()
    assert reads.all_inner_texts() == ["2", "3"]
    assert "from 1 other channel" in shown.text(".ex-sum-result")
    shown.wait_for_query(output_channel="4", groups="2")


def test_a_layer_that_cannot_be_is_refused_in_words_and_the_picture_stays(shown):
    shown.open("input_size=5x5&kernel_size=3")
    shown.page.expected_problems.append("400")
    shown.number("Groups", 3)
    told = shown.text('[role="alert"]')
    assert "groups must divide in_channels" in told
    assert shown.sizes() == "5 × 5 → 3 × 3"
    shown.number("Input channels", 3)
    shown.number("Output channels", 3)
    assert not shown.page.locator('[role="alert"]').is_visible()
    assert_shows(shown, geometry_of("in_channels=3&out_channels=3&groups=3"))


def test_a_transposed_layer_and_its_output_padding_are_drawn(shown):
    shown.open("input_size=4x5&strides=2")
    shown.page.get_by_label("Transposed").check()
    assert_shows(shown.settled(), geometry_of("input_size=4x5&strides=2&transposed=1"))
    shown.page.get_by_label("same", exact=True).check(force=True)
    shown.settled()
    shown.page.get_by_label("Output padding").select_option("1")
    assert_shows(shown.settled(), geometry_of("input_size=4x5&strides=2&transposed=1&padding=same&output_padding=1"))
    shown.page.get_by_label("by hand", exact=True).check(force=True)
    assert_shows(shown.settled(), geometry_of("input_size=4x5&strides=2&transposed=1&padding=0:1,0:1"))


def test_one_axis_and_two_lead_to_each_other(shown):
    shown.open("input_size=6x8&kernel_size=2x3&strides=1x2&padding=1:0,2:3")
    shown.page.get_by_label("1-D").check(force=True)
    assert_shows(shown.settled(), geometry_of("input_size=8&kernel_size=3&strides=2&padding=2:3"))
    shown.page.get_by_label("causal").check(force=True)
    assert_shows(shown.settled(), geometry_of("input_size=8&kernel_size=3&strides=2&padding=causal"))
    shown.page.get_by_label("2-D").check(force=True)
    assert_shows(shown.settled(), geometry_of("input_size=8x8&kernel_size=3&strides=2&padding=valid"))


def test_unread_pixels_are_hatched_and_explained(shown):
    query = "input_size=8x8&strides=2&dilation_rate=2"
    shown.open(query)
    read = {
        (r, c)
        for rows in by_hand(geometry_of(query).axes[0])
        for cs in by_hand(geometry_of(query).axes[1])
        for r in rows
        for c in cs
    }
    hatched = shown.page.eval_on_selector_all(
        '.ex-drawing [data-part="input"].tc-unread', "all => all.map((e) => [+e.dataset.row, +e.dataset.col])"
    )
    assert {tuple(place) for place in hatched} == {(r, c) for r in range(8) for c in range(8)} - read
    assert "share the factor 2" in shown.text(".ex-warnings")


def test_the_code_of_each_framework_is_copied_with_its_honest_notes(shown):
    shown.open("input_size=8x8&strides=2&dilation_rate=2&padding=1")
    for name, word in [
        ("Keras", "keras.layers"),
        ("PyTorch", "torch"),
        ("JAX", "jax"),
        ("ONNX", "onnx"),
        ("tweakconv", "tc."),
    ]:
        shown.page.get_by_role("tab", name=name).click()
        code = shown.page.locator(".ex-code code").inner_text()
        assert word in code
        shown.page.get_by_role("button", name="Copy the code").click()
        assert shown.page.evaluate("navigator.clipboard.readText()").split() == code.split()
        if name == "Keras":
            assert "refuses" in shown.text(".ex-below .ex-warnings")


@pytest.mark.parametrize(
    ("link", "beginning"),
    [("SVG, this step", b"<svg"), ("PNG, this step", b"\x89PNG"), ("GIF", b"GIF8"), ("SVG, moving", b"<svg")],
)
def test_what_is_on_the_screen_is_saved(shown, link, beginning):
    shown.open("input_size=4x4&step=2")
    shown.page.get_by_role("button", name="Save").click()
    with shown.page.expect_download() as download:
        shown.page.get_by_role("link", name=link).click()
    assert download.value.path().read_bytes().startswith(beginning)
