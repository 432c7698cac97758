"""What is on the screen comes as a file that shows the same."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from tweakconv.view.limits import LIMITS
from tweakconv.view.look import Look
from tweakconv.view.motion import animated_svg
from tweakconv.view.one_layer import scene_of
from tweakconv.view.state import LayerState

_STATE = "input_size=4x6&kernel_size=2x3&strides=1x2&padding=0:1,1:0&seed=5&input_edits=1.2:9"


def exported(client, query):
    """The bytes of a file, which must be one."""
    answer = client.get(f"/api/export?{query}")
    assert answer.status_code == 200, answer.text
    form = "svg+xml" if "format" not in query or "format=svg" in query else query.split("format=")[1][:3]
    assert answer.headers["content-type"].startswith(f"image/{form}")
    assert answer.headers["content-disposition"] == f'attachment; filename="convolution.{form[:3]}"'
    return answer.content


@pytest.mark.parametrize("view", ["tilted", "flat"])
@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_a_still_drawing_is_that_of_the_step_on_the_screen(client, view, theme):
    content = exported(client, f"{_STATE}&view={view}&theme={theme}&step=3&still=1")
    scene = scene_of(LayerState.from_query(_STATE))
    assert content.decode() == Look(view, theme).drawing(scene, 3)
    assert "<style" in content.decode()
    ElementTree.fromstring(content)


@pytest.mark.parametrize("view", ["tilted", "flat"])
def test_a_moving_drawing_is_that_of_every_step(client, view):
    content = exported(client, f"{_STATE}&view={view}&seconds=0.5")
    scene = scene_of(LayerState.from_query(_STATE))
    assert content.decode() == animated_svg(scene, Look(view), seconds=0.5)


def test_a_gif_has_a_frame_for_each_output(client):
    frames = Image.open(io.BytesIO(exported(client, f"{_STATE}&format=gif&seconds=0.3")))
    assert frames.n_frames == scene_of(LayerState.from_query(_STATE)).steps == 12
    assert frames.info["duration"] == 300


def test_a_png_shows_the_step_on_the_screen(client):
    pictures = [Image.open(io.BytesIO(exported(client, f"{_STATE}&format=png&step={step}"))) for step in (0, 5)]
    assert pictures[0].size == pictures[1].size
    assert pictures[0].tobytes() != pictures[1].tobytes()


@pytest.mark.parametrize(
    ("query", "argument", "words"),
    [
        ("format=gif&input_size=64x64", "format", "3,844 steps"),
        ("format=svg&input_size=64x64", "format", f"{LIMITS.export_steps:,} at most"),
        ("format=gif&input_size=28x28&padding=same", "format", "784 frames of 1,684 cells"),
        ("format=gif&seconds=0", "seconds", "0.02"),
        ("format=gif&seconds=99", "seconds", "10"),
        ("format=mp4", "format", "gif"),
    ],
)
def test_what_would_take_long_or_makes_no_sense_is_refused_in_words(client, query, argument, words):
    answer = client.get(f"/api/export?{query}")
    assert (answer.status_code, answer.json()["argument"]) == (400, argument)
    assert words in answer.json()["error"]


def test_a_large_layer_may_still_be_exported_as_it_stands(client):
    assert len(exported(client, "input_size=64x64&padding=same&still=1&step=4000")) > 100_000
