"""What an exercise is: a kind with its cases, a question without its answer, and a verdict on an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar

from tweakconv.view.practice.forms import Form

Case = TypeVar("Case")
Answer = TypeVar("Answer")
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question(Generic[Answer]):
    """What is asked.

    Attributes
    ----------
    text
        The question.
    form
        How it is answered.
    given
        The facts, each with its name.
    code
        Lines of code that it is about.
    state
        A layer to draw beside it, at rest.
    """

    text: str
    form: Form[Answer]
    given: tuple[tuple[str, str], ...] = ()
    code: tuple[str, ...] | None = None
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether an answer is right; where it is not, the particular mistake, as a word and as a hint."""

    right: bool
    hint: str | None = None
    mistake: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole way to an answer.

    Attributes
    ----------
    sentences
        With the numbers.
    solution
        One right answer, in words.
    state, step
        The layer that shows it, and the output to begin at; None plays from the start.
    layers
        A chain that shows it, as `tweakconv.view.layers.many_layers` takes it.
    """

    sentences: tuple[str, ...]
    solution: str
    state: State | None = None
    step: int | None = None
    layers: State | None = None


@dataclass(frozen=True, slots=True)
class Kind(Generic[Case, Answer]):
    """A kind of exercise.

    Attributes
    ----------
    name, title, about
        What it is called in an address, on a page, and in a sentence.
    draw
        A case of a level, from a random generator; None where the draw makes no good case. Cases are values: two
        that are equal are the same question.
    ask, judge, explain
        The question of a case, the ruling on an answer, and the way to one; `explain` is given the answer where it
        is a right one, to explain that.
    solve
        A right answer, as JSON has it.
    """

    name: str
    title: str
    about: str
    draw: Callable[[int, Random], Case | None]
    ask: Callable[[Case], Question[Answer]]
    judge: Callable[[Case, Answer], Ruling]
    explain: Callable[[Case, Answer | None], Explanation]
    solve: Callable[[Case], Any]


@dataclass(frozen=True, slots=True)
class Exercise:
    """A question of a kind, a level and a seed; it does not hold its answer."""

    kind: str
    level: int
    seed: int
    title: str
    question: Question[Any]

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `tweakconv.view.practice` says."""
        question = self.question
        return {
            "kind": self.kind,
            "level": self.level,
            "seed": self.seed,
            "title": self.title,
            "question": question.text,
            "given": [list(fact) for fact in question.given],
            "code": None if question.code is None else list(question.code),
            "state": question.state,
            "answer": question.form.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling on an answer, with the explanation."""

    ruling: Ruling
    explanation: Explanation

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.ruling.right

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `tweakconv.view.practice` says."""
        ruling, explanation = self.ruling, self.explanation
        state, step = explanation.state, explanation.step
        if state is not None and step is not None:
            state = {**state, "step": step}
        return {
            "right": ruling.right,
            "headline": "Right." if ruling.right else "Not quite.",
            "hint": ruling.hint,
            "mistake": ruling.mistake,
            "explanation": list(explanation.sentences),
            "solution": explanation.solution,
            "state": state,
            "step": step,
            "layers": explanation.layers,
        }
