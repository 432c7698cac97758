"""What was measured of whole models, as lines and as a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from model_contenders import COMPILED, EAGER, IN_KERAS, KERAS, OURS
from tweakconv.bench.networks import Network

_ABOUT = """\
# Whole models

Networks with random weights, in inference with one image and as training steps (forward, backward and a step of SGD
with momentum), in float32. Made by `make models`; `python benchmarks/models.py` measures the same on your machine.

Measured on: {setting}.

- **ours**: `tweakconv.torch.accelerate(model)`, given contiguous tensors in inference, channels_last ones in training.
- **eager** is PyTorch in the faster of its two memory formats, **compiled** `torch.compile(model)` as it comes.
- **Keras** has the same weights, in channels_last, and is called by `predict_on_batch` and `train_on_batch`: arrays in
  and out. On JAX that is one compiled program. **accelerated** is `tweakconv.keras.accelerate(model)`, called alike.
- Times are milliseconds, medians of the rounds. A ratio is the other's time over ours, that of Keras' layers over
  accelerated ones: the median of those of the single rounds, in which all contenders of one process have their turns.

"""


class Timed(NamedTuple):
    """What one process gave for a model.

    Attributes
    ----------
    backend : str
        Keras'.
    seconds : dict of str to list of float
        Of each contender, in the order of the rounds.
    """

    network: Network
    backend: str
    seconds: dict[str, list[float]]

    def milliseconds(self, name: str) -> float:
        """The median time."""
        return 1e3 * median(self.seconds[name])

    def ratio(self, other: str, ours: str = OURS) -> float:
        """How many times as long the other takes."""
        pairs = zip(self.seconds[other], self.seconds[ours], strict=False)
        return median(theirs / mine for theirs, mine in pairs)

    @property
    def eager(self) -> str:
        """PyTorch in its faster memory format."""
        return min(EAGER, key=self.milliseconds)


def line(timed: Timed) -> str:
    """A line for the screen."""
    ratio, goal = timed.ratio(timed.eager), timed.network.goal
    more = [f"{timed.ratio(COMPILED):.2f} times torch.compile"] if COMPILED in timed.seconds else []
    more += [f"{timed.ratio(KERAS, IN_KERAS):.2f} in Keras on {timed.backend}"] if KERAS in timed.seconds else []
    shown = ", ".join(f"{name} {timed.milliseconds(name):.1f} ms" for name in timed.seconds)
    reached = "yes" if ratio >= goal else "NO"
    return f"{timed.network.name:20}{', '.join([f'{ratio:5.2f} times eager', *more])} (goal {goal}: {reached}); {shown}"


def page(found: Sequence[Timed], setting: str) -> str:
    """All of it as a page."""
    backends = list(dict.fromkeys(timed.backend for timed in found if KERAS in timed.seconds))
    head = ["model", "goal", "ours", "eager", "ratio", "compiled", "ratio"]
    for backend in backends:
        head += [f"Keras on {backend}", "accelerated", "ratio"]
    rows = []
    for name in dict.fromkeys(timed.network.name for timed in found):
        own = [timed for timed in found if timed.network.name == name]
        rows.append(_row(own, backends))
    marks = ["---", *["---:"] * (len(head) - 1)]
    return (
        _ABOUT.format(setting=setting) + "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows)) + "\n"
    )


def _row(own: Sequence[Timed], backends: Iterable[str]) -> list[str]:
    first = own[0]
    cells = [first.network.name, f"{first.network.goal}", f"{first.milliseconds(OURS):.1f}"]
    cells += [f"{first.milliseconds(first.eager):.1f}", f"**{first.ratio(first.eager):.2f}**"]
    cells += _pair(first, COMPILED, OURS)[::2] if COMPILED in first.seconds else ["-", "-"]
    for backend in backends:
        of_backend = [timed for timed in own if timed.backend == backend]
        cells += _pair(of_backend[0], KERAS, IN_KERAS) if of_backend else ["-"] * 3
    return cells


def _pair(timed: Timed, theirs: str, ours: str) -> list[str]:
    return [f"{timed.milliseconds(theirs):.1f}", f"{timed.milliseconds(ours):.1f}", f"{timed.ratio(theirs, ours):.2f}"]
