"""The player of the page is the twin of the drawing code: whatever it shows, Python would have drawn the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.view.scenes import SCENES, scene

import tweakconv.view
from tweakconv.view.drawing import VIEWS, draw
from tweakconv.view.expression import show_number
from tweakconv.view.look import Look
from tweakconv.view.motion import animated_svg

PLAYER = Path(tweakconv.view.__file__).parent / "static" / "player.js"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def blank(browser) -> Iterator:
    """A window with the player in it, and nothing else."""
    page = browser.new_page()
    page.set_content("<main></main>")
    source = PLAYER.read_text()
    page.evaluate(
        "async (source) => { window.player = await import(URL.createObjectURL("
        "new Blob([source], {type: 'text/javascript'}))) }",
        source,
    )
    yield page
    page.close()


def elements(drawing: str) -> list[tuple[str, dict[str, str], str]]:
    """Every element with its attributes and text; the description alone is not the player's."""
    found = []
    for element in ElementTree.fromstring(drawing).iter():
        attributes = dict(element.attrib)
        attributes["class"] = " ".join(sorted(attributes.get("class", "").split()))
        if not element.tag.endswith(("desc", "style")):
            found.append((element.tag, attributes, (element.text or "").strip()))
    return found


def rounded(drawing: str) -> list[tuple[str, dict[str, str], str]]:
    """The same, with the numbers of places in tenths: the last digit of a hundredth may round either way."""
    return [
        (
            tag,
            {
                key: NUMBER.sub(lambda number: f"{float(number[0]) + 1000:.1f}", value) if key == "points" else value
                for key, value in attributes.items()
            },
            text,
        )
        for tag, attributes, text in elements(drawing)
    ]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_every_step_played_is_the_step_drawn_forwards_and_backwards(blank, name: str, view: str) -> None:
    shown = scene(name)
    blank.evaluate(
        "([drawing, scene]) => { const main = document.querySelector('main'); main.innerHTML = drawing;"
        "window.playing = player.play(main.firstElementChild, scene) }",
        [draw(shown, view=view), shown.as_json()],
    )
    everything = [*range(shown.steps), *range(shown.steps - 1, -1, -1), shown.steps // 2, None, shown.steps - 1]
    played = blank.evaluate(
        "(steps) => steps.map((step) => { playing.show(step);"
        "return new XMLSerializer().serializeToString(document.querySelector('svg')) })",
        everything,
    )
    for step, drawing in zip(everything, played, strict=True):
        assert rounded(drawing) == rounded(draw(shown, view=view, step=step)), step


@pytest.mark.parametrize("name", SCENES)
def test_the_sums_that_it_writes_are_those_of_the_scene(blank, name: str) -> None:
    shown = scene(name)
    told = blank.evaluate(
        "(scene) => Array.from({length: scene.steps}, (_, step) => player.expression(scene, step).text)",
        shown.as_json(),
    )
    assert told == [str(shown.expression(step)) for step in range(shown.steps)]


def test_it_writes_numbers_as_python_does(blank) -> None:
    numbers = [
        0.0,
        -0.0,
        1.0,
        -3.0,
        0.5,
        0.0625,
        -0.0625,
        0.0005,
        -0.0004,
        1 / 3,
        2.6785,
        999999.9996,
        1e-9,
        123456.789,
    ]
    assert blank.evaluate("(numbers) => numbers.map(player.showNumber)", numbers) == list(map(show_number, numbers))


def test_it_refuses_a_step_that_is_not_there(blank) -> None:
    shown = scene("lecture")
    refused = blank.evaluate(
        "([drawing, scene]) => { const main = document.querySelector('main'); main.innerHTML = drawing;"
        "const playing = player.play(main.firstElementChild, scene);"
        "return [-1, 9, 1.5, '3'].map((step) => {"
        "try { playing.show(step) } catch (error) { return error.message } }) }",
        [draw(shown), shown.as_json()],
    )
    assert all("a whole number from 0 to 8, or null" in message for message in refused)


@pytest.mark.parametrize("view", VIEWS)
def test_an_animated_svg_moves_in_a_browser_as_its_steps_are_drawn(browser, tmp_path: Path, view: str) -> None:
    shown = scene("asymmetric")
    page = browser.new_page()
    boxes = (
        "() => [...document.querySelectorAll('.tc-frame, .tc-beam')].map((element) => element.getBoundingClientRect())"
        ".filter((box) => box.width).map((box) => [box.x, box.y, box.width, box.height].map(Math.round))"
    )
    (tmp_path / "moving.svg").write_text(animated_svg(shown, Look(view=view, caption=False), seconds=1))
    for step in (0, 1, 4, 17, 29):
        (tmp_path / "still.svg").write_text(draw(shown, view=view, theme="auto", step=step))
        page.goto((tmp_path / "still.svg").as_uri())
        drawn = page.evaluate(boxes)
        page.goto((tmp_path / "moving.svg").as_uri())
        page.evaluate(
            "(time) => { document.documentElement.pauseAnimations(); document.documentElement.setCurrentTime(time) }",
            step + 0.3,
        )
        assert page.evaluate(boxes) == drawn
        assert len(drawn) == (5 if view == "tilted" else 1)
    page.close()
