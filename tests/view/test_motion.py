"""Animated SVG: at each time it shows the step of that time, as the drawing of that step does."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from tests.view.scenes import SCENES, scene

from tweakconv.geometry import ConvGeometry
from tweakconv.view.drawing import VIEWS, draw
from tweakconv.view.drawing.cells import CELL
from tweakconv.view.expression import show_number
from tweakconv.view.look import Look
from tweakconv.view.motion import animated_svg
from tweakconv.view.scene import Scene, make_scene

SVG = "{http://www.w3.org/2000/svg}"


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def at(animation: Element, part: float) -> str | list[float]:
    """The value of an animation at a part of its time, as the SMIL specification has it: linear where not discrete."""
    values = animation.attrib["values"].split(";")
    times = [float(time) for time in animation.attrib["keyTimes"].split(";")]
    assert len(values) == len(times)
    assert times == sorted(times)
    assert times[0] == 0
    index = max(i for i, time in enumerate(times) if time <= part)
    if animation.attrib["calcMode"] == "discrete":
        return values[index]
    assert times[-1] == 1
    assert len(animation.attrib["keySplines"].split(";")) == len(values) - 1
    if index == len(values) - 1:
        return numbers(values[-1])
    before, after = numbers(values[index]), numbers(values[index + 1])
    share = (part - times[index]) / (times[index + 1] - times[index])
    return [a + share * (b - a) for a, b in zip(before, after, strict=True)]


def having(root: Element, *classes: str) -> list[Element]:
    return [element for element in root.iter() if set(classes) <= set(element.get("class", "").split())]


def animation_of(element: Element, attribute: str) -> Element:
    (found,) = [child for child in element if child.get("attributeName") == attribute]
    return found


def middles(count: int) -> list[float]:
    """A time at which each step rests: soon after it has begun."""
    return [(index + 0.3) / (count + 1) for index in range(count)]


def still(shown: Scene, view: str, step: int) -> Element:
    return ElementTree.fromstring(draw(shown, view=view, step=step))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_at_each_time_the_window_stands_where_the_step_has_it(name: str, view: str) -> None:
    shown = scene(name)
    root = ElementTree.fromstring(animated_svg(shown, Look(view=view)))
    (window,) = having(root, "tc-window", "tc-moving")
    moves = animation_of(window, "transform")
    for step, part in enumerate(middles(shown.steps)):
        (drawn,) = having(still(shown, view, step), "tc-window")
        assert at(moves, part) == numbers(drawn.attrib["transform"])


@pytest.mark.parametrize("name", SCENES)
def test_at_each_time_the_light_falls_where_the_step_has_it(name: str) -> None:
    shown = scene(name)
    root = ElementTree.fromstring(animated_svg(shown))
    sides = [animation_of(side, "points") for side in having(root, "tc-beam", "tc-moving")]
    for step, part in enumerate(middles(shown.steps)):
        drawn = having(still(shown, "tilted", step), "tc-beam")
        assert [at(side, part) for side in sides] == [numbers(side.attrib["points"]) for side in drawn]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_at_each_time_the_outputs_up_to_the_step_are_shown(name: str, view: str) -> None:
    shown = scene(name)
    root = ElementTree.fromstring(animated_svg(shown, Look(view=view)))
    (cover,) = root.iter(f"{SVG}clipPath")
    above, within = cover
    (group,) = having(root, "tc-shown")
    assert group.attrib["clip-path"] == f"url(#{cover.attrib['id']})"
    outputs = [element for element in group.iter() if element.get("class", "").startswith("tc-output tc-done")]
    assert len(outputs) == shown.steps
    for step, part in enumerate(middles(shown.steps)):
        full = float(at(animation_of(above, "height"), part))
        top = float(at(animation_of(within, "y"), part))
        reach = float(at(animation_of(within, "width"), part))
        covered = []
        for output in outputs:
            x, y = (float(output.attrib[key]) for key in ("x", "y"))
            covered.append(y + CELL / 2 < full or (top < y + CELL / 2 < top + CELL and x + CELL / 2 < reach))
        assert covered == [index <= step for index in range(shown.steps)]


@pytest.mark.parametrize("name", SCENES)
def test_at_each_time_one_sum_and_its_products_are_visible(name: str) -> None:
    shown = scene(name)
    root = ElementTree.fromstring(animated_svg(shown, Look(view="flat")))
    (sums,) = having(root, "tc-sum", "tc-moving")
    (products,) = having(root, "tc-product-value", "tc-moving")
    for step, part in enumerate(middles(shown.steps)):
        (said,) = [each for each in sums if at(animation_of(each, "visibility"), part) == "visible"]
        (written,) = [each for each in products if at(animation_of(each, "visibility"), part) == "visible"]
        expression = shown.expression(step)
        assert " ".join(span.text for span in said.iter(f"{SVG}tspan")) == str(expression)
        assert [text.text for text in written.iter(f"{SVG}text")] == [
            show_number(term.product) for term in expression.terms
        ]


def test_the_window_slides_from_step_to_step_and_rests_at_the_end() -> None:
    shown = scene("lecture")
    (window,) = having(ElementTree.fromstring(animated_svg(shown, seconds=0.5)), "tc-window", "tc-moving")
    moves = animation_of(window, "transform")
    assert float(moves.attrib["dur"].removesuffix("s")) == (9 + 1) * 0.5
    assert moves.attrib["repeatCount"] == "indefinite"
    x, y = at(moves, (1 - 0.15) / 10)
    assert (0 < x < 2 * CELL, y) == (True, 0)
    assert at(moves, 0.9) == at(moves, 1.0) == [4 * CELL, 4 * CELL]


def test_some_of_the_steps_begin_with_what_is_done_and_end_before_what_is_not() -> None:
    shown = scene("asymmetric")
    root = ElementTree.fromstring(animated_svg(shown, steps=range(7, 12)))
    (window,) = having(root, "tc-window", "tc-moving")
    (drawn,) = having(still(shown, "tilted", 7), "tc-window")
    assert at(animation_of(window, "transform"), 0) == numbers(drawn.attrib["transform"])
    (group,) = having(root, "tc-shown")
    assert len(having(group, "tc-output")) == 12
    (cover,) = root.iter(f"{SVG}clipPath")
    assert at(animation_of(cover[0], "height"), 0) == f"{7 // shown.output.cols * CELL}"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_it_needs_nothing_else_and_stays_small(name: str, view: str) -> None:
    document = animated_svg(scene(name), Look(view=view))
    root = ElementTree.fromstring(document)
    allowed = {"svg", "title", "desc", "style", "g", "rect", "path", "polygon", "text", "tspan", "clipPath"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed | {"animate", "animateTransform"}
    assert "href" not in document
    assert "url(" not in document.replace("url(#", "")
    assert len(document.encode()) < 60_000
    assert [element.get("id") for element in root.iter() if "id" in element.attrib] == [
        next(root.iter(f"{SVG}clipPath")).attrib["id"]
    ]


def test_those_of_different_scenes_can_stand_in_one_document() -> None:
    names = {
        next(ElementTree.fromstring(animated_svg(scene(name))).iter(f"{SVG}clipPath")).attrib["id"] for name in SCENES
    }
    assert len(names) == len(SCENES)


@pytest.mark.parametrize("view", VIEWS)
def test_readers_who_prefer_no_motion_see_the_last_step(view: str) -> None:
    shown = scene("lecture")
    document = animated_svg(shown, Look(view=view))
    assert "@media (prefers-reduced-motion:reduce){.tc-moving{display:none}.tc-still{display:inline}" in document
    root = ElementTree.fromstring(document)
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in root.iter():
        if element.tag in (f"{SVG}animate", f"{SVG}animateTransform"):
            above = [element]
            while above[-1] in parents:
                above.append(parents[above[-1]])
            classes = " ".join(each.get("class", "") for each in above).split()
            assert "tc-moving" in classes or any(each.tag == f"{SVG}clipPath" for each in above)
    (window,) = having(root, "tc-window", "tc-still")
    (drawn,) = having(still(shown, view, shown.steps - 1), "tc-window")
    assert window.attrib["transform"] == drawn.attrib["transform"]


def test_a_thousand_steps_keep_their_times_apart() -> None:
    shown = make_scene(ConvGeometry.of((34, 34), 3))
    (window,) = having(ElementTree.fromstring(animated_svg(shown)), "tc-window", "tc-moving")
    times = [float(time) for time in animation_of(window, "transform").attrib["keyTimes"].split(";")]
    assert len(times) == 2 * 1024
    assert all(before < after for before, after in pairwise(times))


def test_many_small_cells_are_joined_and_cover_what_they_covered() -> None:
    shown = make_scene(ConvGeometry.of((64, 40), 3, strides=4, padding="same", dilation_rate=3))
    document = animated_svg(shown)
    assert len(document) < 300_000
    root = ElementTree.fromstring(document)
    drawn = ElementTree.fromstring(draw(shown, step=shown.steps - 1))
    cells = {
        (element.attrib["x"], element.attrib["y"])
        for element in drawn.iter()
        if element.get("data-part") in ("input", "pad")
    }
    joined = [place for path in root.iter(f"{SVG}path") for place in re.findall(r"M(\S+) (\S+?)h", path.attrib["d"])]
    assert sorted(joined) == sorted(cells)
