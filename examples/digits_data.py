"""What the digits examples share: the pictures of scikit-learn's digits, and a plot of two trainings side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

TEST = 360
"""Pictures that are kept for the test."""


class Digits(NamedTuple):
    """1,797 handwritten digits of 8x8 pixels, from 0 to 1; pictures are (count, 8, 8)."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


class Training(NamedTuple):
    """What a training showed.

    Attributes
    ----------
    losses, seconds : list of float
        Of every epoch.
    accuracy : float
        On the test pictures, at the end.
    """

    name: str
    losses: list[float]
    seconds: list[float]
    accuracy: float

    @property
    def epoch_seconds(self) -> float:
        """The median time of an epoch but the first, which compiles; its own where it is the only one."""
        return float(np.median(self.seconds[1:] or self.seconds))


def digits(count: int | None = None) -> Digits:
    """The pictures in an order that is always the same; `count` of those to train with, where it is given."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = (data.images[order] / 16).astype(np.float32), data.target[order].astype(np.int64)
    return Digits(x[TEST:][:count], y[TEST:][:count], x[:TEST], y[:TEST])


def example(doc: str, name: str, title: str, train: Callable[[Digits, int], list[Training]]) -> None:
    """Train, print a line for each training, and write the plot: the command line of an example.

    Parameters
    ----------
    doc : str
        What it is; its first line is shown by ``--help``.
    name, title : str
        The file of the plot, where no other is named; what stands over the plot.
    train : callable
        From the pictures and a number of epochs to two trainings.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--epochs", type=_at_least_one, default=12)
    parser.add_argument("--pictures", type=_at_least_one, help="train with fewer than all 1,437")
    parser.add_argument("-o", "--output", type=Path, default=Path(name), help=f"a PNG, SVG or PDF [{name}]")
    parser.add_argument("--force", action="store_true", help="replace the file")
    given = parser.parse_args()
    _check_output(given.output, force=given.force)
    trainings = train(digits(given.pictures), given.epochs)
    print(report(trainings))
    plot(trainings, title, given.output)
    print(f"the plot is in {given.output}")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"received {text!r}; a whole number of at least 1 is needed")
    return int(text)


def _check_output(path: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written, before anything is trained."""
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        sys.exit(f"{path}: the plot is written as .png, .svg or .pdf")
    if not path.parent.is_dir():
        sys.exit(f"{path.parent} is no folder")
    if path.is_dir() or (path.exists() and not force):
        sys.exit(f"{path} exists" + ("" if path.is_dir() else "; --force replaces it"))


def report(trainings: list[Training]) -> str:
    """A line for each training."""
    lines = [f"{'layers':<20} {'last loss':>10} {'accuracy':>9} {'s/epoch':>8}"]
    for run in trainings:
        lines.append(f"{run.name:<20} {run.losses[-1]:>10.5f} {run.accuracy:>9.1%} {run.epoch_seconds:>8.3f}")
    return "\n".join(lines)


def plot(trainings: list[Training], title: str, path: Path) -> None:
    """Draw the losses over each other and the times side by side, into a file."""
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - once it is known that no window is wanted

    figure, (curves, bars) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(2, 1), layout="constrained")
    styles = [{"color": "#9aa5b1", "linewidth": 5}, {"color": "#c2410c", "linewidth": 1.8, "linestyle": "--"}]
    for run, style in zip(trainings, styles, strict=True):
        epochs = range(1, len(run.losses) + 1)
        curves.plot(
            epochs, run.losses, label=f"{run.name}: {run.accuracy:.1%} right", marker="o", markersize=3, **style
        )
    curves.set(yscale="log", xlabel="epoch", ylabel="loss", title=title)
    curves.yaxis.set_major_formatter("{x:g}")
    curves.yaxis.set_minor_formatter("{x:g}")
    curves.xaxis.get_major_locator().set_params(integer=True)
    curves.legend(frameon=False)
    times = [run.epoch_seconds for run in trainings]
    drawn = bars.bar([run.name for run in trainings], times, color=[str(style["color"]) for style in styles], width=0.6)
    bars.bar_label(drawn, [f"{seconds:.2f} s" for seconds in times], padding=2)
    bars.set(ylabel="seconds an epoch", title="time", ylim=(0, 1.15 * max(times)))
    for axes in (curves, bars):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
