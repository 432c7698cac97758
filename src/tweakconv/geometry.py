"""What a tweak means: the size, the pads and the taps of a convolution, axis by axis, in plain integers.

Along one axis a convolution is a window of ``kernel`` taps, ``dilation`` positions apart, that moves ``stride``
positions at a time over an input with ``pad_lo`` positions added before it and ``pad_hi`` behind it.
Everything follows from that (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016,
https://arxiv.org/abs/1603.07285):

- effective kernel ``E = dilation * (kernel - 1) + 1``, what the window spans;
- effective input ``J = input_dilation * (input - 1) + 1``, longer than the input in transposed convolutions only;
- ``output = floor((J + pad_lo + pad_hi - E) / stride) + 1``;
- the tap map: ``y[o]`` is the sum over ``k`` of ``x[axis.tap(o, k)] * w[k]``, where ``None`` reads the padding.

A published lecture prints the size as ``(I - K + 2P) / (S + 1)`` and then computes ``(28 - 3 + 2) / 1 + 1 = 28``.
The computation is right and the print is not: the 1 is added after the division, since it counts the first
window, which needs no step. With the lecture's own stride of 3 the misprint would give 27 / 4, the truth is
``27 / 3 + 1 = 10``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

IntPerAxis: TypeAlias = int | Sequence[int]
PaddingLike: TypeAlias = str | int | Sequence[int] | Sequence[tuple[int, int]]
Pads: TypeAlias = tuple[tuple[int, int], ...]

PADDINGS = ("valid", "same", "same_lower", "full", "causal")
PADDING_MODES = ("zeros", "constant", "reflect", "symmetric", "edge", "wrap")

_T = TypeVar("_T")


def output_size(
    input_size: IntPerAxis,
    kernel_size: IntPerAxis,
    strides: IntPerAxis = 1,
    padding: PaddingLike = "valid",
    dilation_rate: IntPerAxis = 1,
) -> int | tuple[int, ...]:
    """How many outputs a convolution has.

    Parameters
    ----------
    input_size, kernel_size, strides, dilation_rate
        An int for every axis, or one int per axis. `input_size` is in pixels.
    padding
        See `ConvGeometry.of`.

    Returns
    -------
    int or tuple of int
        An int where every argument is one number, otherwise a tuple with one size per axis.

    Raises
    ------
    ValueError, TypeError
        As `ConvGeometry.of`.

    Examples
    --------
    >>> output_size(28, 3, strides=3, padding=1)
    10
    >>> output_size((224, 320), (3, 3), strides=2, padding="same")
    (112, 160)
    """
    geometry = ConvGeometry.of(
        input_size, kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate
    )
    sizes = geometry.output_size
    arguments = (input_size, kernel_size, strides, padding, dilation_rate)
    return sizes if any(_is_per_axis(argument) for argument in arguments) else sizes[0]


@dataclass(frozen=True, slots=True)
class AxisGeometry:
    """A convolution along one spatial axis, with every name resolved to a number.

    Parameters
    ----------
    input, kernel
        Sizes in pixels and in taps, at least 1.
    stride, dilation
        Positions from one window to the next, and from one tap to the next, at least 1.
    pad_lo, pad_hi
        Positions added before the first pixel and behind the last one; negative pads crop.
    input_dilation
        Positions from one pixel to the next; above 1 there are gaps between the pixels, which no tap reads.
    flipped
        Whether the window meets the input with its last tap first, as a transposed convolution does.

    Raises
    ------
    ValueError
        Where a number is below its least value, or the window spans more than the padded input.
    TypeError
        Where a number is not an integer (NumPy's integers are, booleans are not).

    Examples
    --------
    >>> axis = AxisGeometry(input=5, kernel=3, stride=2, pad_lo=1, pad_hi=1)
    >>> axis.output
    3
    >>> [axis.taps(o) for o in range(axis.output)]
    [(None, 0, 1), (1, 2, 3), (3, 4, None)]
    >>> axis.interior
    range(1, 2)
    """

    input: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    pad_lo: int = 0
    pad_hi: int = 0
    input_dilation: int = 1
    flipped: bool = False

    def __post_init__(self) -> None:
        for name in ("input", "kernel", "stride", "dilation", "input_dilation"):
            object.__setattr__(self, name, _integer(name, getattr(self, name), at_least=1))
        for name in ("pad_lo", "pad_hi"):
            object.__setattr__(self, name, _integer(name, getattr(self, name)))
        if self._slack < 0:
            raise ValueError(
                f"kernel {self.kernel} at dilation {self.dilation} spans "
                f"{self.effective_kernel} positions, but the padded input has only "
                f"{self.effective_input}{_signed(self.pad_lo)}{_signed(self.pad_hi)} = "
                f"{self.effective_kernel + self._slack}: there is no output; use a smaller kernel or dilation, "
                f"or at least {-self._slack} more positions of padding"
            )

    @property
    def effective_kernel(self) -> int:
        """Positions that the window spans, `E`."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def effective_input(self) -> int:
        """Positions that the input spans, `J`: its pixels and the gaps between them."""
        return self.input_dilation * (self.input - 1) + 1

    @property
    def output(self) -> int:
        """Number of outputs, at least 1."""
        return self._slack // self.stride + 1

    @property
    def _slack(self) -> int:
        """How far the window can move within the padded input."""
        return self.effective_input + self.pad_lo + self.pad_hi - self.effective_kernel

    @property
    def _window_end(self) -> int:
        """Position just behind the last window."""
        return self.first(self.output - 1) + self.effective_kernel

    def first(self, o: int) -> int:
        """Position at which the window of output `o` begins; negative in the padding before the input."""
        return o * self.stride - self.pad_lo

    def tap(self, o: int, k: int, padding_mode: str = "zeros") -> int | None:
        """Pixel that output `o` multiplies with weight `k`.

        `k` always counts the weights as they are stored. In a flipped axis (a transposed convolution) weight 0
        meets the last position of the window.

        Parameters
        ----------
        o, k
            Output index, ``0 <= o < output``, and weight index, ``0 <= k < kernel``.
        padding_mode
            What the padding holds, see `extend`; modes other than ``"zeros"`` and ``"constant"`` read pixels.

        Returns
        -------
        int or None
            None where the tap reads padding that holds no pixel, or the gap between two dilated pixels.

        Examples
        --------
        >>> AxisGeometry(input=4, kernel=3, pad_lo=1, pad_hi=1).tap(0, 0) is None
        True
        >>> AxisGeometry(input=4, kernel=3, pad_lo=1, pad_hi=1).tap(0, 0, "wrap")
        3
        """
        if not 0 <= o < self.output:
            raise IndexError(f"o must be an output index below {self.output}, received {o}")
        if not 0 <= k < self.kernel:
            raise IndexError(f"k must be a weight index below {self.kernel}, received {k}")
        place = self.kernel - 1 - k if self.flipped else k
        position = self.first(o) + place * self.dilation
        if self.input_dilation == 1:
            return extend(position, self.input, padding_mode)
        if padding_mode not in ("zeros", "constant"):
            raise ValueError(
                f"padding_mode must be 'zeros' or 'constant' where input_dilation is above 1, "
                f"received {padding_mode!r} with input_dilation {self.input_dilation}"
            )
        pixel, gap = divmod(position, self.input_dilation)
        return pixel if gap == 0 and 0 <= pixel < self.input else None

    def taps(self, o: int, padding_mode: str = "zeros") -> tuple[int | None, ...]:
        """Pixel for each weight of output `o`, as `tap` gives them."""
        return tuple(self.tap(o, k, padding_mode) for k in range(self.kernel))

    @property
    def interior(self) -> range:
        """Outputs whose whole window lies inside the input, where nothing needs to be known about padding."""
        start = min(max(-(-self.pad_lo // self.stride), 0), self.output)
        last = (self.effective_input - self.effective_kernel + self.pad_lo) // self.stride
        return range(start, max(start, min(last + 1, self.output)))

    def formula(self) -> str:
        """The size as a person works it out, with the numbers in it.

        Examples
        --------
        >>> AxisGeometry(input=28, kernel=3, stride=3, pad_lo=1, pad_hi=1).formula()
        '(28 - 3 + 2*1) / 3 + 1 = 10'
        >>> AxisGeometry(input=28, kernel=3, stride=2, dilation=2, pad_hi=1).formula()
        'E = 2*(3-1)+1 = 5, (28 - 5 + 0 + 1) / 2 + 1 = 13'
        >>> AxisGeometry(input=28, kernel=3, stride=2).formula()
        'floor((28 - 3) / 2) + 1 = floor(25/2) + 1 = 13'
        """
        steps = []
        if self.dilation > 1:
            steps.append(f"E = {self.dilation}*({self.kernel}-1)+1 = {self.effective_kernel}")
        if self.flipped and self.stride == 1:
            # Seen from the transposed side: the window is put down once for each pixel, then the result is cut.
            lo, hi = (self.effective_kernel - 1 - pad for pad in (self.pad_lo, self.pad_hi))
            spread = f"({self.input} - 1)*{self.input_dilation}"
            steps.append(f"{spread} + {self.effective_kernel}{_summed(-lo, -hi)} = {self.output}")
            return ", ".join(steps)
        if self.input_dilation > 1:
            steps.append(f"J = {self.input_dilation}*({self.input}-1)+1 = {self.effective_input}")
        moves = f"({self.effective_input} - {self.effective_kernel}{_summed(self.pad_lo, self.pad_hi)})"
        if self._slack % self.stride == 0:
            steps.append(f"{moves} / {self.stride} + 1 = {self.output}")
        else:
            steps.append(
                f"floor({moves} / {self.stride}) + 1 = floor({self._slack}/{self.stride}) + 1 = {self.output}"
            )
        return ", ".join(steps)

    def unread(self) -> UnreadPixels:
        """Which pixels no output reads, and why; its cost does not grow with the input.

        Examples
        --------
        >>> print(AxisGeometry(input=28, kernel=3, stride=2).unread())
        1 of 28 pixels is never read. Tail: pixel 27 lies behind the last window, where another step of 2 \
does not fit.
        """
        start, span = self.first(0), self._window_end - self.first(0)
        # Windows begin `stride` apart, so taps land on positions that are equal modulo the stride. Of the
        # `stride` residues, the taps know min(kernel, period): after `period` taps they come round again.
        common = math.gcd(self.stride, self.dilation)
        period = self.stride // common
        tap_of = {k * self.dilation % self.stride: k for k in range(min(self.kernel, period))}
        lattice, gap = [], []
        for residue in range(min(self.stride, span)):
            if residue not in tap_of:
                lattice.append(self._pixels(start + residue, start + span, self.stride))
                continue
            unread_from = residue
            for k in range(tap_of[residue], self.kernel, period):
                gap.append(self._pixels(start + unread_from, start + k * self.dilation, self.stride))
                unread_from = k * self.dilation + self.output * self.stride
            gap.append(self._pixels(start + unread_from, start + span, self.stride))
        return UnreadPixels(
            axis=self,
            head=self._pixels(0, start),
            tail=self._pixels(max(0, start + span), self.effective_input),
            lattice=tuple(filter(None, lattice)),
            gap=tuple(filter(None, gap)),
        )

    def _pixels(self, start: int, stop: int, step: int = 1) -> range:
        """The pixels at the positions start, start + step, ... below stop."""
        start = start if start >= 0 else start % step
        stop = min(stop, self.effective_input)
        # Among the multiples of `step`, positions of pixels recur after at most `input_dilation` steps.
        for position in range(start, min(stop, start + self.input_dilation * step), step):
            if position % self.input_dilation == 0:
                return range(
                    position // self.input_dilation,
                    (stop - 1) // self.input_dilation + 1,
                    step // math.gcd(step, self.input_dilation),
                )
        return range(0)


@dataclass(frozen=True, slots=True)
class UnreadPixels:
    """The pixels of one axis that no output reads, as ranges of pixel indices, by reason.

    Parameters
    ----------
    axis
        The geometry they belong to.
    head, tail
        Pixels before the first window (cropped by a negative pad) and behind the last one.
    lattice
        Pixels between the places that taps can land on, however many outputs there are: the stride is larger
        than the kernel, or shares a factor with the dilation.
    gap
        Pixels under the windows that some further output would read, but there are too few.

    Examples
    --------
    >>> unread = AxisGeometry(input=8, kernel=3, stride=2, dilation=2).unread()
    >>> list(unread), len(unread)
    ([1, 3, 5, 7], 4)
    >>> unread.why(3), unread.why(7), unread.why(4)
    ('lattice', 'tail', None)
    """

    axis: AxisGeometry
    head: range
    tail: range
    lattice: tuple[range, ...]
    gap: tuple[range, ...]

    def counts(self) -> dict[str, int]:
        """How many pixels each reason leaves out."""
        return {reason: sum(map(len, ranges)) for reason, ranges in self._by_reason().items()}

    def why(self, pixel: int) -> str | None:
        """The reason why `pixel` is not read: "head", "tail", "lattice" or "gap"; None where it is read."""
        for reason, ranges in self._by_reason().items():
            if any(pixel in pixels for pixels in ranges):
                return reason
        return None

    def __len__(self) -> int:
        return sum(self.counts().values())

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(pixel for ranges in self._by_reason().values() for r in ranges for pixel in r))

    def __str__(self) -> str:
        return self.explain()

    def explain(self) -> str:
        """The pixels and the reasons in a few sentences."""
        axis, count = self.axis, len(self)
        if count == 0:
            return f"Every one of the {axis.input} pixels is read."
        sentences = [f"{count} of {axis.input} pixels {'is' if count == 1 else 'are'} never read."]
        if self.head:
            sentences.append(f"Head: {_named([self.head])} before the first window, cropped by pad {axis.pad_lo}.")
        if self.tail:
            reason = (
                f"cropped by pad {axis.pad_hi}"
                if axis.stride == 1
                else f"where another step of {axis.stride} does not fit"
            )
            sentences.append(f"Tail: {_named([self.tail])} behind the last window, {reason}.")
        if self.lattice:
            sentences.append(f"Lattice: {_named(self.lattice)} where no tap can land: {self._lattice_reason()}.")
        if self.gap:
            outputs = "1 output is" if axis.output == 1 else f"{axis.output} outputs are"
            sentences.append(
                f"Gap: {_named(self.gap)} between taps {axis.dilation} apart, which {outputs} too few to fill."
            )
        return " ".join(sentences)

    def _by_reason(self) -> dict[str, tuple[range, ...]]:
        return {"head": (self.head,), "tail": (self.tail,), "lattice": self.lattice, "gap": self.gap}

    def _lattice_reason(self) -> str:
        axis = self.axis
        common = math.gcd(axis.stride, axis.dilation)
        if common > 1:
            return (
                f"stride {axis.stride} and dilation {axis.dilation} share the factor {common}, "
                f"so every tap lands {common} positions from the next at best"
            )
        return f"the {axis.kernel} taps reach only {axis.kernel} of every {axis.stride} positions of a stride"
