"""Packed weights, kept for as long as the tensors they were packed from live and stay as they are.

A call that has been made before looks up what it needs by the shape and strides of its input, and runs. Whether a
weight has changed is asked at every call (`tweakconv.torch.changes`); `forget` is for changes that this does not see,
of a few numbers through ``weight.data``, say.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

import tweakconv as tc
from tweakconv.arrays import FloatArray
from tweakconv.compiler.choose import is_whole
from tweakconv.prepared import PreparedConv
from tweakconv.torch.changes import Seen, Tensors, stamp
from tweakconv.torch.layout import as_it_lies, kernel_axes, memory_format, prefers_channels_last, to_last
from tweakconv.torch.memory import Room
from tweakconv.torch.tweaks import Tweaks

Resolve: TypeAlias = Callable[[Hashable, Tensor, Tensor], Tweaks]

_MOST_CALLS = 64
"""Shapes of inputs that are remembered for one weight."""

_MOST_PREPARED = 8
"""Ways to use one weight that are kept packed: by its geometry, by the order of its inputs."""


class After(NamedTuple):
    """What follows the sum: arguments of `tweakconv.compile_conv2d`."""

    activation: str | None = None
    negative_slope: float | None = None
    residual: bool = False


class _Entry:
    """A prepared convolution, and the state of the tensors that it was packed from.

    Attributes
    ----------
    form
        Shape and strides of the weight, and whether there is a bias.
    whole : bool
        Whether the weights were whole numbers, such as the zeros that some layers begin with: that rules Winograd out.
    """

    def __init__(self, conv: PreparedConv, weight: Tensor, bias: Tensor | None) -> None:
        self.conv = conv
        self.stamp: object = None
        self.seen = Seen()
        self.form, self.whole = _form(weight, bias), is_whole(weight.detach().numpy())

    def is_of(self, stamp: object) -> bool:
        """Whether the tensors are as they were."""
        return self.stamp == stamp and not self.seen.differs()

    def packed_anew(self, weight: Tensor, bias: Tensor | None) -> PreparedConv | None:
        """The convolution with other weights; None where another would be prepared for them."""
        if self.form != _form(weight, bias) or (self.whole and not is_whole(weight.detach().numpy())):
            return None
        return self.conv.with_kernel(*arrays(weight, bias))

    def note(self, tensors: Tensors, stamp: object) -> None:
        """Remember of which state of which tensors this is."""
        self.seen, self.stamp = Seen(tensors), stamp


class Way(NamedTuple):
    """How tensors of one shape and strides are handed over.

    Attributes
    ----------
    room : Room
        For the result.
    order : torch.memory_format
        How input and result lie in memory.
    copies : bool
        Whether pixels (of channels_first) or channels lie apart, so that the input is copied.
    placed : tuple of tuple of int
        Shape and strides in bytes of the input, or of its copy, as the array that tweakconv takes.
    """

    room: Room
    order: torch.memory_format
    copies: bool
    placed: tuple[tuple[int, ...], tuple[int, ...]]

    @classmethod
    def of(cls, x: Tensor, conv: PreparedConv, *, channels_last: bool) -> Way:
        """The way of an input, shape (batch, channels, *spatial), through a convolution."""
        rank = x.dim() - 2
        into = to_last(rank) if channels_last else tuple(range(rank + 2))
        out_size = conv.layer.geometry(tuple(x.shape[2:])).output_size
        shape = x.shape[0], conv.layer.out_channels, *out_size
        return cls._of(x, conv, shape, memory_format(rank, channels_last=channels_last), into)

    @classmethod
    def of_arrays(cls, x: Tensor, conv: PreparedConv) -> Way:
        """The way of an input whose axes are in the convolution's own order."""
        layer = conv.layer
        out_size = layer.geometry(layer.size_of(tuple(x.shape))).output_size
        shape = layer.shape(x.shape[0], out_size, layer.out_channels)
        return cls._of(x, conv, shape, torch.contiguous_format, tuple(range(x.dim())))

    @classmethod
    def _of(
        cls, x: Tensor, conv: PreparedConv, shape: tuple[int, ...], order: torch.memory_format, axes: tuple[int, ...]
    ) -> Way:
        """The way of an input whose axes, in some order, are those of tweakconv's."""
        array = _array(x).transpose(axes)
        copies = not conv.reads(array)
        if copies:
            array = _array(x.contiguous(memory_format=order)).transpose(axes)
        return cls(Room.of(shape, order, x.dtype), order, copies, (array.shape, array.strides))

    def run(
        self, conv: PreparedConv, x: Tensor, residual: Tensor | None = None, weights: int = 0, bias: int = 0
    ) -> Tensor:
        """What a convolution makes of an input.

        Parameters
        ----------
        residual : Tensor, optional
            Of the result's shape and type; added before the activation.
        weights, bias : int
            Addresses of packed ones, where they are not the convolution's own.
        """
        placed = self.placed
        if self.copies:
            x = x.contiguous(memory_format=self.order)
        x = as_it_lies(x)
        y = self.room.empty()
        if residual is None:
            conv.run_at(*placed, x.data_ptr(), y.data_ptr(), 0, weights, bias)
        else:
            added = as_it_lies(residual.contiguous(memory_format=self.order))
            conv.run_at(*placed, x.data_ptr(), y.data_ptr(), added.data_ptr(), weights, bias)
        return y


class Bound(NamedTuple):
    """What calls with inputs of one shape and strides have in common."""

    entry: _Entry
    way: Way

    def run(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Convolve an input of that shape; `residual`, of the result's, is added before the activation."""
        return self.way.run(self.entry.conv, x, residual)


class Packed:
    """What was packed from some tensors, in every way in which they have been used.

    Parameters
    ----------
    fold : callable
        From the tensors to the weight and bias that they amount to.
    after : After
        What follows the sum.
    """

    def __init__(self, fold: Callable[..., tuple[Tensor, Tensor | None]], after: After = After()) -> None:  # noqa: B008
        self._fold, self._after = fold, after
        self._bound: dict[object, Bound] = {}
        self._entries: dict[object, _Entry] = {}
        self._lock = threading.Lock()

    def bind(self, x: Tensor, tensors: Tensors, call: Hashable, resolve: Resolve) -> Bound:
        """What convolves `x`, ready to run.

        Parameters
        ----------
        x : Tensor, shape (batch, channels, *spatial)
        tensors : tuple of Tensor or None
            What the weight and bias come from.
        call : hashable
            The convolution in whatever words the caller has for it.
        resolve : callable
            From these words, the input and the weight to the `Tweaks`; asked when a call is new.

        Returns
        -------
        Bound
            Whose result is in the order of the input or of the weight: channels_last where either is.
        """
        bound = self._bound.get((x.shape, x.stride(), x.dtype, call))
        now = stamp(*tensors)
        if bound is None or not (bound.entry.is_of(now) or self._repack(bound.entry, tensors, now)):
            return self._bind(x, tensors, call, resolve, now)
        return bound

    def forget(self) -> None:
        """Pack anew at the next call."""
        with self._lock:
            self._bound.clear()
            self._entries.clear()

    def _repack(self, entry: _Entry, tensors: Tensors, now: object) -> bool:
        """Keep weights that have changed in place of those before, if the same convolution computes with them."""
        with self._lock:
            conv = entry.packed_anew(*self._fold(*tensors))
            if conv is None:
                return False
            entry.conv = conv
            entry.note(tensors, now)
            return True

    def _bind(self, x: Tensor, tensors: Tensors, call: Hashable, resolve: Resolve, now: object) -> Bound:
        """What a call needs that is new."""
        with self._lock:
            weight, bias = self._fold(*tensors)
            tweaks = resolve(call, x, weight)
            channels_last = prefers_channels_last(x, weight)
            key = (tweaks, channels_last, x.dtype)
            entry = self._entries.get(key)
            if entry is None or not entry.is_of(now):
                conv = prepare(weight, bias, x.shape, tweaks, self._after, channels_last=channels_last)
                if len(self._entries) >= _MOST_PREPARED or len(self._bound) >= _MOST_CALLS:
                    self._bound.clear()
                    self._entries.clear()
                entry = self._entries[key] = _Entry(conv, weight, bias)
                entry.note(tensors, now)
            bound = Bound(entry, Way.of(x, entry.conv, channels_last=channels_last))
            self._bound[(x.shape, x.stride(), x.dtype, call)] = bound
            return bound


def packed(weight: Tensor, bias: Tensor | None) -> Packed:
    """What is kept for a weight and bias; it goes when either does."""
    key = (id(weight), id(bias))
    known = _known.get(key)
    if known is not None and known[0]() is weight:
        return known[1]

    def drop(_: object, key: tuple[int, int] = key) -> None:
        _known.pop(key, None)

    kept = Packed(_as_they_are)
    _known[key] = (weakref.ref(weight, drop), kept, None if bias is None else weakref.ref(bias, drop))
    return kept


def forget(module: torch.nn.Module) -> None:
    """Pack the weights of a module's convolutions anew when they are next used.

    To be called after a change of a few numbers that PyTorch does not count, such as ``weight.data[0] = 1``.

    Parameters
    ----------
    module : torch.nn.Module
        With all that is in it.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> conv = tweakconv.torch.Conv2d(1, 64, 1)
    >>> with torch.no_grad():
    ...     before = conv(torch.ones(1, 1, 1, 1))
    ...     conv.bias.data[5] += 1
    ...     tweakconv.torch.forget(conv)
    ...     print((conv(torch.ones(1, 1, 1, 1)) - before).sum().round())
    tensor(1.)
    """
    parameters = {id(tensor) for tensor in module.parameters()}
    for key, (_, kept, _) in list(_known.items()):
        if parameters & set(key):
            kept.forget()
    for part in module.modules():
        plan = part.__dict__.get("forward")
        if hasattr(plan, "forget"):
            plan.forget()


def _array(x: Tensor) -> FloatArray:
    array: FloatArray = as_it_lies(x.detach()).numpy()
    return array


def _as_they_are(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    return weight, bias


def _form(weight: Tensor, bias: Tensor | None) -> object:
    return weight.shape, weight.stride(), bias is None


def arrays(weight: Tensor, bias: Tensor | None) -> tuple[FloatArray, FloatArray | None]:
    """Weight and bias as tweakconv takes them."""
    kernel: FloatArray = weight.detach().numpy().transpose(kernel_axes(weight.dim() - 2))
    return kernel, None if bias is None else bias.detach().numpy()


def prepare(
    weight: Tensor,
    bias: Tensor | None,
    shape: tuple[int, ...],
    tweaks: Tweaks,
    after: After,
    *,
    channels_last: bool,
) -> PreparedConv:
    """A prepared convolution with these weights."""
    rank = len(tweaks.strides)
    kernel, addends = arrays(weight, bias)
    arguments: dict[str, Any] = after._asdict()
    if not tweaks.transposed:
        arguments["padding_mode"] = tweaks.padding_mode
    compile_conv = getattr(tc, f"compile_conv{rank}d{'_transpose' if tweaks.transposed else ''}")
    prepared: PreparedConv = compile_conv(
        kernel,
        addends,
        input_shape=tuple(shape[axis] for axis in to_last(rank)) if channels_last else tuple(shape),
        strides=tweaks.strides,
        padding=tweaks.pads,
        dilation_rate=tweaks.dilation,
        groups=tweaks.groups,
        data_format="channels_last" if channels_last else "channels_first",
        **arguments,
    )
    return prepared


_known: dict[tuple[int, int], tuple[weakref.ref[Tensor], Packed, weakref.ref[Tensor] | None]] = {}
