"""What holds for every kind of exercise: a right answer is accepted, others are refused, and none is told before."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tweakconv.view.layers import many_layers
from tweakconv.view.practice import LEVELS, check, kinds, make_exercise, solve
from tweakconv.view.practice.deck import deck_of
from tweakconv.view.practice.service import KINDS
from tweakconv.view.scene import make_scene
from tweakconv.view.state import LayerState

NAMES = [kind["kind"] for kind in kinds()]
SEEDS = st.integers(0, 2**53)

#: What a question may tell: what it takes to answer it. "output" is a place, or the size that is to be reached.
TWEAKS = {"input", "kernel", "strides", "padding", "dilation rate"}
FACTS = {
    "output_size": TWEAKS,
    "keep_size": TWEAKS - {"padding"},
    "reads": TWEAKS | {"output"},
    "reach_size": {"input", "kernel", "output", "padding"},
    "wrong_line": set(),
    "value": TWEAKS | {"output"},
    "which_paddings": (TWEAKS | {"output"}) - {"padding"},
    "same_pads": TWEAKS,
    "field": {f"layer {number}" for number in range(1, 5)},
    "parameters": TWEAKS | {"input channels", "output channels", "groups", "bias"},
    "unread": TWEAKS,
    "who_reads": TWEAKS | {"pixel"},
    "transposed": TWEAKS | {"output padding"},
}

every_level = pytest.mark.parametrize("level", LEVELS)
every_kind = pytest.mark.parametrize("kind", NAMES)


class RunPython(Protocol):
    """As `tests/conftest.py` gives it."""

    def __call__(self, program: str, *arguments: str, **environment: str) -> Any: ...


def wrong_answers(form: dict[str, Any], right: Any, draw: Any) -> Any:
    """An answer of the form that is not the one given; it may be another right one."""
    match form["form"]:
        case "numbers":
            field = draw(st.sampled_from(form["fields"]))
            value = right[field["name"]] + draw(st.integers(-3, 3))
            return right | {field["name"]: min(max(value, field["least"]), field["most"])}
        case "choice":
            return sorted(draw(st.sets(st.sampled_from([option["value"] for option in form["options"]]))))
        case "cells":
            cell = st.tuples(st.integers(0, form["rows"] - 1), st.integers(0, form["columns"] - 1)).map(list)
            return draw(st.lists(cell, max_size=6))
        case _:
            return draw(st.integers(1, len(form["lines"])))


@every_kind
@every_level
@settings(max_examples=8)
@given(seed=SEEDS)
def test_there_is_a_right_answer_and_it_is_accepted(kind: str, level: int, seed: int) -> None:
    verdict = check(kind, level, seed, solve(kind, level, seed))
    told = verdict.as_json()
    assert verdict.right
    assert told["hint"] is None
    assert told["mistake"] is None
    assert told["explanation"]
    assert told["solution"]


@every_kind
@every_level
@settings(max_examples=15)
@given(data=st.data())
def test_whatever_is_refused_is_refused_with_a_hint_and_explained(kind: str, level: int, data: st.DataObject) -> None:
    seed = data.draw(SEEDS)
    form = make_exercise(kind, level, seed).as_json()["answer"]
    told = check(kind, level, seed, wrong_answers(form, solve(kind, level, seed), data.draw)).as_json()
    assert told["right"] == (told["hint"] is None)
    assert told["explanation"]
    assert json.loads(json.dumps(told)) == told


@every_kind
@every_level
@settings(max_examples=5)
@given(seed=SEEDS)
def test_the_explanation_can_be_drawn(kind: str, level: int, seed: int) -> None:
    """By a state that the explorer takes, at an output there is, or by a chain in which every layer has an output."""
    told = check(kind, level, seed, solve(kind, level, seed)).as_json()
    assert (told["state"] is None) != (told["layers"] is None)
    if told["state"] is not None:
        state = LayerState.from_query(LayerState.of(told["state"]).query())
        scene = make_scene(state.geometry(), seed=state.seed)
        assert told["step"] is None or 0 <= told["step"] == state.step < scene.steps
    else:
        answer = many_layers(**told["layers"])
        assert answer["error"] is None
        assert len(answer["layers"]) == len(told["layers"]["layers"])


@every_kind
@every_level
def test_no_question_is_asked_twice_before_all_have_been(kind: str, level: int) -> None:
    count = len(deck_of(KINDS[kind], level))
    assert count >= 200
    first = 2**31 - count // 2  # anywhere, across the end of the deck
    questions = {
        json.dumps(make_exercise(kind, level, seed).as_json() | {"seed": None}) for seed in range(first, first + count)
    }
    assert len(questions) == count


@every_kind
def test_levels_ask_different_questions(kind: str) -> None:
    decks = [set(deck_of(KINDS[kind], level)) for level in LEVELS]
    assert not decks[0] & decks[2]


@every_kind
@every_level
def test_the_way_to_answer_does_not_tell_the_answer(kind: str, level: int) -> None:
    """Bounds are the same for every question, and no option or line is always the right one."""
    exercises = [make_exercise(kind, level, seed).as_json() for seed in range(60)]
    assert all(set(exercise) == set(exercises[0]) for exercise in exercises)
    assert set(exercises[0]) == {"kind", "level", "seed", "title", "question", "given", "code", "state", "answer"}
    # A drawing shows the size of the output, and what is not read.
    drawn = kind in ("reads", "who_reads")
    assert all((exercise["state"] is not None) == drawn for exercise in exercises)
    answers = Counter(json.dumps(solve(kind, level, seed)) for seed in range(60))
    assert answers.most_common(1)[0][1] < 45
    if exercises[0]["answer"]["form"] == "numbers":
        assert len({json.dumps(exercise["answer"]) for exercise in exercises}) <= 3


@every_kind
@every_level
@settings(max_examples=10)
@given(seed=SEEDS)
def test_a_question_says_its_facts_and_no_other_number(kind: str, level: int, seed: int) -> None:
    exercise = make_exercise(kind, level, seed).as_json()
    assert not re.search(r"\d", exercise["question"] + exercise["title"])
    assert {name for name, _ in exercise["given"]} <= FACTS[kind]


def test_a_question_is_the_same_in_every_process(run_python: RunPython) -> None:
    program = """
        import json
        from tweakconv.view.practice import kinds, make_exercise
        print(json.dumps([make_exercise(kind["kind"], 2, 4711).as_json() for kind in kinds()]))
    """
    found = [run_python(program, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert found[0].stdout == found[1].stdout, found[0].stderr
    assert json.loads(found[0].stdout) == [make_exercise(kind, 2, 4711).as_json() for kind in NAMES]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nothing", 1, 0), "kind must be one of"),
        (("reads", 4, 0), "level must be one of 1, 2, 3"),
        (("reads", 1, -1), "seed must be at least 0"),
    ],
)
def test_what_there_is_not_is_refused_by_name(arguments: tuple[str, int, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make_exercise(*arguments)


@pytest.mark.parametrize("answer", [None, 13, "13", [], {}, {"height": 13}, {"height": 13, "width": 13, "depth": 1}])
def test_what_is_no_answer_is_an_error_and_not_a_wrong_one(answer: object) -> None:
    with pytest.raises(ValueError, match="the answer needs height and width"):
        check("output_size", 1, 0, answer)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("output_size", {"height": 1.5, "width": 1}),
        ("output_size", {"height": True, "width": 1}),
        ("output_size", {"height": None, "width": 1}),
        ("output_size", {"height": 0, "width": 1}),
        ("output_size", {"height": 10**9, "width": 1}),
        ("reads", [[0]]),
        ("reads", [[0, 99]]),
        ("reads", [[-1, 0]]),
        ("reads", [["0", 0]]),
        ("reads", {"0": 0}),
        ("which_paddings", "a"),
        ("which_paddings", ["z"]),
        ("which_paddings", [1]),
        ("wrong_line", 0),
        ("wrong_line", 99),
        ("wrong_line", "3"),
    ],
)
def test_answers_of_another_form_are_errors_in_words(kind: str, answer: object) -> None:
    with pytest.raises((ValueError, TypeError), match=r"received|must"):
        check(kind, 1, 0, answer)


@every_kind
@settings(max_examples=20)
@given(
    answer=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_json_is_an_answer_or_an_error_in_words(kind: str, answer: object) -> None:
    with contextlib.suppress(ValueError, TypeError):
        verdict = check(kind, 2, 7, answer)
        assert verdict.right == (verdict.ruling.hint is None)
