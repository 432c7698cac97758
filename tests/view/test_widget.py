"""The notebook widget answers its front end as the server answers the page, and objects show themselves."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import traitlets

import tweakconv as tc
from tweakconv.view.bundle import bundle, bundled, packaged
from tweakconv.view.one_layer import answer_for
from tweakconv.view.state import LayerState


@pytest.fixture
def asked():
    """A function that asks a widget as its front end does, and gives what it sends back."""

    def ask(widget, message):
        sent = []
        widget.send = sent.append
        widget._handle_custom_msg(message, [])
        (answer,) = sent
        return json.loads(json.dumps(answer))

    return ask


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (((5, 5),), ""),
        ((12, 3), "input_size=12"),
        (((6, 7), (3, 2)), "input_size=6x7&kernel_size=3x2"),
        ((tc.ConvGeometry.of((6, 7), 3, strides=2, padding="same"),), "input_size=6x7&strides=2&padding=0:1,1:1"),
        (
            (tc.ConvGeometry.transposed((4, 5), 3, strides=2, padding="same"),),
            "input_size=4x5&strides=2&padding=0:1,0:1&transposed=1",
        ),
    ],
)
def test_explore_shows_the_geometry_it_is_given(arguments, query):
    widget = tc.explore(*arguments)
    assert widget.query == query
    wanted = (
        arguments[0]
        if isinstance(arguments[0], tc.ConvGeometry)
        else tc.ConvGeometry.of(*arguments, *(3,)[len(arguments) - 1 :])
    )
    assert widget.geometry == wanted


def test_explore_takes_every_tweak():
    widget = tc.explore(
        (6, 7),
        3,
        strides=(2, 1),
        padding=[1, (0, 2)],
        dilation_rate=2,
        groups=2,
        in_channels=2,
        out_channels=4,
        padding_mode="reflect",
        seed=4,
        view="flat",
    )
    assert widget.query == (
        "input_size=6x7&strides=2x1&dilation_rate=2&padding=1:1,0:2&padding_mode=reflect&in_channels=2"
        "&out_channels=4&groups=2&seed=4&view=flat"
    )
    up = tc.explore((4, 4), 3, strides=2, transposed=True, padding="same", output_padding=1)
    assert up.geometry == tc.ConvGeometry.transposed((4, 4), 3, strides=2, padding="same", output_padding=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strides": 0}, "strides must be at least 1"),
        ({"input_size": (500, 500)}, "input_size"),
        ({"view": "round"}, "view"),
    ],
)
def test_explore_refuses_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        tc.explore(**{"input_size": (5, 5), **arguments})


def test_the_first_answer_comes_with_the_widget():
    widget = tc.explore((6, 7), 3, strides=2)
    assert widget.first == answer_for(LayerState.from_query(widget.query))


def test_the_widget_answers_as_the_server_does(asked):
    query = "input_size=4x6&strides=2&padding=same&input_edits=1.2:9"
    answer = asked(tc.explore(), {"id": 7, "query": query})
    assert answer == {"id": 7, "answer": json.loads(json.dumps(answer_for(LayerState.from_query(query))))}


@pytest.mark.parametrize(
    ("query", "argument"),
    [("strides=0", None), ("input_size=9999", "input_size"), ("colour=red", "colour"), ("\udcff", None)],
)
def test_the_widget_refuses_in_words_and_lives_on(asked, query, argument):
    widget = tc.explore()
    answer = asked(widget, {"id": 1, "query": query})
    assert answer["error"]
    assert answer["argument"] == argument or argument is None
    assert asked(widget, {"id": 2, "query": ""})["answer"]["query"] == ""


def test_what_is_set_must_make_sense():
    widget = tc.explore()
    widget.query = "input_size=9x9&strides=3"
    assert widget.geometry.output_size == (3, 3)
    with pytest.raises(traitlets.TraitError, match="strides"):
        widget.query = "strides=0"
    assert widget.geometry.output_size == (3, 3)


def test_the_bundle_holds_each_module_once_after_what_it_imports():
    text = bundle("widget.js")
    modules = re.findall(r"^const (\w+)_js = ", text, re.MULTILINE)
    assert len(modules) == len(set(modules))
    assert "import" not in re.findall(r"^\w+", text, re.MULTILINE)
    assert "player" in modules
    for number, name in enumerate(modules):
        own = text.split(f"const {name}_js = ")[1].split("\n})();")[0]
        assert set(re.findall(r"= (\w+)_js;", own)) <= set(modules[:number])


def test_bundled_modules_may_import_in_a_ring_of_no_consequence():
    files = {"a.js": 'import { b } from "./b.js";\nexport default b;\n', "b.js": "export async function b() {}\n"}
    assert bundled("a.js", files.__getitem__) == (
        "const b_js = (() => {\nasync function b() {}\nreturn { b };\n})();\nconst { b } = b_js;\nexport default b;\n"
    )


def test_the_page_asks_early_for_every_module_that_it_runs():
    page = packaged("index.html")
    entry = bundled("app.js", packaged)
    needed = {f"{name.replace('_', '-')}.js" for name in re.findall(r"^const (\w+)_js = ", entry, re.MULTILINE)}
    assert set(re.findall(r'rel="modulepreload" href="/static/([\w-]+\.js)"', page)) == needed


def test_every_style_of_the_widget_is_confined_to_it():
    """A notebook keeps its own look: each selector asks for a class of ours."""
    rules = re.sub(r"/\*.*?\*/", "", packaged("style.css"), flags=re.DOTALL)
    selectors = [each.strip() for each in re.findall(r"([^{}]+)\{", rules)]
    plain = [each for each in selectors if not each.startswith(("@", "from", "to"))]
    assert len(plain) > 100
    assert [each for each in plain if not all(re.search(r"\.(ex-|tweakconv)", part) for part in _parts(each))] == []


def _parts(selector):
    """The selectors of a list; commas inside brackets do not part them."""
    return re.split(r",(?![^(]*\))", selector)


def test_a_geometry_shows_itself_as_a_picture():
    svg = tc.ConvGeometry.of((5, 6), 3, strides=2, padding="same")._repr_svg_()
    root = ElementTree.fromstring(svg)
    parts = [element.get("data-part") for element in root.iter()]
    assert parts.count("output") == 3 * 3
    assert parts.count("input") == 5 * 6


@pytest.mark.parametrize("size", [(5, 5, 5), (1000, 1000)])
def test_a_geometry_too_large_for_a_picture_shows_itself_as_text(size):
    assert tc.ConvGeometry.of(size, 3)._repr_svg_() is None


def test_a_plan_shows_itself_as_a_table():
    conv = tc.compile_conv2d(np.ones((3, 3, 2, 4), np.float32), input_shape=(1, 9, 9, 2), strides=2, padding="same")
    table = ElementTree.fromstring(conv._repr_html_().replace("<br>", "<br/>"))
    names = [cell.text for cell in table.iter("th")]
    assert names[0] == "size"
    assert {"padding", "algorithm", "target", "operations", "bytes", "threads"} <= set(names)
    told = "".join(table.itertext())
    for line in conv.explain().splitlines():
        words = (
            line.strip().removeprefix(next((name for name in names if line.strip().startswith(f"{name} ")), "")).strip()
        )
        assert words in told


def test_nothing_of_the_pictures_is_loaded_before_a_notebook_asks(run_python):
    program = """
        import sys
        import tweakconv as tc
        geometry = tc.ConvGeometry.of((5, 5), 3)
        assert not [name for name in sys.modules if name.startswith(("tweakconv.view", "anywidget"))]
        assert geometry._repr_svg_().startswith("<svg")
        assert "anywidget" not in sys.modules and "matplotlib" not in sys.modules
    """
    done = run_python(program)
    assert done.returncode == 0, done.stderr
