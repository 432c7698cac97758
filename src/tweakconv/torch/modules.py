"""Convolutions as modules: those of ``torch.nn``, computed by tweakconv.

A module has no state of its own: its parameters are PyTorch's, and what is packed from them is kept elsewhere. So it is
saved, loaded, copied and pickled as PyTorch's, and one becomes the other by changing its class.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn
from torch.nn.common_types import _size_1_t, _size_2_t, _size_3_t

from tweakconv.geometry import PaddingLike
from tweakconv.geometry.padding import padding_per_axis
from tweakconv.torch.functional import Call, convolve, plain
from tweakconv.torch.tweaks import checked_mode, numbers_per_axis, spread

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

# torch.fx's tracer takes it as it is, and does not look into it.
fx.wrap("convolve")


class _Conv:
    """What is the same along any number of axes; stands before PyTorch's class."""

    _rank: int

    def forward(self: Any, input: Tensor) -> Tensor:
        """Convolve."""
        parameters = self._parameters
        weight = parameters.get("weight")
        if weight is None:  # parametrised, pruned or otherwise computed
            return self._conv_forward(input, self.weight, self.bias)
        return self._conv_forward(input, weight, parameters["bias"])

    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mine = self.__dict__
        call = Call(
            self._rank,
            _kept(mine["stride"]),
            _kept(mine["padding"]),
            _kept(mine["dilation"]),
            mine["groups"],
            mine["padding_mode"],
        )
        return convolve(input, weight, bias, call)


class _ConvTranspose:
    """The same of transposed convolutions."""

    _rank: int

    def forward(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve, transposed.

        Parameters
        ----------
        input : Tensor, shape (batch, channels, *spatial)
        output_size : list of int, optional
            The size that is wanted, of those that the stride leaves open; in place of the output padding.
        """
        mine, parameters = self.__dict__, self._parameters
        extra = mine["output_padding"] if output_size is None else self._wanted(input, output_size)
        call = Call(
            self._rank,
            _kept(mine["stride"]),
            _kept(mine["padding"]),
            _kept(mine["dilation"]),
            mine["groups"],
            "zeros",
            _kept(extra),
            transposed=True,
        )
        weight = parameters.get("weight")
        if weight is None:
            return convolve(input, self.weight, self.bias, call)
        return convolve(input, weight, parameters["bias"], call)

    def _wanted(self: Any, input: Tensor, output_size: list[int]) -> list[int]:
        """The output padding that gives a size; PyTorch's own arithmetic, whose pads are even."""
        pads = padding_per_axis(self.padding, self._rank, transposed=True)
        if any(isinstance(pair, str) or pair[0] != pair[1] for pair in pads):
            raise ValueError(
                f"output_size: received {output_size!r} with padding {self.padding!r}; it goes with the same number on "
                "both sides of an axis, otherwise say output_padding"
            )
        even, rank = [pair[0] for pair in pads], self._rank
        extra: list[int] = self._output_padding(
            input, output_size, self.stride, even, self.kernel_size, rank, self.dilation
        )
        return extra


class Conv1d(_Conv, nn.Conv1d):
    """``torch.nn.Conv1d``, computed by tweakconv on the CPU: the same arguments, parameters and state.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype
        As in PyTorch.
    padding : str, int or sequence
        As in PyTorch; also "same" with strides, "same_lower", "full", "causal", and a (lo, hi) pair for each axis.
    padding_mode : str
        "zeros", "reflect", "replicate", "circular" or "symmetric", at any distance.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> conv = tweakconv.torch.Conv1d(2, 4, 3, padding="causal")
    >>> conv(torch.ones(1, 2, 100)).shape
    torch.Size([1, 4, 100])
    """

    _rank = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_1_t,
        stride: _size_1_t = 1,
        padding: PaddingLike = 0,
        dilation: _size_1_t = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        checked_mode(padding_mode)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias, device=device, dtype=dtype
        )
        _set_padding(self, padding, padding_mode)


class Conv2d(_Conv, nn.Conv2d):
    """``torch.nn.Conv2d``, computed by tweakconv on the CPU: the same arguments, parameters and state.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype
        As in PyTorch.
    padding : str, int or sequence
        As in PyTorch; also "same" with strides, "same_lower", "full", and a (lo, hi) pair for each axis.
    padding_mode : str
        "zeros", "reflect", "replicate", "circular" or "symmetric", at any distance.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> conv = tweakconv.torch.Conv2d(3, 8, 3, stride=2, padding="same", padding_mode="reflect")
    >>> conv(torch.ones(1, 3, 9, 8)).shape
    torch.Size([1, 8, 5, 4])
    """

    _rank = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_2_t,
        stride: _size_2_t = 1,
        padding: PaddingLike = 0,
        dilation: _size_2_t = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        checked_mode(padding_mode)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias, device=device, dtype=dtype
        )
        _set_padding(self, padding, padding_mode)


class Conv3d(_Conv, nn.Conv3d):
    """``torch.nn.Conv3d``, computed by tweakconv on the CPU: the same arguments, parameters and state.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype
        As in PyTorch.
    padding : str, int or sequence
        As in PyTorch; also "same" with strides, "same_lower", "full", and a (lo, hi) pair for each axis.
    padding_mode : str
        "zeros", "reflect", "replicate", "circular" or "symmetric", at any distance.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> conv = tweakconv.torch.Conv3d(1, 2, 3, padding=((0, 2), (1, 1), (1, 1)))
    >>> conv(torch.ones(1, 1, 4, 5, 6)).shape
    torch.Size([1, 2, 4, 5, 6])
    """

    _rank = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_3_t,
        stride: _size_3_t = 1,
        padding: PaddingLike = 0,
        dilation: _size_3_t = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        checked_mode(padding_mode)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias, device=device, dtype=dtype
        )
        _set_padding(self, padding, padding_mode)


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d``, computed by tweakconv on the CPU: the same arguments, parameters and state.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, output_padding, groups, bias, dilation, device, dtype
        As in PyTorch.
    padding : str, int or sequence
        What is cut from the full result, as in PyTorch; also a (lo, hi) pair for each axis, and "same" and
        "same_lower", which cut to input * stride.
    padding_mode : str
        "zeros".

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> up = tweakconv.torch.ConvTranspose1d(2, 4, 3, stride=2)
    >>> up(torch.ones(1, 2, 10)).shape
    torch.Size([1, 4, 21])
    """

    _rank = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_1_t,
        stride: _size_1_t = 1,
        padding: PaddingLike = 0,
        output_padding: _size_1_t = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _size_1_t = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode: received {padding_mode!r}; a transposed convolution has 'zeros' alone")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            0,
            output_padding,
            groups,
            bias,
            dilation,
            device=device,
            dtype=dtype,
        )
        _check_numbers(self)
        self.padding = _plainest(padding, 1, transposed=True)


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d``, computed by tweakconv on the CPU: the same arguments, parameters and state.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, output_padding, groups, bias, dilation, device, dtype
        As in PyTorch.
    padding : str, int or sequence
        What is cut from the full result, as in PyTorch; also a (lo, hi) pair for each axis, and "same" and
        "same_lower", which cut to input * stride.
    padding_mode : str
        "zeros".

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> up = tweakconv.torch.ConvTranspose2d(8, 3, 3, stride=2, padding="same")
    >>> up(torch.ones(1, 8, 9, 8)).shape
    torch.Size([1, 3, 18, 16])
    """

    _rank = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_2_t,
        stride: _size_2_t = 1,
        padding: PaddingLike = 0,
        output_padding: _size_2_t = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _size_2_t = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode: received {padding_mode!r}; a transposed convolution has 'zeros' alone")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            0,
            output_padding,
            groups,
            bias,
            dilation,
            device=device,
            dtype=dtype,
        )
        _check_numbers(self)
        self.padding = _plainest(padding, 2, transposed=True)


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """``torch.nn.ConvTranspose3d``, computed by tweakconv on the CPU: the same arguments, parameters and state.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, output_padding, groups, bias, dilation, device, dtype
        As in PyTorch.
    padding : str, int or sequence
        What is cut from the full result, as in PyTorch; also a (lo, hi) pair for each axis, and "same" and
        "same_lower", which cut to input * stride.
    padding_mode : str
        "zeros".

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> up = tweakconv.torch.ConvTranspose3d(2, 1, 2, stride=2)
    >>> up(torch.ones(1, 2, 2, 3, 4)).shape
    torch.Size([1, 1, 4, 6, 8])
    """

    _rank = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _size_3_t,
        stride: _size_3_t = 1,
        padding: PaddingLike = 0,
        output_padding: _size_3_t = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _size_3_t = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode: received {padding_mode!r}; a transposed convolution has 'zeros' alone")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            0,
            output_padding,
            groups,
            bias,
            dilation,
            device=device,
            dtype=dtype,
        )
        _check_numbers(self)
        self.padding = _plainest(padding, 3, transposed=True)


def _set_padding(module: Any, padding: PaddingLike, padding_mode: str) -> None:
    """Set the padding in PyTorch's own form where it has one, and check what goes with it."""
    _check_numbers(module)
    module.padding, module.padding_mode = _plainest(padding, module._rank), padding_mode
    if not isinstance(module.padding, str):
        # What code that pads for itself asks a convolution for: both ends of the last axis first.
        pairs = padding_per_axis(module.padding, module._rank)
        module._reversed_padding_repeated_twice = [pad for pair in reversed(pairs) for pad in pair]


def _check_numbers(module: Any) -> None:
    """Refuse at once what PyTorch would at the first call."""
    for name in ("kernel_size", "stride", "dilation"):
        numbers_per_axis(name, getattr(module, name), module._rank, at_least=1)


def _plainest(padding: PaddingLike, rank: int, *, transposed: bool = False) -> Any:
    """A checked padding as PyTorch keeps it, a name or a number for each axis; pairs where that does not say it."""
    each = padding_per_axis(spread(plain(padding), rank), rank, transposed=transposed)
    pairs = [pair for pair in each if not isinstance(pair, str)]
    if not pairs:
        return each[0]
    return tuple(lo for lo, _ in pairs) if all(lo == hi for lo, hi in pairs) else tuple(pairs)


def _kept(numbers: Any) -> Any:
    """An attribute as it can be remembered; somebody may have set a list."""
    return plain(numbers) if type(numbers) is list else numbers


CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    Conv1d: nn.Conv1d,
    Conv2d: nn.Conv2d,
    Conv3d: nn.Conv3d,
    ConvTranspose1d: nn.ConvTranspose1d,
    ConvTranspose2d: nn.ConvTranspose2d,
    ConvTranspose3d: nn.ConvTranspose3d,
}
"""Each of these with the one of PyTorch's whose place it takes."""
