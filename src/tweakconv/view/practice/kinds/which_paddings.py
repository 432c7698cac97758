"""Which paddings give this size? Several do, and they need not read the same pixels."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tweakconv.geometry import ConvGeometry
from tweakconv.view.captions import by, printed
from tweakconv.view.practice.exercise import Explanation, Kind, Question, Ruling
from tweakconv.view.practice.forms import Choice
from tweakconv.view.practice.layer_case import LayerCase, Padding, has_output

_NAMES = ("valid", "same", "same_lower", "full")


@dataclass(frozen=True, slots=True)
class PaddingCase:
    """A layer without its padding, some paddings to choose from, and the size that is wanted."""

    layer: LayerCase
    paddings: tuple[Padding, ...]
    wanted: tuple[int, ...]

    def geometry(self, padding: Padding) -> ConvGeometry | None:
        """The layer under a padding; None where it has no output."""
        layer = self.layer.changed(padding=padding)
        return layer.geometry() if has_output(layer) else None

    def right(self) -> frozenset[str]:
        """The letters of the paddings that give the size."""
        return frozenset(
            letter
            for (letter, _), padding in zip(_form(self).options, self.paddings, strict=True)
            if (geometry := self.geometry(padding)) is not None and geometry.output_size == self.wanted
        )


def _draw(level: int, draw: Random) -> PaddingCase | None:
    """Stride 1 first; then stride 2, where 'same' and 1 read different pixels; then dilation and uneven pads."""
    side = draw.randint(8, 40)
    kernel = draw.choice([3, 5, 7] if level == 1 else [2, 3, 4, 5])
    stride = 1 if level == 1 else draw.randint(2, 3) if level == 2 else draw.randint(1, 2)
    rate = draw.randint(2, 3) if level == 3 else 1
    layer = LayerCase((side, side), (kernel, kernel), (stride, stride), dilation_rate=(rate, rate))
    evens: list[Padding] = [((pad, pad),) * 2 for pad in range(1, 5)]
    uneven: list[Padding] = [((lo, hi),) * 2 for lo, hi in ((0, 1), (1, 2), (2, 1), (1, 3))]
    names: list[Padding] = list(_NAMES[:2] if level == 1 else _NAMES)
    pool = names + evens + (uneven if level == 3 else [])
    paddings = tuple(draw.sample(pool, 5 if level > 1 else 4))
    wanted = layer.changed(padding=draw.choice(paddings))
    if not has_output(wanted):
        return None
    case = PaddingCase(layer, paddings, wanted.geometry().output_size)
    return case if 0 < len(case.right()) < len(paddings) - 1 else None


def _form(case: PaddingCase) -> Choice:
    return Choice.of([f"padding={_code(padding)}" for padding in case.paddings], code=True)


def _code(padding: Padding) -> str:
    if isinstance(padding, str):
        return f'"{padding}"'
    lo, hi = padding[0]
    return str(lo) if lo == hi else str(padding)


def _ask(case: PaddingCase) -> Question[frozenset[str]]:
    given = (*case.layer.given(without=("padding",)), ("output", by(case.wanted)))
    return Question(
        "Which of these paddings give an output of this size? A number pads every side.", _form(case), given
    )


def _judge(case: PaddingCase, answer: frozenset[str]) -> Ruling:
    right = case.right()
    if answer == right:
        return Ruling(True)
    labels, paddings = dict(_form(case).options), dict(zip(dict(_form(case).options), case.paddings, strict=True))
    for letter in sorted(answer - right):
        geometry = case.geometry(paddings[letter])
        if geometry is None:
            return Ruling(False, f"{labels[letter]} leaves no output: the window does not fit.", "no_output")
        hint = f"{labels[letter]} gives {by(geometry.output_size)}: {printed(geometry.axes[0].formula())}."
        return Ruling(False, hint, "wrong_size")
    missed = sorted(right - answer)
    count = len(missed)
    return Ruling(False, f"{'One more gives' if count == 1 else f'{count} more give'} this size too.", "missed")


def _explain(case: PaddingCase, answer: frozenset[str] | None) -> Explanation:
    sentences, pads = [], set()
    shown = case.layer
    for (letter, label), padding in zip(_form(case).options, case.paddings, strict=True):
        geometry = case.geometry(padding)
        if geometry is None:
            sentences.append(f"{label}: the window does not fit, there is no output.")
            continue
        sentences.append(f"{label}: {printed(geometry.axes[0].formula())}.")
        if letter in case.right():
            pads.add(geometry.pads)
            shown = case.layer.changed(padding=padding)
    if len(pads) > 1:
        sentences.append("Those of the right size pad differently, so they do not read the same pixels.")
    solution = ", ".join(label for letter, label in _form(case).options if letter in case.right())
    return Explanation(tuple(sentences), solution, shown.state())


def _solve(case: PaddingCase) -> list[str]:
    return sorted(case.right())


KIND: Kind[PaddingCase, frozenset[str]] = Kind(
    "which_paddings",
    "Which paddings give this size?",
    "Tell 'same', 'valid' and numbers apart, at stride 1 and beyond.",
    _draw,
    _ask,
    _judge,
    _explain,
    _solve,
)
