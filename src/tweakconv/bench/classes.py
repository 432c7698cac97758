"""The classes of the board's lines, and what each is meant to reach."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLASSES", "LineClass", "line_class"]


@dataclass(frozen=True, slots=True)
class LineClass:
    """Convolutions that are fast or slow for the same reasons, and the goals they share.

    Attributes
    ----------
    key : str
        What a person types to choose it.
    meaning : str
        Which convolutions it holds.
    best : float or None
        Goal for the best peer's time over ours; None where there is none.
    pytorch, opencv : float or None
        Goals for the time of this library over ours.
    peak : float or None
        Goal for the share of the FMA peak, on lines that computing binds.
    bandwidth : float or None
        Share of the measured bandwidth that will do instead of `best`, on lines that memory binds.
    """

    key: str
    meaning: str
    best: float | None = None
    pytorch: float | None = None
    opencv: float | None = None
    peak: float | None = None
    bandwidth: float | None = None

    @property
    def goal(self) -> str:
        """The goals in words.

        Examples
        --------
        >>> line_class("depthwise").goal
        'best peer 1.15 or 85% of the bandwidth'
        """
        rivals = (("best peer", self.best), ("OpenCV", self.opencv), ("PyTorch", self.pytorch))
        parts = [f"{rival} {goal:g}" for rival, goal in rivals if goal is not None]
        if self.peak is not None:
            parts.append(f"{self.peak:.0%} of the FMA peak")
        words = ", ".join(parts) or "none of its own"
        return words if self.bandwidth is None else f"{words} or {self.bandwidth:.0%} of the bandwidth"


#: In the order in which the board shows them.
CLASSES: tuple[LineClass, ...] = (
    LineClass("dense", "3x3, stride 1, dilation up to an eighth of the image", best=1.25, pytorch=3.0),
    LineClass("dilated", "dense 3x3, stride 1, dilation beyond that"),
    LineClass("wide", "dense 5x5, 7x7, 1x7 and 7x1, stride 1", best=1.3),
    LineClass("strided", "dense 3x3 at stride 2, stems and other first layers", best=1.1),
    LineClass("pointwise", "1x1", best=1.05, peak=0.92),
    LineClass("depthwise", "all sizes, strides and dilations", best=1.15, bandwidth=0.85),
    LineClass("grouped", "several groups of channels", best=2.0),
    LineClass("images", "one and few channels", pytorch=8.0, opencv=1.5),
    LineClass("small", "small spatial extents and tiny inputs", best=1.0),
)


def line_class(key: str) -> LineClass:
    """The class with this key.

    Raises
    ------
    ValueError
        Where there is none; the message lists those there are.
    """
    for known in CLASSES:
        if known.key == key:
            return known
    raise ValueError(f"classes: the board has no class {key!r}; it has {', '.join(known.key for known in CLASSES)}")
