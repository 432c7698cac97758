"""Get from one size to another: pick strides, padding and dilation. Whatever reaches the size is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tweakconv.geometry import AxisGeometry
from tweakconv.inverse import find_geometries
from tweakconv.view.captions import by, printed
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Field, Numbers
from tweakconv.view.practice.layer_case import LayerCase
from tweakconv.view.practice.words import size_sentences

_STRIDES = Field("strides", "strides", 1, 16)
_PADDING = Field("padding", "zeros on every side", 0, 8)
_RATE = Field("dilation_rate", "dilation rate", 1, 12)
_FIELDS = {1: (_STRIDES, _PADDING), 2: (_STRIDES, _RATE), 3: (_STRIDES, _PADDING, _RATE)}


@dataclass(frozen=True, slots=True)
class GoalCase:
    """Sizes along each side of a square, a kernel, and what is to be found at a level."""

    size: int
    goal: int
    kernel: int
    level: int

    def layer(self, answer: dict[str, int]) -> LayerCase:
        """The layer that an answer makes."""
        pad = answer.get("padding", 0)
        return LayerCase(
            (self.size, self.size),
            (self.kernel, self.kernel),
            (answer["strides"],) * 2,
            ((pad, pad), (pad, pad)),
            (answer.get("dilation_rate", 1),) * 2,
        )

    def geometries(self) -> Iterator[AxisGeometry]:
        """All that reach the goal within the bounds of the fields, the plainest first."""
        found = find_geometries(
            self.size,
            self.goal,
            kernel_size=self.kernel,
            strides=range(_STRIDES.least, _STRIDES.most + 1),
            padding=range(_PADDING.least, _PADDING.most + 1) if self.level != 2 else 0,
            dilation_rate=range(_RATE.least, _RATE.most + 1) if self.level > 1 else 1,
        )
        return (axis for axis in found if _missing(self, axis) is None)


def _draw(level: int, draw: Random) -> GoalCase | None:
    """Strides and padding; then strides and dilation; then all three, with conditions."""
    kernel, stride = draw.randint(2 if level == 1 else 3, 5), draw.randint(1, 4)
    pad, rate = draw.randint(0, 3) if level != 2 else 0, draw.randint(2, 5) if level > 1 else 1
    try:
        axis = AxisGeometry(draw.choice([28, draw.randint(12, 40)]), kernel, stride, rate, pad, pad)
    except ValueError:
        return None
    case = GoalCase(axis.input, axis.output, kernel, level)
    # From a size to itself, or to next to nothing, is no question.
    return case if 3 <= axis.output < axis.input and _missing(case, axis) is None else None


def _missing(case: GoalCase, axis: AxisGeometry) -> str | None:
    """What a layer of the right size still lacks; None where it lacks nothing."""
    if case.level > 1 and axis.dilation == 1:
        return "The size is right, but the dilation rate must be above 1."
    if case.level > 2 and len(axis.unread()):
        return f"The size is right, but not every pixel is read. {axis.unread().explain()}"
    return None


def _ask(case: GoalCase) -> Question[dict[str, int]]:
    condition = {
        1: "",
        2: " The dilation rate must be above one.",
        3: " The dilation rate must be above one, and every pixel must be read.",
    }[case.level]
    given = [("input", by((case.size, case.size))), ("output", by((case.goal, case.goal)))]
    given.append(("kernel", by((case.kernel, case.kernel))))
    given += [("padding", "valid")] if case.level == 2 else []
    what = {1: "strides and padding", 2: "strides and a dilation rate", 3: "strides, padding and a dilation rate"}
    text = f"Find {what[case.level]} that give this output.{condition} Any that do are right."
    return Question(text, Numbers(_FIELDS[case.level]), tuple(given))


def _judge(case: GoalCase, answer: dict[str, int]) -> Ruling:
    try:
        geometry = case.layer(answer).geometry()
    except ValueError as error:
        return Ruling(False, f"There is no output: {str(error).removeprefix('axis 0 (height): ')}.", "no_output")
    axis = geometry.axes[0]
    if axis.output == case.goal:
        lacking = _missing(case, axis)
        return Ruling(True) if lacking is None else Ruling(False, lacking, "condition")
    if axis.output - 1 == case.goal:
        counted = " If you reckoned with it, you forgot the window at the start, which takes no step."
    else:
        counted = ""
    way = (
        "larger strides or dilation"
        if axis.output > case.goal
        else "smaller strides, a smaller dilation or more padding"
    )
    formula = printed(axis.formula())
    return Ruling(
        False,
        f"That gives {axis.output}: {formula}.{counted} For {case.goal}, try {way}.",
        "no_plus_one" if counted else "wrong_size",
    )


def _explain(case: GoalCase, answer: dict[str, int] | None) -> Explanation:
    chosen = answer or _solve(case)
    layer = case.layer(chosen)
    geometry = layer.geometry()
    others = sum(1 for _ in case.geometries())
    sentences = [*size_sentences(geometry)]
    if others > 1:
        sentences.append(f"Within the bounds of the fields {others} settings do that.")
    words = ", ".join(f"{field.label} {chosen[field.name]}" for field in _FIELDS[case.level])
    return Explanation(tuple(sentences), words, layer.state())


def _solve(case: GoalCase) -> dict[str, int]:
    axis = next(case.geometries())
    values = {"strides": axis.stride, "padding": axis.pad_lo, "dilation_rate": axis.dilation}
    return {field.name: values[field.name] for field in _FIELDS[case.level]}


KIND: Kind[GoalCase, dict[str, int]] = Kind(
    "reach_size",
    "Get from one size to another",
    "Pick the tweaks that turn one size into another, such as 28 into 10.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
