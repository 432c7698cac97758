"""Exercises: a question without its answer, and the verdict on an answer. Nothing is kept between the two."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from tweakconv.view import practice
from tweakconv.view.parameters import ParameterError, Parameters, shown
from tweakconv.view.server.answers import in_words, json_answer
from tweakconv.view.server.layers import with_query

_NAMES = ("kind", "level", "seed", "answer")


def exercise_answer(parameters: Parameters) -> Response:
    """A question.

    Raises
    ------
    Refusal
        For a kind or a level that there is not.
    """
    with in_words(_NAMES):
        kind, level, seed = _which(parameters)
        parameters.finish()
        exercise = practice.make_exercise(kind, level, seed)
    return json_answer(with_query(exercise.as_json()))


def verdict_answer(parameters: Parameters) -> Response:
    """Whether an answer is right, and why.

    Raises
    ------
    Refusal
        For an answer that cannot be read, which is not a wrong one.
    """
    with in_words(_NAMES):
        kind, level, seed = _which(parameters)
        answer = _read_json("answer", parameters.text("answer", longest=10_000))
        parameters.finish()
        verdict = practice.check(kind, level, seed, answer)
    return json_answer(with_query(verdict.as_json()))


def _which(parameters: Parameters) -> tuple[str, int, int]:
    names = [entry["kind"] for entry in practice.kinds()]
    kind = parameters.choice("kind", names, names[0])
    return kind, parameters.whole("level", 1, at_least=1, at_most=9), parameters.whole("seed", at_most=2**53)


def _read_json(name: str, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ParameterError(name, f"{name} must be JSON, such as 13 or [0, 2], received {shown(text)}") from None


def _no_constant(word: str) -> float:
    raise ValueError(word)
