"""A convolution over any number of axes, ordinary or transposed, and the size that comes out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from tweakconv.geometry.arguments import IntPerAxis, axis_name, integer, is_per_axis, per_axis, rank_of
from tweakconv.geometry.axis import AxisGeometry, effective_kernel, term
from tweakconv.geometry.padding import AxisPadding, PaddingLike, cuts, padding_per_axis, pads
from tweakconv.geometry.spelling import shortest_call
from tweakconv.geometry.unread import UnreadPerAxis

_AxisNumbers: TypeAlias = tuple[int, int, int, int]  # size, kernel, stride, dilation


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
    input_size, kernel_size, strides, padding, dilation_rate
        As in `ConvGeometry.of`; `input_size` in pixels.

    Returns
    -------
    int or tuple of int
        A tuple with the size of each axis where any argument was written axis by axis, otherwise an int.

    Raises
    ------
    ValueError, TypeError
        As in `ConvGeometry.of`.

    Examples
    --------
    >>> output_size(28, 3, strides=3, padding=1)
    10
    >>> output_size((224, 320), (3, 3), strides=2, padding="same")
    (112, 160)
    """
    geometry = ConvGeometry.of(input_size, kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate)
    arguments = (input_size, kernel_size, strides, padding, dilation_rate)
    return geometry.output_size if any(map(is_per_axis, arguments)) else geometry.output_size[0]


@dataclass(frozen=True, slots=True, repr=False)
class ConvGeometry:
    """A convolution over any number of axes.

    `of` makes an ordinary one and `transposed` a transposed one, from what people write. Geometries compare
    by their numbers, which say more than sizes do: at stride 2 on an even input, PyTorch's ``padding=1`` and
    Keras' ``"same"`` give the same size and read different pixels.

    Parameters
    ----------
    axes
        The spatial axes, first to last.
    in_channels, out_channels
        Channels of the whole input and output, at least 1.
    groups
        Into how many parts the channels are cut, each convolved on its own; divides both numbers of channels.

    Raises
    ------
    ValueError
        Where `axes` is empty, a number is below 1, or `groups` does not divide the channels.
    TypeError
        Where a number is not an integer, or an axis not an `AxisGeometry`.

    Examples
    --------
    >>> keras = ConvGeometry.of((28, 28), 3, strides=2, padding="same")
    >>> pytorch = ConvGeometry.of((28, 28), 3, strides=2, padding=1)
    >>> keras.output_size, pytorch.output_size
    ((14, 14), (14, 14))
    >>> keras.pads, pytorch.pads, keras == pytorch
    (((0, 1), (0, 1)), ((1, 1), (1, 1)), False)
    """

    axes: tuple[AxisGeometry, ...]
    in_channels: int = 1
    out_channels: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.axes, Iterable) or not all(isinstance(axis, AxisGeometry) for axis in self.axes):
            raise TypeError(
                f"axes must be a sequence of AxisGeometry, received {self.axes!r}; sizes go to "
                f"ConvGeometry.of(input_size, kernel_size)"
            )
        object.__setattr__(self, "axes", tuple(self.axes))
        if not self.axes:
            raise ValueError("axes must have at least 1 entry, received ()")
        for name in ("groups", "in_channels", "out_channels"):
            object.__setattr__(self, name, integer(name, getattr(self, name), at_least=1))
        for name in ("in_channels", "out_channels"):
            share, rest = divmod(getattr(self, name), self.groups)
            if rest:
                raise ValueError(
                    f"groups must divide {name}, received groups {self.groups} and {name} "
                    f"{getattr(self, name)} = {self.groups}*{share} + {rest}"
                )

    @classmethod
    def of(
        cls,
        input_size: IntPerAxis,
        kernel_size: IntPerAxis,
        *,
        strides: IntPerAxis = 1,
        padding: PaddingLike = "valid",
        dilation_rate: IntPerAxis = 1,
        groups: int = 1,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> ConvGeometry:
        """Make the geometry of an ordinary convolution.

        Parameters
        ----------
        input_size, kernel_size, strides, dilation_rate
            An int for every axis or one int per axis, each at least 1. Whichever is written axis by axis sets
            the number of axes; there is one where none is.
        padding
            - ``"valid"``: none;
            - ``"same"``: as much as gives ceil(input / stride) outputs, an odd position at the end;
            - ``"same_lower"``: the same, an odd position at the start;
            - ``"full"``: E - 1 on both sides, so that every overlap counts;
            - ``"causal"``: E - 1 before a single axis, so that no output reads what comes after it;
            - an int: that much on every side; negative numbers crop;
            - a sequence with an int or a (lo, hi) pair for each axis.
        groups, in_channels, out_channels
            As in the class.

        Raises
        ------
        ValueError
            For a number out of range, a wrong number of entries, an unknown name, or no output.
        TypeError
            For what is neither an integer nor a sequence of integers.

        Examples
        --------
        >>> ConvGeometry.of((28, 30), 3, dilation_rate=(1, 2), padding=[1, (0, 4)]).output_size
        (28, 30)
        """
        rank = rank_of(input_size, kernel_size, strides, dilation_rate, padding)
        numbers = _numbers(rank, input_size, kernel_size, strides, dilation_rate)
        axes = zip(numbers, padding_per_axis(padding, rank), strict=True)
        return cls(_each(_axis, axes, rank), in_channels, out_channels, groups)

    @classmethod
    def transposed(
        cls,
        input_size: IntPerAxis,
        kernel_size: IntPerAxis,
        *,
        strides: IntPerAxis = 1,
        padding: PaddingLike = "valid",
        dilation_rate: IntPerAxis = 1,
        output_padding: IntPerAxis | None = None,
        groups: int = 1,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> ConvGeometry:
        """Make the geometry of a transposed convolution, ``y[i*stride + k*dilation - lo] += x[i] * w[k]``.

        It comes back as the ordinary convolution that computes the same, so that one tap map serves both: a
        flipped window with pads ``E - 1 - lo`` and ``E - 1 - hi`` moves one position at a time over pixels
        that stand a stride apart. The `strides` of the result are therefore 1, and its `input_dilation` is
        what was given as strides. The tap map names weights as they are stored: ``tap(o, k)`` is the `i`
        of the formula.

        Parameters
        ----------
        input_size, kernel_size, strides, dilation_rate
            As in `of`; the strides are steps in the output.
        padding
            What is cut from the full result, ``(input - 1)*stride + E`` positions long. Numbers and pairs are
            the `lo` and `hi` to cut. ``"valid"`` cuts nothing, ``"same"`` cuts to ``input*stride`` with an
            odd position at the end, ``"same_lower"`` with it at the start.
        output_padding
            Positions added at the end, at least 0. None means what it means in Keras: ``"valid"`` adds
            max(stride - E, 0), and numbers add nothing. ``"same"`` with an output padding gives
            ``(input - 1)*stride + E % 2 + output_padding``.
        groups, in_channels, out_channels
            As in the class; `in_channels` are those of this operation's input.

        Raises
        ------
        ValueError
            As in `of`; also for "full" and "causal", which a transposed convolution does not have.
        TypeError
            As in `of`.

        Examples
        --------
        >>> up = ConvGeometry.transposed(4, 3, strides=2, padding="same")
        >>> up.formula()
        '(4 - 1)*2 + 3 - 0 - 1 = 8'
        >>> [up.axes[0].taps(o) for o in range(3)]
        [(0, None, None), (None, 0, None), (1, None, 0)]
        """
        rank = rank_of(input_size, kernel_size, strides, dilation_rate, padding, output_padding)
        numbers = _numbers(rank, input_size, kernel_size, strides, dilation_rate)
        extras: Iterable[int | None] = (None,) * rank
        if output_padding is not None:
            extras = per_axis("output_padding", output_padding, rank, at_least=0)
        axes = zip(numbers, padding_per_axis(padding, rank, transposed=True), extras, strict=True)
        return cls(_each(_transposed_axis, axes, rank), in_channels, out_channels, groups)

    def __repr__(self) -> str:
        return shortest_call(self)

    def _repr_svg_(self) -> str | None:
        """A picture of it, for notebooks; None where it is too large for one."""
        from tweakconv.view.notebook import geometry_picture  # noqa: PLC0415 - only notebooks pay for it

        return geometry_picture(self)

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.axes)

    @property
    def is_transposed(self) -> bool:
        """Whether it is a transposed convolution, written as the ordinary one that computes the same."""
        return any(axis.flipped for axis in self.axes)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(axis.input for axis in self.axes)

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Taps along each axis."""
        return tuple(axis.kernel for axis in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """Positions from one window to the next; 1 in a transposed convolution."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def dilation_rate(self) -> tuple[int, ...]:
        """Positions from one tap to the next."""
        return tuple(axis.dilation for axis in self.axes)

    @property
    def input_dilation(self) -> tuple[int, ...]:
        """Positions from one pixel to the next: the strides that a transposed convolution was given."""
        return tuple(axis.input_dilation for axis in self.axes)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """(lo, hi) of each axis."""
        return tuple((axis.pad_lo, axis.pad_hi) for axis in self.axes)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Outputs along each axis."""
        return tuple(axis.output for axis in self.axes)

    @property
    def effective_kernel_size(self) -> tuple[int, ...]:
        """Positions that the window spans along each axis: the field of view of one output."""
        return tuple(axis.effective_kernel for axis in self.axes)

    @property
    def parameters(self) -> int:
        """Number of weights, without bias; dilation adds none.

        Examples
        --------
        >>> wide = ConvGeometry.of((28, 28), 3, dilation_rate=2)
        >>> wide.parameters, wide.effective_kernel_size
        (9, (5, 5))
        """
        return math.prod(self.kernel_size) * (self.in_channels // self.groups) * self.out_channels

    @property
    def multiply_adds(self) -> int:
        """Multiplications for one image: one for each weight and output, padding included.

        In a transposed convolution it is one for each weight and input pixel.
        """
        windows = math.prod(axis.input if axis.flipped else axis.output for axis in self.axes)
        return windows * self.parameters

    def formula(self) -> str:
        """The size as a person works it out: a line for each axis, or one for all where they are equal.

        Examples
        --------
        >>> print(ConvGeometry.of((28, 30), 3, strides=3, padding=1).formula())
        axis 0: (28 - 3 + 2*1) / 3 + 1 = 10
        axis 1: floor((30 - 3 + 2*1) / 3) + 1 = floor(29/3) + 1 = 10
        """
        if len(set(self.axes)) == 1:
            return self.axes[0].formula()
        return "\n".join(f"axis {a}: {axis.formula()}" for a, axis in enumerate(self.axes))

    def unread(self) -> UnreadPerAxis:
        """The pixels that no output reads along each axis, and why; printing explains them.

        Examples
        --------
        >>> print(ConvGeometry.of((28, 29), 3, strides=2).unread())
        axis 0 (height): 1 of 28 pixels is never read. Tail: pixel 27 lies behind the last window, where \
another step of 2 does not fit.
        axis 1 (width): Every one of the 29 pixels is read.
        """
        return UnreadPerAxis(axis.unread() for axis in self.axes)

    def unread_fraction(self) -> float:
        """Part of the image that no output reads; a pixel counts as read where it is along every axis.

        Examples
        --------
        >>> ConvGeometry.of((8, 8), 3, strides=2, dilation_rate=2, padding="same").unread_fraction()
        0.75
        """
        return 1 - math.prod(1 - len(unread) / unread.axis.input for unread in self.unread())


def _numbers(
    rank: int,
    input_size: IntPerAxis,
    kernel_size: IntPerAxis,
    strides: IntPerAxis,
    dilation_rate: IntPerAxis,
) -> tuple[_AxisNumbers, ...]:
    return tuple(
        zip(
            per_axis("input_size", input_size, rank, at_least=1),
            per_axis("kernel_size", kernel_size, rank, at_least=1),
            per_axis("strides", strides, rank, at_least=1),
            per_axis("dilation_rate", dilation_rate, rank, at_least=1),
            strict=True,
        )
    )


def _axis(numbers: _AxisNumbers, padding: AxisPadding) -> AxisGeometry:
    size, kernel, stride, dilation = numbers
    lo, hi = pads(padding, size, effective_kernel(kernel, dilation), stride)
    return AxisGeometry(size, kernel, stride, dilation, lo, hi)


def _transposed_axis(numbers: _AxisNumbers, padding: AxisPadding, output_padding: int | None) -> AxisGeometry:
    size, kernel, stride, dilation = numbers
    span = effective_kernel(kernel, dilation)
    lo, hi = cuts(padding, span, stride, output_padding)
    output = (size - 1) * stride + span - lo - hi
    if output < 1:
        raise ValueError(
            f"padding {padding!r} cuts away the whole result: ({size} - 1)*{stride} + {span}"
            f"{term(lo, '-')}{term(hi, '-')} = {output}, which must be at least 1"
        )
    return AxisGeometry(size, kernel, 1, dilation, span - 1 - lo, span - 1 - hi, input_dilation=stride, flipped=True)


def _each(make: Callable[..., AxisGeometry], axes: Iterable[tuple[object, ...]], rank: int) -> tuple[AxisGeometry, ...]:
    """`make` called for each axis; an error says first on which of several axes it arose."""
    made = []
    for a, arguments in enumerate(axes):
        try:
            made.append(make(*arguments))
        except ValueError as error:
            raise ValueError(f"{axis_name(a, rank)}: {error}" if rank > 1 else str(error)) from None
    return tuple(made)
