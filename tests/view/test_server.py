"""The server answers with what the geometry says, and refuses in words, whatever it is asked."""

from __future__ import annotations

import json
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tweakconv.geometry import ConvGeometry
from tweakconv.receptive_fields import receptive_field
from tweakconv.view import practice
from tweakconv.view.drawing import draw, stylesheet
from tweakconv.view.limits import LIMITS
from tweakconv.view.scene import make_scene
from tweakconv.view.server.body import FORM_BYTES
from tweakconv.view.state import LayerState

#: Answers of every form: right for some exercise, wrong for most, and no answer at all for others.
_ANSWERS = [7, "a", "b", ["a", "c"], [], {"height": 3, "width": 3}, [[0, 0], [1, 2]], None, {}, 1e300, True, "x" * 99]


def asked(client, path, **parameters):
    """The JSON of an answer that must be right."""
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "input_size=7x5&kernel_size=3x2&strides=2x1&padding=1:0,2:3&seed=9",
        "input_size=11&kernel_size=4&dilation_rate=2&padding=causal",
        "input_size=4x3&kernel_size=3&strides=2&transposed=1&padding=same&output_padding=0x1",
        "input_size=6x7&padding=2&padding_mode=reflect&in_channels=4&out_channels=6&groups=2&output_channel=4",
        "padding=full&padding_mode=constant&pad_value=-2.5&input_edits=0.3:7,4.4:-1&kernel_edits=2.1:0.5&view=flat",
        "input_size=64x64&kernel_size=3&padding=same",
    ],
)
def test_a_scene_is_the_one_that_is_made_from_the_same_geometry(client, query):
    answer = client.get(f"/api/scene?{query}").json()
    state = LayerState.from_query(query)
    scene = make_scene(
        state.geometry(),
        seed=state.seed,
        input_edits=state.input_edits,
        kernel_edits=state.kernel_edits,
        padding_mode=state.padding_mode,
        pad_value=state.pad_value,
        output_channel=state.output_channel,
    )
    assert answer["scene"] == json.loads(json.dumps(scene.as_json()))
    assert answer["svg"] == draw(scene, view=state.view, theme=state.theme, style=False)
    assert answer["query"] == state.query()
    assert answer["state"] == json.loads(json.dumps(state.as_json()))
    assert answer["warnings"] == answer["scene"]["warnings"]
    assert list(answer["code"]) == ["keras", "pytorch", "jax", "onnx", "tweakconv"]
    assert client.get(f"/api/scene?{answer['query']}").json() == answer


def test_the_values_that_a_person_edited_are_those_that_are_convolved(client):
    plain = asked(client, "/api/scene", seed=4)["scene"]
    edits = {"input_edits": "2.2:50", "kernel_edits": "1.1:-3"}
    scene = asked(client, "/api/scene", seed=4, **edits)["scene"]
    inputs, kernel = np.array(plain["input"]["values"]), np.array(plain["kernel"]["values"])
    inputs[2, 2], kernel[1, 1] = 50, -3
    sums = [[(inputs[y : y + 3, x : x + 3] * kernel).sum() for x in range(3)] for y in range(3)]
    assert scene["output"]["values"] == sums


def test_edits_that_are_too_many_for_an_address_go_as_a_form(client):
    cells = ",".join(f"{row}.{column}:{row * 64 + column}" for row in range(64) for column in range(64))
    form = {"input_size": "64x64", "kernel_size": "1", "input_edits": cells}
    answer = client.post("/api/scene", data=form)
    assert answer.status_code == 200, answer.text
    assert answer.json()["scene"]["input"]["values"] == np.arange(4096).reshape(64, 64).tolist()


def test_a_form_means_what_the_same_address_means(client):
    query = "strides=2&padding=1:2,0:3&input_edits=0.3:7"
    by_form = client.post(
        "/api/scene", content=query, headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    )
    assert by_form.json() == client.get(f"/api/scene?{query}").json()


@pytest.mark.parametrize(
    ("path", "argument", "words"),
    [
        ("/api/scene?strides=0", "strides", "at least 1, received 0"),
        ("/api/scene?kernel_size=9", "kernel_size", "there is no output"),
        ("/api/scene?dilation_rate=3", "kernel_size", "spans 7 pixels"),
        ("/api/scene?groups=2", "groups", "divide"),
        ("/api/scene?output_channel=1", "output_channel", "below 1"),
        ("/api/scene?pad_value=3", "pad_value", "'constant'"),
        ("/api/scene?nothing=1", "nothing", "there is no parameter"),
        ("/api/kernel?kernel=sobel", "kernel", "did you mean"),
        ("/api/export?format=exe", "format", "svg"),
        ("/api/export?format=svg&strides=-1", "strides", "at least 1"),
        ("/api/about?x=1", "x", "there is no parameter"),
    ],
)
def test_errors_name_the_parameter_and_say_what_would_be_right(client, path, argument, words):
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.json()["argument"] == argument
    assert words in answer.json()["error"]


def test_what_there_is_to_choose_from_is_what_the_package_has(client):
    about = asked(client, "/api/about")
    assert about["limits"] == LIMITS._asdict()
    assert "causal" in about["paddings"]
    assert {"name": "sobel-x", "rows": 3, "sum": 0.0}.items() <= next(
        kernel for kernel in about["kernels"] if kernel["name"] == "sobel-x"
    ).items()
    for kernel in about["kernels"]:
        assert asked(client, "/api/kernel", kernel=kernel["name"])["weights"] == kernel["weights"]


def test_a_kernel_is_divided_by_its_sum_where_that_is_asked_for(client):
    told = asked(client, "/api/kernel", kernel="1 2; 3 4", normalize="1")
    assert (told["weights"], told["sum"]) == ([[0.1, 0.2], [0.3, 0.4]], 1.0)


def test_a_chain_is_told_layer_by_layer(client):
    answer = client.get("/api/layers?input_size=28x30&layer=3x3+s2+same&layer=3+d2&layer=2x3+1:0,0:2&output=2x4").json()
    assert [layer["output_size"] for layer in answer["layers"]] == [[14, 15], [10, 11], [10, 11]]
    field = receptive_field(
        [
            {"kernel_size": (3, 3), "strides": 2, "padding": "same"},
            {"kernel_size": (3, 3), "dilation_rate": 2},
            {"kernel_size": (2, 3), "padding": ((1, 0), (0, 2))},
        ],
        input_size=(28, 30),
    )
    assert answer["layers"][-1]["field"] == list(field.size)
    assert answer["output"] == [2, 4]
    assert answer["query"] == "input_size=28x30&layer=3+s2+same&layer=3+d2&layer=2x3+1:0,0:2&output=2x4"
    assert ElementTree.fromstring(answer["svg"]).tag.endswith("svg")


def test_a_chain_that_ends_early_is_no_bad_request(client):
    """While somebody edits one layer, the others are still to be seen."""
    answer = client.get("/api/layers?input_size=8x8&layer=5&layer=5")
    assert answer.status_code == 200
    assert len(answer.json()["layers"]) == 1
    assert answer.json()["error"]["layer"] == 2


@pytest.mark.parametrize(
    ("query", "argument", "words"),
    [
        ("layer=3+s0", "layer", "at least 1"),
        ("layer=3+sam", "layer", "padding must be"),
        ("layer=", "layer", "begin with the size"),
        ("input_size=0x4", "input_size", "at least 1"),
        ("input_size=10001x4", "input_size", "at most 10000"),
        ("layer=3&output=99x0", "output", "output must lie within"),
        ("layers=3", "layers", "there is no parameter"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused_in_words(client, query, argument, words):
    answer = client.get(f"/api/layers?{query}")
    assert (answer.status_code, answer.json()["argument"]) == (400, argument)
    assert words in answer.json()["error"]


@pytest.mark.parametrize("number", range(len(practice.kinds())))
def test_an_exercise_is_asked_without_its_answer_and_judged_without_being_kept(client, number):
    kind = practice.kinds()[number]
    which = {"kind": kind["kind"], "level": kind["levels"][number % len(kind["levels"])], "seed": 7 + number}
    question = asked(client, "/api/exercise", **which)
    exercise = practice.make_exercise(**which)
    assert question == json.loads(json.dumps(exercise.as_json())) | {"query": question["query"]}
    assert not {"solution", "explanation", "right"} & set(question)
    for answer in _ANSWERS:
        told = client.get("/api/exercise/check", params={**which, "answer": json.dumps(answer)})
        try:
            verdict = practice.check(**which, answer=answer)
        except (ValueError, TypeError):
            assert told.status_code == 400
            assert told.json()["argument"] in (None, "answer")
            continue
        shown = told.json().pop("query")
        assert told.json() == json.loads(json.dumps(verdict.as_json())) | {"query": shown}
        if shown is not None:
            assert client.get(f"/api/scene?{shown}").status_code == 200


@pytest.mark.parametrize(
    ("query", "argument"),
    [("kind=riddle", "kind"), ("level=0", "level"), ("level=10", "level"), ("seed=-1", "seed"), ("seed=x", "seed")],
)
def test_an_exercise_that_there_is_not_is_refused(client, query, argument):
    for path in ("/api/exercise", "/api/exercise/check"):
        answer = client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["argument"]) == (400, argument)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 5000, "Infinity", "1 2"])
def test_an_answer_that_is_no_json_is_refused(client, text):
    answer = client.get("/api/exercise/check", params={"answer": text})
    assert (answer.status_code, answer.json()["argument"]) == (400, "answer")


# The page and its files


def test_the_page_and_its_files_are_served_with_their_types(client):
    page = client.get("/?tab=layer&strides=2")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<html lang" in page.text
    assert client.get("/static/drawing.css").text == stylesheet()
    script = client.get("/static/player.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/static/player.js", headers={"if-none-match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_file_that_the_page_names_is_served_and_none_is_elsewhere(client):
    page = client.get("/").text
    named = [part.split('"')[0] for attribute in ('src="', 'href="') for part in page.split(attribute)[1:]]
    files = [name for name in named if not name.startswith("#") and name != "/"]
    assert files
    for name in files:
        assert name.startswith("/static/")
        assert client.get(name).status_code == 200, name


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/nothing.js",
        "/static/../state.py",
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/__init__.py",
        "/static//etc/passwd",
        "/static/C:%5CWindows%5Cwin.ini",
        "/static/player.js%00.css",
        "/favicon.ico",
        "/api",
        "/api/",
        "/api/pictures/x/y",
    ],
)
def test_what_is_not_in_the_table_is_not_found(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 405)
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("PUT", "/api/scene"),
        ("DELETE", "/api/picture"),
        ("GET", "/api/pictures"),
        ("PATCH", "/static/player.js"),
    ],
)
def test_other_methods_are_refused_with_those_that_there_are(client, method, path):
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"]
    assert method in answer.json()["error"]


# Forms


@pytest.mark.parametrize(
    ("content", "kind", "path", "status"),
    [
        (b"strides=2", "text/plain", "/api/scene", 415),
        (b'{"strides": 2}', "application/json", "/api/scene", 415),
        (b"strides=2", None, "/api/scene", 415),
        (b"strides=2", "application/x-www-form-urlencoded", "/api/scene?seed=1", 400),
        ("strides=é".encode(), "application/x-www-form-urlencoded", "/api/scene", 400),
        (b"strides=%ff", "application/x-www-form-urlencoded", "/api/scene", 400),
        (b"seed=" + b"1" * FORM_BYTES, "application/x-www-form-urlencoded", "/api/scene", 413),
    ],
)
def test_a_body_that_is_no_form_is_refused(client, content, kind, path, status):
    answer = client.post(path, content=content, headers={"content-type": kind} if kind else {})
    assert answer.status_code == status
    assert answer.json()["error"]


# Whatever it is asked

_NAMES = [
    *LayerState.__dataclass_fields__, "layer", "output", "kernel", "picture", "value_range", "flip", "grey",
    "normalize", "format", "still", "kind", "level", "answer", "tab",
]  # fmt: skip
_PATHS = [
    "/api/about", "/api/scene", "/api/layers", "/api/exercise", "/api/exercise/check", "/api/kernel", "/api/picture",
    "/api/export",
]  # fmt: skip
_TEXTS = st.one_of(
    st.integers(-2, 70).map(str),
    st.integers().map(str),
    st.lists(st.integers(-3, 70), min_size=1, max_size=3).map(lambda sizes: "x".join(map(str, sizes))),
    st.lists(st.tuples(st.integers(-3, 9), st.integers(-3, 9)), min_size=1, max_size=3).map(
        lambda pairs: ",".join(f"{lo}:{hi}" for lo, hi in pairs)
    ),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(-99, 99)), max_size=3).map(
        lambda edits: ",".join("{}.{}:{}".format(*edit) for edit in edits)
    ),
    st.sampled_from(
        ["valid", "same", "full", "causal", "reflect", "wrap", "constant", "flat", "dark", "svg", "png", "stretch",
         "sobel-x", "gaussian:7", "1 2; 3 4", "1/0", "1e999", "sample:relief", "3 s2 same", "3x3 d2 1:0,2:1", "null",
         "[[0, 1]]", '{"height": 3}', "NaN", "-0", "0x", "٣", "²", "1_0", " 3 ", "\x00", "../x", "[" * 3000]
    ),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=400)
@given(
    path=st.sampled_from(_PATHS),
    parameters=st.lists(st.tuples(st.sampled_from(_NAMES) | st.text(max_size=8), _TEXTS), max_size=5),
    by_form=st.booleans(),
)
def test_no_request_breaks_the_server(client, path, parameters, by_form):
    """A failure inside the application is raised here; whatever is refused is refused in words."""
    if path == "/api/export":  # animations of large layers have tests of their own
        parameters = [
            ("format", "svg"),
            ("still", "1"),
            *((n, t) for n, t in parameters if n not in ("format", "still")),
        ]
    data = {name: [text for other, text in parameters if other == name] for name, _ in parameters}
    answer = client.post(path, data=data) if by_form else client.get(path, params=parameters)
    assert answer.status_code < 500
    if answer.status_code != 200:
        told = answer.json()
        assert 400 <= answer.status_code < 500
        assert isinstance(told["error"], str)
        assert len(told["error"]) > 10
        assert told["argument"] is None or isinstance(told["argument"], str)


_SIZES = st.lists(st.integers(1, 14), min_size=1, max_size=2).map(lambda sizes: "x".join(map(str, sizes)))
_SMALL = st.lists(st.integers(1, 4), min_size=1, max_size=2).map(lambda sizes: "x".join(map(str, sizes)))
_PADS = st.lists(st.tuples(st.integers(-4, 9), st.integers(-4, 9)), min_size=1, max_size=2).map(
    lambda pairs: ",".join(f"{lo}:{hi}" for lo, hi in pairs)
)
_PADDINGS = _PADS | st.sampled_from(["valid", "same", "same_lower", "full", "causal", "2", "1,0"])
_COUNTS = st.integers(1, 6).map(str)
_PLAUSIBLE = {
    "input_size": _SIZES,
    "kernel_size": _SMALL,
    "strides": _SMALL,
    "dilation_rate": _SMALL,
    "padding": _PADDINGS,
    "padding_mode": st.sampled_from(["zeros", "constant", "reflect", "symmetric", "edge", "wrap"]),
    "pad_value": st.sampled_from(["0", "-1.5", "999999"]),
    "transposed": st.sampled_from(["0", "1"]),
    "output_padding": _SMALL,
    "in_channels": _COUNTS,
    "out_channels": _COUNTS,
    "groups": _COUNTS,
    "output_channel": _COUNTS,
    "input_channel": _COUNTS,
    "input_edits": st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-99, 99)).map(
        lambda edit: "{}.{}:{}".format(*edit)
    ),
    "view": st.sampled_from(["tilted", "flat"]),
    "step": st.integers(0, 30).map(str),
}


@settings(max_examples=400)
@given(parameters=st.fixed_dictionaries({}, optional=_PLAUSIBLE), export=st.booleans())
def test_layers_that_somebody_might_ask_for_are_drawn_or_refused(client, parameters, export):
    drawn = client.get("/api/scene", params=parameters)
    assert drawn.status_code in (200, 400)
    if drawn.status_code == 400:
        assert drawn.json()["argument"] in LayerState.__dataclass_fields__
        return
    answer = drawn.json()
    state = LayerState.from_query(answer["query"])
    assert answer["scene"]["facts"]["output_size"] == list(state.geometry().output_size)
    ElementTree.fromstring(answer["svg"])
    if export:
        assert client.get("/api/export", params=parameters | {"still": "1"}).status_code == 200


@settings(max_examples=200)
@given(
    kernel=st.sampled_from(["sobel-x", "gaussian:4", "motion:5,30", "1 2; 3 -4; 0 1", "unsharp", "1e30", "-0.0"]),
    tweaks=st.fixed_dictionaries(
        {},
        optional={
            "strides": _SMALL,
            "dilation_rate": _SMALL | st.sampled_from(["128", "60x1"]),
            "padding": _PADDINGS | st.sampled_from(["1024", "-200", "-171:-172,0:0"]),
            "padding_mode": st.sampled_from(["zeros", "reflect", "symmetric", "edge", "wrap"]),
            "value_range": st.sampled_from(["auto", "clip", "abs", "stretch", "midgrey"]),
            "flip": st.sampled_from(["0", "1"]),
            "grey": st.sampled_from(["0", "1"]),
            "normalize": st.sampled_from(["0", "1"]),
        },
    ),
)
def test_filters_that_somebody_might_ask_for_are_computed_or_refused(client, kernel, tweaks):
    answer = client.get("/api/picture", params={"picture": "sample:relief", "kernel": kernel, **tweaks})
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        facts = json.loads(answer.headers["tweakconv-result"])
        assert len(answer.content) == 4 * facts["height"] * facts["width"]
    else:
        assert answer.json()["argument"] is not None


@settings(max_examples=200)
@given(
    path=st.text(max_size=30),
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE"]),
    body=st.binary(max_size=50),
)
def test_no_path_breaks_the_server(client, path, method, body):
    answer = client.request(method, "/" + quote(path), content=body)
    assert answer.status_code < 500


def test_a_scene_of_the_largest_size_is_drawn(client):
    side = LIMITS.input_size - 30
    assert ConvGeometry.of((side, side), 3, padding="same").output_size == (side, side)
    answer = client.get(f"/api/scene?input_size={side}x{side}&padding=same&view=flat")
    assert answer.status_code == 200
    assert len(answer.json()["scene"]["row_taps"]) == side
