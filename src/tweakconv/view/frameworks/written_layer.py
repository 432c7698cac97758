"""A layer as its user wrote it, with its geometry: what all the writers of code start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tweakconv.geometry import PADDING_MODES, ConvGeometry, IntPerAxis, PaddingLike
from tweakconv.geometry.arguments import per_axis
from tweakconv.geometry.padding import totals_giving

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A layer as a program for one framework.

    Attributes
    ----------
    framework, name
        What it is called in code, and in a sentence.
    code
        A whole program that makes an input ``x`` and the layer and computes ``y``.
    layout
        The order of the axes of images and weights, in words.
    refuses
        Whether the framework's own layer does not take these arguments, and the code goes around that.
    notes
        Sentences about what is refused, what that costs, and which spelling would read different pixels.
    """

    framework: str
    name: str
    code: str
    layout: str
    refuses: bool = False
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data, as the module says."""
        return {
            "framework": self.framework,
            "name": self.name,
            "code": self.code,
            "layout": self.layout,
            "refuses": self.refuses,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class WrittenLayer:
    """A layer, and how it was written where that says more than its numbers.

    Attributes
    ----------
    geometry
        Its numbers.
    padding_name
        The padding, where it was written as a name.
    output_padding
        As it was given, for each axis; None where it was not.
    padding_mode, pad_value
        What the padding holds, and the number in the mode "constant"; "zeros" and 0 where it makes no difference.
    """

    geometry: ConvGeometry
    padding_name: str | None = None
    output_padding: tuple[int, ...] | None = None
    padding_mode: str = "zeros"
    pad_value: float = 0

    @classmethod
    def of(
        cls,
        input_size: IntPerAxis,
        kernel_size: IntPerAxis,
        *,
        padding: PaddingLike,
        transposed: bool,
        output_padding: IntPerAxis | None,
        padding_mode: str,
        pad_value: float,
        **arguments: Any,
    ) -> WrittenLayer:
        """The layer that some arguments mean; see `code_for`."""
        if padding_mode not in PADDING_MODES:
            known = ", ".join(map(repr, PADDING_MODES))
            raise ValueError(f"padding_mode must be one of {known}, received {padding_mode!r}")
        if transposed and padding_mode not in ("zeros", "constant"):
            raise ValueError(
                f"padding_mode must be 'zeros' or 'constant' in a transposed convolution, whose padding cuts, received "
                f"{padding_mode!r}"
            )
        if transposed:
            geometry = ConvGeometry.transposed(
                input_size, kernel_size, padding=padding, output_padding=output_padding, **arguments
            )
        elif output_padding is not None:
            raise ValueError(f"output_padding goes with a transposed convolution only, received {output_padding!r}")
        else:
            geometry = ConvGeometry.of(input_size, kernel_size, padding=padding, **arguments)
        if geometry.rank > 2:
            raise ValueError(f"code is written for 1 or 2 axes, received {geometry.rank}")
        # Where nothing is added, nothing lies in the padding; and where no pixel stands, a transposed convolution
        # multiplies nothing.
        mode = "zeros" if transposed or not padded(added(geometry.pads)) else padding_mode
        return cls(
            geometry,
            padding.lower() if isinstance(padding, str) else None,
            None if output_padding is None else per_axis("output_padding", output_padding, geometry.rank, at_least=0),
            mode,
            pad_value if mode == "constant" else 0,
        )

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return self.geometry.rank

    @property
    def transposed(self) -> bool:
        """Whether it is a transposed convolution."""
        return self.geometry.is_transposed

    @property
    def strides(self) -> tuple[int, ...]:
        """As they were written: the steps in the output, for a transposed convolution."""
        return self.geometry.input_dilation if self.transposed else self.geometry.strides

    @property
    def pads(self) -> Pads:
        """(lo, hi) of each axis: what is added before an ordinary convolution."""
        return self.geometry.pads

    @property
    def cuts(self) -> Pads:
        """(lo, hi) of each axis: what a transposed convolution cuts from its full result."""
        return tuple(axis.cuts for axis in self.geometry.axes)

    @property
    def pads_zeros(self) -> bool:
        """Whether the framework's own zero padding will do."""
        return self.padding_mode == "zeros"

    @property
    def continues_the_image(self) -> bool:
        """Whether the padding holds pixels of the image itself."""
        return self.padding_mode not in ("zeros", "constant")

    def input_shape(self, *, channels_last: bool) -> tuple[int, ...]:
        """Shape of one image in a batch."""
        return _shape(self.geometry.input_size, self.geometry.in_channels, channels_last)

    def output_shape(self, *, channels_last: bool) -> tuple[int, ...]:
        """Shape of its result."""
        return _shape(self.geometry.output_size, self.geometry.out_channels, channels_last)

    def kernel_shape(self) -> tuple[int, ...]:
        """Shape of the weights in Keras' order."""
        geometry = self.geometry
        share_in, share_out = geometry.in_channels // geometry.groups, geometry.out_channels // geometry.groups
        channels = (share_out, geometry.in_channels) if self.transposed else (share_in, geometry.out_channels)
        return (*geometry.kernel_size, *channels)

    def kernel_shape_channels_first(self) -> tuple[int, ...]:
        """Shape of the weights in PyTorch's and ONNX's order."""
        *taps, inner, outer = self.kernel_shape()
        return (outer, inner, *taps)

    def is_written_as(self, padding: str) -> bool:
        """Whether a name gives these very pads, and would for an image of any other size."""
        if self.padding_name == padding:
            return True
        settled = padding == "valid" or max(self.strides) == 1
        return settled and self._padded_as(padding) == self.geometry

    def same_size_elsewhere(self) -> tuple[int, ...] | None:
        """The number on both sides, for each axis, that gives the same size and reads different pixels."""
        found = []
        for axis in self.geometry.axes:
            totals = totals_giving(axis.output, axis.input, axis.effective_kernel, axis.stride)
            sides = [total // 2 for total in totals if total % 2 == 0 and total >= 0]
            if not sides:
                return None
            found.append(min(sides, key=lambda side: abs(side - axis.pad_lo)))
        return tuple(found) if tuple((side, side) for side in found) != self.pads else None

    def same_reads_elsewhere(self) -> Pads | None:
        """The pads of "same", where that gives the same size and reads different pixels."""
        same = self._padded_as("same")
        if same is None or same.output_size != self.geometry.output_size or same.pads == self.pads:
            return None
        return same.pads

    def _padded_as(self, padding: str) -> ConvGeometry | None:
        """The layer under the name of a padding; None where that leaves no output."""
        geometry = self.geometry
        make = ConvGeometry.transposed if self.transposed else ConvGeometry.of
        try:
            return make(
                geometry.input_size,
                geometry.kernel_size,
                strides=self.strides,
                dilation_rate=geometry.dilation_rate,
                padding=padding,
                in_channels=geometry.in_channels,
                out_channels=geometry.out_channels,
                groups=geometry.groups,
            )
        except ValueError:
            return None


def padded(pads: Pads) -> bool:
    """Whether some side is padded or cropped."""
    return any(map(any, pads))


def symmetric(pads: Pads) -> bool:
    """Whether both sides of every axis have the same pad."""
    return all(lo == hi for lo, hi in pads)


def added(pads: Pads) -> Pads:
    """What pads add; the rest is cropped."""
    return tuple((max(lo, 0), max(hi, 0)) for lo, hi in pads)


def cropped(pads: Pads) -> Pads:
    """What pads crop, as numbers of at least 0."""
    return tuple((max(-lo, 0), max(-hi, 0)) for lo, hi in pads)


def per_axis_text(numbers: tuple[int, ...]) -> str:
    """Numbers per axis as code: one where they are equal.

    Examples
    --------
    >>> per_axis_text((3, 3)), per_axis_text((2, 1))
    ('3', '(2, 1)')
    """
    return str(numbers[0]) if len(set(numbers)) == 1 else str(numbers)


def keyword(name: str, numbers: tuple[int, ...], default: int = 1) -> list[str]:
    """An argument per axis as code, in a list that is empty where it is the default.

    Examples
    --------
    >>> keyword("strides", (2, 2)), keyword("strides", (1, 1))
    (['strides=2'], [])
    """
    return [] if set(numbers) == {default} else [f"{name}={per_axis_text(numbers)}"]


def sides_text(pads: Pads) -> str:
    """Pads in words, one phrase where all axes are alike.

    Examples
    --------
    >>> sides_text(((0, 1), (0, 1))), sides_text(((1, 1), (0, 2)))
    ('0 before and 1 after', '1 above, 1 below, 0 left and 2 right')
    """
    if len(set(pads)) == 1:
        lo, hi = pads[0]
        return f"{lo} before and {hi} after"
    (top, bottom), (left, right) = pads
    return f"{top} above, {bottom} below, {left} left and {right} right"


def gathered(size: int, pads: tuple[int, int], mode: str) -> str:
    """Code for the pixel that stands at each position of a padded axis, in NumPy's words.

    Examples
    --------
    >>> gathered(5, (1, 2), "edge"), gathered(5, (-1, 2), "wrap")
    ("np.pad(np.arange(5), (1, 2), mode='edge')", "np.pad(np.arange(5), (0, 2), mode='wrap')[1:]")
    """
    (grown,), (cut,) = added((pads,)), cropped((pads,))
    slices = f"[{cut[0] or ''}:{-cut[1] or ''}]" if any(cut) else ""
    return f"np.pad(np.arange({size}), {grown}, mode={mode!r}){slices}"


def _shape(size: tuple[int, ...], channels: int, channels_last: bool) -> tuple[int, ...]:
    return (1, *size, channels) if channels_last else (1, channels, *size)
