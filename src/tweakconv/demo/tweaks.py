"""The convolutions that the demonstration shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tweakconv.geometry import PaddingLike


@dataclass(frozen=True, slots=True)
class Tweak:
    """A kernel and what is tweaked about its convolution.

    Attributes
    ----------
    name
        Names the file that is written.
    kernel
        As `tweakconv.kernels.parse_kernel` reads it.
    strides, padding, dilation_rate, padding_mode
        As `tweakconv.filter2d` takes them.
    grey, value_range
        As `tweakconv.photo.filter_picture` takes them.
    words
        The tweaks as a person says them.
    """

    name: str
    kernel: str
    words: str
    strides: int = 1
    padding: PaddingLike = "same"
    dilation_rate: int = 1
    padding_mode: str = "zeros"
    grey: bool = False
    value_range: str = "auto"

    @property
    def arguments(self) -> dict[str, Any]:
        """The tweaks as arguments of `tweakconv.filter2d`."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "padding_mode": self.padding_mode,
        }


TWEAKS: Final = (
    Tweak("soft", "gaussian:15,5", "zeros darken the edge"),
    Tweak("crisp", "unsharp:9,1", "padding valid", padding="valid"),
    Tweak("slopes", "sobel-x", "stride 2", strides=2),
    Tweak(
        "relief",
        "-1/2 -1/4 0; -1/4 1 1/4; 0 1/4 1/2",
        "dilation 3, edge reflected",
        dilation_rate=3,
        padding_mode="reflect",
        grey=True,
    ),
    Tweak(
        "engraving",
        "-2 -1 0; -1 0 1; 0 1 2",
        "stride 3, dilation 2",
        strides=3,
        padding="valid",
        dilation_rate=2,
        value_range="midgrey",
    ),
    Tweak("shaken", "motion:25,30", "padding 0:60 and 60:0", padding=((0, 60), (60, 0))),
    Tweak("mosaic", "blur:8", "stride 8, valid", strides=8, padding="valid"),
)
