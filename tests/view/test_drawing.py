"""Drawings: valid SVG whose cells are exactly the tap map's, in colours that can be read."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import pytest
from tests.view.scenes import SCENES, scene

from tweakconv.geometry import ConvGeometry
from tweakconv.view.drawing import VIEWS, draw, stylesheet
from tweakconv.view.drawing.cells import CELL
from tweakconv.view.drawing.theme import colours_of
from tweakconv.view.expression import show_number
from tweakconv.view.scene import make_scene

SVG = "{http://www.w3.org/2000/svg}"
Place = tuple[int, int]


def parts(drawing: str, part: str) -> dict[Place, ElementTree.Element]:
    """The elements of a part by row and column; no place may be drawn twice."""
    found = [element for element in ElementTree.fromstring(drawing).iter() if element.get("data-part") == part]
    by_place = {(int(element.attrib["data-row"]), int(element.attrib["data-col"])): element for element in found}
    assert len(by_place) == len(found)
    return by_place


def having(elements: dict[Place, ElementTree.Element], class_: str) -> set[Place]:
    return {place for place, element in elements.items() if class_ in element.attrib["class"].split()}


def one(drawing: str, attribute: str, value: str) -> ElementTree.Element:
    (found,) = [each for each in ElementTree.fromstring(drawing).iter() if each.get(attribute) == value]
    return found


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_the_cells_are_those_of_the_canvas_each_once(name: str, view: str) -> None:
    shown = scene(name)
    drawing = draw(shown, view=view)
    drawn = {
        place: (kind, element) for kind in ("input", "pad", "gap") for place, element in parts(drawing, kind).items()
    }
    assert len(drawn) == len(shown.rows.kinds) * len(shown.cols.kinds)
    for (row, col), (kind, element) in drawn.items():
        assert kind == shown.kind(row, col)
        assert ("tc-unread" in element.attrib["class"]) == shown.unread(row, col)
        assert float(element.attrib["x"]) // CELL == col
        assert float(element.attrib["y"]) // CELL == row


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_at_each_step_the_window_stands_on_the_taps_of_the_geometry(name: str, view: str) -> None:
    shown = scene(name)
    rows, cols = (None, *shown.geometry.axes)[-2:]
    for step in range(shown.steps):
        drawing = draw(shown, view=view, step=step)
        oy, ox = divmod(step, shown.output.cols)
        dx, dy = numbers(one(drawing, "data-moves", "window").attrib["transform"])
        cells = parts(drawing, "kernel")
        assert len(cells) == shown.kernel.rows * shown.kernel.cols
        for (ky, kx), cell in cells.items():
            row = int((float(cell.attrib["y"]) + dy) // CELL)
            col = int((float(cell.attrib["x"]) + dx) // CELL)
            assert shown.cols.pixels[col] == cols.tap(ox, kx)
            assert col == cols.position(ox, kx) - cols.positions.start
            if rows is not None:
                assert shown.rows.pixels[row] == rows.tap(oy, ky)
                assert row == rows.position(oy, ky) - rows.positions.start


@pytest.mark.parametrize("name", SCENES)
def test_the_cells_that_a_step_reads_are_marked_and_no_others(name: str) -> None:
    shown = scene(name)
    for step in range(shown.steps):
        drawing = draw(shown, step=step)
        oy, ox = divmod(step, shown.output.cols)
        marked = set().union(*(having(parts(drawing, kind), "tc-read") for kind in ("input", "pad", "gap")))
        assert marked == {(row, col) for row in shown.rows.taps[oy] for col in shown.cols.taps[ox]}


@pytest.mark.parametrize("view", VIEWS)
def test_outputs_are_done_current_or_to_do(view: str) -> None:
    shown = scene("lecture")
    for step in (None, *range(shown.steps)):
        outputs = parts(draw(shown, view=view, step=step), "output")
        states = {state: sorted(having(outputs, f"tc-{state}")) for state in ("done", "current", "todo")}
        order = sorted(outputs)
        reached = len(order) if step is None else step
        assert states == {
            "done": order[:reached],
            "current": order[reached : reached + 1],
            "todo": order[reached + 1 :],
        }


@pytest.mark.parametrize("name", SCENES)
def test_the_light_joins_the_window_to_the_output_cell(name: str) -> None:
    """Corners are found by the browser's rule: a point of a plane goes through the matrix of its group."""
    shown = scene(name)
    step = shown.steps - 1
    drawing = draw(shown, step=step)
    corners = []
    for plane, box in (
        ("input", (shown.rows.starts[-1], shown.cols.starts[-1], shown.rows.span, shown.cols.span)),
        ("output", (shown.output.rows - 1, shown.output.cols - 1, 1, 1)),
    ):
        a, b, c, d, e, f = numbers(one(drawing, "data-plane", plane).attrib["transform"])
        row, col, height, width = box
        for y, x in ((row, col), (row, col + width), (row + height, col + width), (row + height, col)):
            corners.append((a * CELL * x + c * CELL * y + e, b * CELL * x + d * CELL * y + f))
    ends = set()
    for side in range(4):
        points = numbers(one(drawing, "data-beam", str(side)).attrib["points"])
        ends |= {
            next(index for index, corner in enumerate(corners) if abs(corner[0] - x) + abs(corner[1] - y) < 0.1)
            for x, y in zip(points[::2], points[1::2], strict=True)
        }
    assert ends == set(range(8))


@pytest.mark.parametrize("name", SCENES)
def test_the_flat_view_shows_the_products_and_their_sum(name: str) -> None:
    shown = scene(name)
    for step in range(shown.steps):
        drawing = draw(shown, view="flat", step=step)
        written = {place: text.text for place, text in parts(drawing, "product-value").items() if text.text}
        expression = shown.expression(step)
        assert written == {(term.ky, term.kx): show_number(term.product) for term in expression.terms}
        lines = [span.text for span in one(drawing, "data-text", "sum") if span.text]
        said = " ".join(lines)
        assert f"= {show_number(expression.share)}" in said
        if "…" not in said:
            assert said == str(expression)


def test_a_long_sum_is_told_in_few_lines_and_says_what_it_leaves_out() -> None:
    shown = make_scene(ConvGeometry.of((15, 15), 13))
    sum_ = one(draw(shown, view="flat", step=4), "data-text", "sum")
    lines = [span.text or "" for span in sum_]
    assert len(lines) == 3
    assert max(map(len, lines)) <= int(sum_.attrib["data-fits"])
    (left,) = re.findall(r"… (\d+) more …", " ".join(lines))
    assert len(re.findall("·", " ".join(lines))) == 169 - int(left)


def test_every_number_of_the_scene_is_written_where_there_is_room() -> None:
    shown = scene("asymmetric")
    for view in VIEWS:
        texts = Counter(element.text for element in ElementTree.fromstring(draw(shown, view=view)).iter(f"{SVG}text"))
        values = [shown.value(row, col) for row in range(10) for col in range(8)]
        values += [value for row in shown.output.values for value in row]
        assert not Counter(map(show_number, values)) - texts


def test_large_scenes_leave_numbers_out_and_keep_every_cell() -> None:
    shown = make_scene(ConvGeometry.of((64, 60), 3, strides=2, padding="same"))
    for view in VIEWS:
        drawing = draw(shown, view=view, step=100)
        assert len(parts(drawing, "input")) == 64 * 60
        assert len(parts(drawing, "output")) == 32 * 30
        assert not parts(drawing, "output-value")


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("caption", [False, True])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_a_drawing_is_a_document_that_needs_nothing_else(name: str, view: str, caption: bool, narrow: bool) -> None:
    drawing = draw(scene(name), view=view, step=0, caption=caption, narrow=narrow, style=False)
    root = ElementTree.fromstring(drawing)
    left, top, width, height = numbers(root.attrib["viewBox"])
    assert width > 0
    assert height > 0
    for element in root.iter():
        assert element.tag in {
            f"{SVG}{name}" for name in ("svg", "title", "desc", "g", "rect", "path", "polygon", "text", "tspan")
        }
        assert not {"id", "style", "href"} & set(element.attrib)
        assert not [key for key in element.attrib if key.startswith("on")]
    # Nothing of a polygon lies beyond the paper.
    for polygon in root.iter(f"{SVG}polygon"):
        points = numbers(polygon.attrib["points"])
        assert all(left <= x <= left + width for x in points[::2])
        assert all(top <= y <= top + height for y in points[1::2])


def test_a_drawing_has_a_title_and_a_description_for_those_who_do_not_see_it() -> None:
    root = ElementTree.fromstring(draw(scene("lecture"), step=4))
    assert root.attrib["role"] == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "5 × 5 → 3 × 3 · kernel 3 × 3 · stride 2 · padding 1"
    assert root[1].tag == f"{SVG}desc"
    assert "Step 5 of 9, output row 1, column 1: " in root[1].text
    assert str(scene("lecture").expression(4)) in root[1].text


def test_the_channels_that_an_output_reads_are_joined_to_it() -> None:
    root = ElementTree.fromstring(draw(scene("groups")))
    classes = {
        (element.attrib["data-part"], int(element.attrib["data-index"])): element.attrib["class"]
        for element in root.iter()
        if "data-index" in element.attrib
    }
    assert [classes["input-channel", c] for c in range(6)] == ["tc-unread"] * 3 + ["tc-input"] * 3
    assert [classes["output-channel", c] for c in range(4)] == [
        f"tc-output tc-{state}" for state in ("todo", "todo", "done", "todo")
    ]
    shown = next(path for path in root.iter(f"{SVG}path") if path.get("class") == "tc-wire-shown")
    assert shown.attrib["d"].count("M") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"view": "round"}, "view must be one of 'tilted', 'flat', received 'round'"),
        ({"theme": "blue"}, "theme must be one of 'light', 'dark', 'auto', received 'blue'"),
        ({"step": 9}, "step must be below 9, received 9"),
        ({"step": -1}, "step must be at least 0, received -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        draw(scene("lecture"), **arguments)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_has_its_colours_written_out_and_auto_has_variables(theme: str) -> None:
    assert "var(" not in stylesheet(theme)
    assert set(colours_of(theme)) == set(colours_of("light"))
    used = set(re.findall(r"var\(--tc-([a-z-]+)\)", stylesheet()))
    assert used <= set(colours_of(theme))
    assert "prefers-color-scheme:dark" in stylesheet("auto")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def under_shadow(colour: str, shadow: str) -> str:
    opacity = float(re.search(r"\.tc-shade\{[^}]*fill-opacity:(\.\d+)", stylesheet())[1])
    mixed = [
        round(int(colour[place : place + 2], 16) * (1 - opacity) + int(shadow[place : place + 2], 16) * opacity)
        for place in (1, 3, 5)
    ]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(theme: str) -> None:
    colour = colours_of(theme)
    pairs = [
        ("ink", colour["paper"]),
        ("muted", colour["paper"]),
        ("input-ink", colour["input"]),
        ("input-ink", under_shadow(colour["input"], colour["shadow"])),
        ("unread-ink", colour["unread"]),
        ("pad-ink", colour["floor"]),
        ("pad-ink", under_shadow(colour["floor"], colour["shadow"])),
        ("pad-ink", colour["copy"]),
        ("kernel-ink", colour["kernel"]),
        ("output-ink", colour["output"]),
    ]
    ratios = {(ink, ground): round(contrast(colour[ink], ground), 2) for ink, ground in pairs}
    assert min(ratios.values()) >= 4.5, ratios
