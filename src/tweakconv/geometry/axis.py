"""One spatial axis of a convolution: its size, and which pixel each tap of each output reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tweakconv.geometry.arguments import integer
from tweakconv.geometry.padding import extend
from tweakconv.geometry.spelling import shortest_call
from tweakconv.geometry.unread import UnreadPixels, pixels_at


def effective_kernel(kernel: int, dilation: int) -> int:
    """Positions that `kernel` taps span when they stand `dilation` apart.

    Examples
    --------
    >>> effective_kernel(3, 2)
    5
    """
    return dilation * (kernel - 1) + 1


def span(stops: int, kernel: int, stride: int, dilation: int) -> int:
    """Positions that a window spans in some stops, one after another: what so many outputs side by side read.

    Examples
    --------
    >>> span(4, 3, 2, 1)
    9
    """
    return stride * (stops - 1) + effective_kernel(kernel, dilation)


def outputs(spanned: int, window: int, stride: int, pads: tuple[int, int]) -> int:
    """How often a window stops along an axis: unchecked, and so of numbers that are only known as symbols too.

    Parameters
    ----------
    spanned, window
        Positions that the input and the window span.
    stride, pads
        Positions from one stop to the next; positions added before and behind the input.

    Examples
    --------
    >>> outputs(28, 3, 3, (1, 1))
    10
    """
    return (spanned + sum(pads) - window) // stride + 1


@dataclass(frozen=True, slots=True, repr=False)
class AxisGeometry:
    """A convolution along one axis, every name resolved to a number.

    A *position* counts along the spread-out input, 0 at the first pixel and negative in the padding before
    it; without input dilation the positions inside the input are pixel indices.

    Parameters
    ----------
    input, kernel
        Number of pixels and of taps, at least 1.
    stride, dilation
        Positions from one window to the next and from one tap to the next, at least 1.
    pad_lo, pad_hi
        Positions added before the first pixel and behind the last one; negative numbers crop.
    input_dilation
        Positions from one pixel to the next, at least 1; nothing stands in the gaps between.
    flipped
        Whether the last weight comes first in the window, as in a transposed convolution.

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
            object.__setattr__(self, name, integer(name, getattr(self, name), at_least=1))
        for name in ("pad_lo", "pad_hi"):
            object.__setattr__(self, name, integer(name, getattr(self, name)))
        if self.slack < 0:
            padded = self.effective_kernel + self.slack
            raise ValueError(
                f"kernel {self.kernel} with dilation {self.dilation} spans {self.effective_kernel} pixels, but the "
                f"padded input has {self.effective_input}{term(self.pad_lo)}{term(self.pad_hi)} = {padded}: there is "
                f"no output; add at least {-self.slack} to the padding, or take a smaller kernel or dilation"
            )

    def __repr__(self) -> str:
        return shortest_call(self)

    @property
    def effective_kernel(self) -> int:
        """Positions that the window spans, `E`."""
        return effective_kernel(self.kernel, self.dilation)

    @property
    def effective_input(self) -> int:
        """Positions that the pixels and the gaps between them span, `J`."""
        return self.input_dilation * (self.input - 1) + 1

    @property
    def positions(self) -> range:
        """Every position there is: the padding, the pixels and the gaps between them, cropped ones included.

        Examples
        --------
        >>> AxisGeometry(input=4, kernel=2, pad_lo=1, pad_hi=-1).positions
        range(-1, 4)
        """
        return range(-max(self.pad_lo, 0), self.effective_input + max(self.pad_hi, 0))

    @property
    def slack(self) -> int:
        """How many positions the window can move within the padded input."""
        return self.effective_input + self.pad_lo + self.pad_hi - self.effective_kernel

    @property
    def output(self) -> int:
        """Number of outputs, at least 1."""
        return outputs(self.effective_input, self.effective_kernel, self.stride, (self.pad_lo, self.pad_hi))

    @property
    def interior(self) -> range:
        """Outputs whose whole window lies inside the input, whatever the padding holds."""
        start = min(max(-(-self.pad_lo // self.stride), 0), self.output)
        last = (self.effective_input - self.effective_kernel + self.pad_lo) // self.stride
        return range(start, max(start, min(last + 1, self.output)))

    @property
    def cuts(self) -> tuple[int, int]:
        """(lo, hi) that a transposed convolution cuts from its full result, negative where it adds to it.

        The full result is what the windows put down for every pixel span together.

        Examples
        --------
        >>> AxisGeometry(4, 3, pad_lo=2, pad_hi=1, input_dilation=2, flipped=True).cuts
        (0, 1)
        """
        return self.effective_kernel - 1 - self.pad_lo, self.effective_kernel - 1 - self.pad_hi

    def first(self, o: int) -> int:
        """Position at which the window of output `o` begins."""
        return o * self.stride - self.pad_lo

    def position(self, o: int, k: int) -> int:
        """Position of weight `k` in the window of output `o`, in the padding too.

        Weights count as they are stored, always: where the axis is flipped, weight 0 stands at the end of the
        window.

        Raises
        ------
        IndexError
            Where there is no such output or weight.

        Examples
        --------
        >>> [AxisGeometry(input=5, kernel=3, dilation=2, pad_lo=2).position(0, k) for k in range(3)]
        [-2, 0, 2]
        """
        if not 0 <= o < self.output:
            raise IndexError(f"o must be at least 0 and below {self.output}, received {o}")
        if not 0 <= k < self.kernel:
            raise IndexError(f"k must be at least 0 and below {self.kernel}, received {k}")
        place = self.kernel - 1 - k if self.flipped else k
        return self.first(o) + place * self.dilation

    def tap(self, o: int, k: int, padding_mode: str = "zeros") -> int | None:
        """Pixel that meets weight `k` in output `o`: the tap map.

        Parameters
        ----------
        o, k
            Output and weight, ``0 <= o < output`` and ``0 <= k < kernel``.
        padding_mode
            What the padding holds, see `extend`. Only "zeros" and "constant" go with input dilation.

        Returns
        -------
        int or None
            None in padding that holds no pixel, and in the gap between two pixels.

        Raises
        ------
        IndexError
            As `position`.
        ValueError
            For a `padding_mode` that is unknown or does not go with input dilation.

        Examples
        --------
        >>> axis = AxisGeometry(input=4, kernel=3, pad_lo=1, pad_hi=1)
        >>> axis.tap(0, 1), axis.tap(0, 0), axis.tap(0, 0, "wrap")
        (0, None, 3)
        """
        return self.pixel(self.position(o, k), padding_mode)

    def pixel(self, position: int, padding_mode: str = "zeros") -> int | None:
        """Pixel whose value is read at `position`, any integer; None where none is.

        Parameters
        ----------
        position
            Along the spread-out input, 0 at the first pixel.
        padding_mode
            As in `tap`.

        Raises
        ------
        ValueError
            For a `padding_mode` that is unknown or does not go with input dilation.

        Examples
        --------
        >>> axis = AxisGeometry(input=3, kernel=3, pad_lo=2, pad_hi=1)
        >>> [axis.pixel(position) for position in axis.positions]
        [None, None, 0, 1, 2, None]
        >>> [axis.pixel(position, "reflect") for position in axis.positions]
        [2, 1, 0, 1, 2, 1]
        """
        if self.input_dilation == 1:
            return extend(position, self.input, padding_mode)
        if padding_mode not in ("zeros", "constant"):
            raise ValueError(
                f"padding_mode must be 'zeros' or 'constant' with input_dilation {self.input_dilation}, "
                f"received {padding_mode!r}"
            )
        pixel, gap = divmod(position, self.input_dilation)
        return pixel if gap == 0 and 0 <= pixel < self.input else None

    def taps(self, o: int, padding_mode: str = "zeros") -> tuple[int | None, ...]:
        """Pixel that meets each weight in output `o`, in the order of the weights; see `tap`."""
        return tuple(self.tap(o, k, padding_mode) for k in range(self.kernel))

    def meetings(self, k: int) -> tuple[range, range]:
        """The outputs in which weight `k` meets a pixel, and the pixel in each: the tap map, weight by weight.

        Both are empty for a weight that stands over padding or gaps wherever the window is.

        Raises
        ------
        IndexError
            Where there is no such weight.

        Examples
        --------
        >>> axis = AxisGeometry(input=5, kernel=3, stride=2, pad_lo=1, pad_hi=1)
        >>> axis.meetings(0), axis.meetings(1)
        ((range(1, 3), range(1, 4, 2)), (range(0, 3), range(0, 5, 2)))
        """
        start = self.position(0, k)
        pixels = pixels_at(self, start, self.position(self.output - 1, k) + 1, self.stride)
        if not pixels:
            return range(0), range(0)
        outputs = [(pixel * self.input_dilation - start) // self.stride for pixel in (pixels[0], pixels[-1])]
        apart = pixels.step * self.input_dilation // self.stride
        return range(outputs[0], outputs[1] + 1, apart), pixels

    @property
    def met(self) -> float:
        """The share of taps that meet a pixel, and not the padding or a gap.

        Examples
        --------
        >>> AxisGeometry(input=4, kernel=3, pad_lo=1, pad_hi=1).met
        0.8333333333333334
        """
        met = sum(len(self.meetings(k)[0]) for k in range(self.kernel))
        return met / (self.output * self.kernel)

    def alone(self, outputs: int) -> AxisGeometry:
        """So many neighbouring outputs by themselves: their input is what they read, padding included, and no more.

        Examples
        --------
        >>> AxisGeometry(input=28, kernel=3, stride=2, pad_lo=1, pad_hi=1).alone(4)
        AxisGeometry(9, 3, stride=2)
        """
        span = (outputs - 1) * self.stride + self.effective_kernel
        return AxisGeometry(span, self.kernel, self.stride, self.dilation)

    def within(self, outputs: range) -> tuple[int, AxisGeometry]:
        """Some neighbouring outputs over the pixels that they read: the first pixel, and the axis from there on.

        Examples
        --------
        >>> axis = AxisGeometry(input=28, kernel=3, stride=2, pad_lo=1, pad_hi=1)
        >>> axis.within(range(4)), axis.within(range(10, 14))
        ((0, AxisGeometry(8, 3, stride=2, pad_lo=1)), (19, AxisGeometry(9, 3, stride=2)))
        """
        first, span = self.first(outputs.start), (len(outputs) - 1) * self.stride + self.effective_kernel
        start, stop = max(0, first), min(self.input, first + span)
        if start >= stop:  # they read none: a pixel before the first window
            return 0, replace(self, input=1, pad_lo=-1, pad_hi=span)
        return start, replace(self, input=stop - start, pad_lo=start - first, pad_hi=first + span - stop)

    def unread(self) -> UnreadPixels:
        """Which pixels no output reads, and why.

        Examples
        --------
        >>> print(AxisGeometry(input=28, kernel=3, stride=2).unread())
        1 of 28 pixels is never read. Tail: pixel 27 lies behind the last window, where another step of 2 \
does not fit.
        """
        return UnreadPixels.of(self)

    def formula(self) -> str:
        """The size as a person works it out, with the numbers in it.

        Examples
        --------
        >>> AxisGeometry(input=28, kernel=3, stride=3, pad_lo=1, pad_hi=1).formula()
        '(28 - 3 + 2*1) / 3 + 1 = 10'
        >>> AxisGeometry(input=28, kernel=3, stride=2).formula()
        'floor((28 - 3) / 2) + 1 = floor(25/2) + 1 = 13'
        >>> AxisGeometry(input=28, kernel=3, dilation=2, pad_hi=1).formula()
        'E = 2*(3-1)+1 = 5, (28 - 5 + 0 + 1) / 1 + 1 = 25'
        """
        steps = []
        if self.dilation > 1:
            steps.append(f"E = {self.dilation}*({self.kernel}-1)+1 = {self.effective_kernel}")
        if self.flipped and self.stride == 1:
            steps.append(self._transposed_size())
        else:
            if self.input_dilation > 1:
                steps.append(f"J = {self.input_dilation}*({self.input}-1)+1 = {self.effective_input}")
            steps.append(self._size())
        return ", ".join(steps)

    def _size(self) -> str:
        pads = f"{term(self.pad_lo)}{term(self.pad_hi)}"
        if self.pad_lo == self.pad_hi:
            sign = "-" if self.pad_lo < 0 else "+"
            pads = f" {sign} 2*{abs(self.pad_lo)}" if self.pad_lo else ""
        moves = f"({self.effective_input} - {self.effective_kernel}{pads})"
        if self.slack % self.stride == 0:
            return f"{moves} / {self.stride} + 1 = {self.output}"
        return f"floor({moves} / {self.stride}) + 1 = floor({self.slack}/{self.stride}) + 1 = {self.output}"

    def _transposed_size(self) -> str:
        """The size seen from the other side: one window put down for each pixel, and the result cut."""
        cuts = "".join(term(cut, "-") for cut in self.cuts)
        return f"({self.input} - 1)*{self.input_dilation} + {self.effective_kernel}{cuts} = {self.output}"


def term(number: int, sign: str = "+") -> str:
    """A number as a further term of a sum, or of a difference where `sign` is "-".

    Examples
    --------
    >>> f"5{term(1)}{term(-1)}{term(0, '-')}"
    '5 + 1 - 1 - 0'
    """
    opposite = {"+": "-", "-": "+"}
    return f" {sign if number >= 0 else opposite[sign]} {abs(number)}"
