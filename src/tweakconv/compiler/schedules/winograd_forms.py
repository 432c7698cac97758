"""The forms of Winograd's minimal filtering: how large tiles are, and at which points their products are taken.

Along one axis, m outputs of a kernel of r taps depend on n = m + r - 1 inputs. Both are values of polynomials at n
points, one of them ∞ (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). The more points, the
fewer products an output takes, and the more the transforms round. Three things hold that down:

- the points. Besides ∞ they are pairs ±p, and 0 where n is even. Six are 0, ±1/√2, ±√2 and ∞, which round half as much
  as the usual 0, ±1, ±2, ∞. An odd number, which goes without 0, rounds less than its neighbours: for 3x3 taps on 64
  channels the errors of 5, 6 and 7 points an axis are 1.0, 1.9 and 3.7 times those of a plain sum.
- the sums. With many points nearly all of an error is that of summing hundreds of channels at each point. Summed from
  zero over a few dozen at a time they round a half to a third as much.
- where neither is enough, more channels: the errors of a plain sum grow with them, and those of such parts hardly do.

At stride 2 the even and the odd inputs are two images. An even one meets the first and last of three taps: two taps at
stride 1, with m + 1 products for m outputs; an odd one meets the middle tap alone, with m products. So 3x3 taps take 25
products for 2x2 outputs instead of 36. All odd inputs are multiplied by the same value of the kernel.

So a form is for convolutions of some channels or more (`forms`), and says how many it sums at a time (`Form.part`). All
of them stay within three times the error of a plain sum in float32, with normal data and such as a ReLU leaves.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from tweakconv.geometry import span

_PAIRS: dict[int, tuple[float, ...]] = {
    1: (),
    3: (1.0,),
    5: (3 / 8, 5 / 4),
    6: (0.5**0.5, 2**0.5),
    7: (1 / 4, 7 / 8, 2.0),
    8: (0.5, 1.0, 2.0),
}
"""Points p of which p and -p are used, by the number of inputs along an axis: those that round least of hundreds."""

_INPUTS = {
    1: (1, 1, 1),
    3: (6, 5, 6),
    4: (6, 6, 7),
    5: (6, 6, 7),
    6: (8, 7, 8),
    7: (8, 8, 8),
}
"""Inputs along an axis, by its taps: as a rule, for a few outputs, and for many.

None are for two taps, of which 2x2 with six inputs have up to 3.6 times the error of a plain sum. Seven for three taps
round little enough from a hundred channels on, but took longer than six wherever they were measured.
"""

_ERRORS = {
    (1, 1): 1.0,
    (3, 5): 1.05, (3, 6): 1.35,
    (4, 6): 1.25, (4, 7): 1.65,
    (5, 6): 1.15, (5, 7): 1.55,
    (6, 7): 1.55, (6, 8): 2.0,
    (7, 8): 2.0,
}  # fmt: skip
"""By taps and inputs, how an axis multiplies the error of a plain sum over the same channels, where there are many."""

_TILE_AT_STRIDE_TWO = 2
"""Outputs of a tile along an axis at stride 2, whose few points round less than a plain sum over the same channels.

Tiles of 3 and 4 outputs were from 5 % faster to 40 % slower: they have more weights, and registers do not hold them.
"""

_LIMITS = ((1.9, 1, None), (2.05, 32, None), (2.45, 32, 24), (3.1, 64, 32), (4.0, 96, 16))
"""Up to which error a form is for how many channels and more, and of how many it sums the products at a time."""


class Form(NamedTuple):
    """How large things are, down and across: a kernel's taps, a tile's outputs, and the inputs that they depend on."""

    taps: tuple[int, int]
    tile: tuple[int, int]
    patch: tuple[int, int]
    strides: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, kernel: tuple[int, int]) -> Form:
        """The usual form for a kernel of up to 7 taps along each axis; along an axis of one there is nothing to do.

        Examples
        --------
        >>> form = Form.of((1, 5))
        >>> str(form), form.patch, form.points
        ('F(1x2, 1x5)', (1, 6), 6)
        """
        return cls.with_inputs(kernel, (_INPUTS[kernel[0]][0], _INPUTS[kernel[1]][0]))

    @classmethod
    def with_inputs(cls, kernel: tuple[int, int], patch: tuple[int, int]) -> Form:
        """The form whose tiles depend on some inputs, of which there are points for 1, 5, 6, 7 and 8.

        Examples
        --------
        >>> Form.with_inputs((3, 3), (5, 7)).tile
        (3, 5)
        """
        return cls(kernel, (patch[0] - kernel[0] + 1, patch[1] - kernel[1] + 1), patch)

    @classmethod
    def at_stride_two(cls, kernel: tuple[int, int], tile: tuple[int, int]) -> Form:
        """The form for three taps along each axis at stride 2, with tiles of some outputs.

        Examples
        --------
        >>> form = Form.at_stride_two((3, 3), (2, 2))
        >>> str(form), form.patch, form.points, form.weights
        ('F(2x2, 3x3 at stride 2)', (5, 5), 25, 16)
        """
        return cls(kernel, tile, (span(tile[0], kernel[0], 2, 1), span(tile[1], kernel[1], 2, 1)), (2, 2))

    @property
    def points(self) -> int:
        """Products of a tile, an input and an output channel."""
        return self.patch[0] * self.patch[1]

    @property
    def values(self) -> tuple[int, int]:
        """How many different values a kernel has at the points of each axis: at stride 2, odd inputs share the last."""
        down, across = (
            inputs if stride == 1 else outputs + 2
            for inputs, outputs, stride in zip(self.patch, self.tile, self.strides, strict=True)
        )
        return down, across

    @property
    def weights(self) -> int:
        """Values that the taps of an input and an output channel become."""
        return self.values[0] * self.values[1]

    @property
    def tap_count(self) -> int:
        """Taps of the kernel."""
        return self.taps[0] * self.taps[1]

    @property
    def part(self) -> int | None:
        """Input channels whose products are summed at a time, at most; None where it may be all."""
        return _limit(self)[1]

    @property
    def least_channels(self) -> int:
        """Input channels from which on it rounds little enough."""
        return _limit(self)[0]

    def __str__(self) -> str:
        (high, wide), (rows, columns) = self.tile, self.taps
        return f"F({high}x{wide}, {rows}x{columns}{'' if self.strides == (1, 1) else ' at stride 2'})"


@functools.cache
def _limit(form: Form) -> tuple[int, int | None]:
    """From how many channels on a form is used, and how many it sums at a time."""
    if form.strides != (1, 1):
        return 1, None
    error = math.prod(_ERRORS[axis] for axis in zip(form.taps, form.patch, strict=True))
    return next((least, part) for most, least, part in _LIMITS if error <= most)


@functools.cache
def forms(kernel: tuple[int, int], channels: int, strides: tuple[int, int] = (1, 1)) -> tuple[Form, ...]:
    """The forms for a kernel, input channels of a group and strides, the usual one first; none for some kernels.

    Examples
    --------
    >>> [str(form) for form in forms((3, 3), 64)], [str(form) for form in forms((5, 5), 64)]
    (['F(4x4, 3x3)', 'F(3x3, 3x3)'], ['F(2x2, 5x5)', 'F(3x3, 5x5)'])
    >>> [str(form) for form in forms((3, 3), 64, (2, 2))]
    ['F(2x2, 3x3 at stride 2)']
    >>> forms((2, 2), 64), forms((7, 7), 64), [str(form) for form in forms((7, 7), 128)]
    ((), (), ['F(2x2, 7x7)'])
    """
    if strides == (2, 2) and kernel == (3, 3):
        return (Form.at_stride_two(kernel, (_TILE_AT_STRIDE_TWO, _TILE_AT_STRIDE_TWO)),)
    if strides != (1, 1) or kernel == (1, 1) or not set(kernel) <= set(_INPUTS):
        return ()
    patches = zip(_INPUTS[kernel[0]], _INPUTS[kernel[1]], strict=True)
    found = dict.fromkeys(Form.with_inputs(kernel, patch) for patch in patches)
    return tuple(form for form in found if channels >= form.least_channels)


def point_pairs(inputs: int) -> tuple[float, ...]:
    """The points p of which p and -p are used besides ∞, for so many inputs along an axis."""
    return _PAIRS[inputs]


def has_zero(inputs: int) -> bool:
    """Whether 0 is a point as well."""
    return inputs % 2 == 0
