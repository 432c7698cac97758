"""The state of a filter on a picture."""

from __future__ import annotations

from dataclasses import dataclass

from tweakconv.geometry import PADDING_MODES
from tweakconv.value_range import RANGES
from tweakconv.view.limits import LIMITS
from tweakconv.view.parameters import Padding, Parameters, padding_text, per_axis_text
from tweakconv.view.state.writing import check_at_most, check_pads, shortest

PICTURE_PADDING_MODES = tuple(mode for mode in PADDING_MODES if mode != "constant")
"""What a picture's padding may hold: all that needs no number besides."""


@dataclass(frozen=True, slots=True)
class PictureState:
    """A filter on a picture.

    Attributes
    ----------
    picture
        ``sample:NAME``, or the name that the server gave to one that was sent.
    kernel
        As a person wrote it: a name, or a matrix.
    strides, dilation_rate, padding, padding_mode
        As in `tweakconv.filter2d`, with entries for height and width.
    value_range, flip, grey, normalize
        As in ``tweakconv run``.

    Examples
    --------
    >>> PictureState.from_query("kernel=1+0%3B+0+-1&strides=2x1&grey=1").query()
    'kernel=1+0%3B+0+-1&strides=2x1&grey=1'
    """

    picture: str = ""
    kernel: str = "sobel-x"
    strides: tuple[int, ...] = (1, 1)
    dilation_rate: tuple[int, ...] = (1, 1)
    padding: Padding = "same"
    padding_mode: str = "zeros"
    value_range: str = "auto"
    flip: bool = False
    grey: bool = False
    normalize: bool = False

    @classmethod
    def from_query(cls, query: str) -> PictureState:
        """As that of `LayerState`."""
        parameters = Parameters.from_query(query)
        state = cls.read(parameters)
        parameters.finish()
        return state

    @classmethod
    def read(cls, parameters: Parameters) -> PictureState:
        """The state that parameters mean.

        Raises
        ------
        ParameterError
            Where one cannot be read, or is beyond the limits.
        """
        state = cls(
            picture=parameters.text("picture", longest=100),
            kernel=parameters.text("kernel", "sobel-x", longest=50_000),
            strides=parameters.per_axis("strides", rank=2),
            dilation_rate=parameters.per_axis("dilation_rate", rank=2),
            padding=parameters.padding(2, "same"),
            padding_mode=parameters.choice("padding_mode", PICTURE_PADDING_MODES, "zeros"),
            value_range=parameters.choice("value_range", RANGES, "auto"),
            flip=parameters.flag("flip"),
            grey=parameters.flag("grey"),
            normalize=parameters.flag("normalize"),
        )
        check_at_most("strides", state.strides, LIMITS.picture_strides)
        check_at_most("dilation_rate", state.dilation_rate, LIMITS.picture_dilation_rate)
        check_pads(state.padding, LIMITS.picture_pad)
        return state

    def query(self) -> str:
        """The shortest query string that means this state."""
        pairs = [
            ("picture", self.picture, ""),
            ("kernel", self.kernel, "sobel-x"),
            ("strides", per_axis_text(self.strides), "1"),
            ("dilation_rate", per_axis_text(self.dilation_rate), "1"),
            ("padding", padding_text(self.padding), "same"),
            ("padding_mode", self.padding_mode, "zeros"),
            ("value_range", self.value_range, "auto"),
            ("flip", str(int(self.flip)), "0"),
            ("grey", str(int(self.grey)), "0"),
            ("normalize", str(int(self.normalize)), "0"),
        ]
        return shortest(pairs)
