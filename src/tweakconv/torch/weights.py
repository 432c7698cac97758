"""Packed weights, kept for as long as the tensors they were packed from live and stay as they are.

A call that has been made before looks up what it needs by the shape and strides of its input, and runs. Whether a
weight has changed is asked at every call, of where it lies and of the version that PyTorch counts up with every change
in place: an optimiser's step, ``load_state_dict`` and ``weight.data = ...`` are noticed. What PyTorch does not count is
not: a change through ``weight.data`` (``weight.data.add_(1)``), through ``weight.detach().numpy()``, or through memory
that is shared with another process. `forget` is for those.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

import tweakconv as tc
from tweakconv.prepared import PreparedConv
from tweakconv.torch.layout import is_readable, kernel_axes, memory_format, prefers_channels_last, to_last
from tweakconv.torch.tweaks import Tweaks

Tensors: TypeAlias = tuple[Tensor | None, ...]
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
    """A prepared convolution, and the state of the tensors that it was packed from."""

    def __init__(self, conv: PreparedConv, stamp: object) -> None:
        self.conv, self.stamp = conv, stamp


class Bound(NamedTuple):
    """What calls with inputs of one shape and strides have in common.

    Attributes
    ----------
    shape : tuple of int
        Of the result.
    into : tuple of int
        The axes of a tensor in the order of memory; None for channels_first.
    order : torch.memory_format
        The same by PyTorch's name.
    copies : bool
        Whether pixels (of channels_first) or channels lie apart, so that the input is copied.
    """

    entry: _Entry
    shape: tuple[int, ...]
    into: tuple[int, ...] | None
    order: torch.memory_format
    copies: bool

    def run(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Convolve an input of that shape; `residual`, of the result's, is added before the activation."""
        entry, shape, into, order, copies = self
        if x.requires_grad:
            x = x.detach()
        if copies:
            x = x.contiguous(memory_format=order)
        # PyTorch allows a result to be changed in place, as activations are, where it is not a view.
        y = torch.empty(shape, dtype=x.dtype, memory_format=order)
        array, out, addends = x.numpy(), y.numpy(), None if residual is None else residual.numpy()
        if into is not None:
            array, out = array.transpose(into), out.transpose(into)
            addends = None if addends is None else addends.transpose(into)
        entry.conv(array, out, addends)
        return y


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
        self._held: Tensors = ()
        self._lock = threading.Lock()

    def bind(self, x: Tensor, tensors: Tensors, call: Hashable, resolve: Resolve, *, keep: bool = True) -> Bound:
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
        keep : bool
            Whether what was packed before will do, where PyTorch has counted no change since.

        Returns
        -------
        Bound
            Whose result is in the order of the input or of the weight: channels_last where either is.
        """
        bound = self._bound.get((x.shape, x.stride(), x.dtype, call))
        stamp = _stamp(tensors) if keep else object()
        if bound is None or bound.entry.stamp != stamp:
            return self._bind(x, tensors, call, resolve, stamp)
        return bound

    def forget(self) -> None:
        """Pack anew at the next call."""
        with self._lock:
            self._bound.clear()
            self._entries.clear()
            self._held = ()

    def _bind(self, x: Tensor, tensors: Tensors, call: Hashable, resolve: Resolve, stamp: object) -> Bound:
        """What a call needs that is new, or whose weights have changed."""
        with self._lock:
            weight, bias = self._fold(*tensors)
            tweaks = resolve(call, x, weight)
            channels_last = prefers_channels_last(x, weight)
            key = (tweaks, channels_last, x.dtype)
            entry = self._entries.get(key)
            if entry is None or entry.stamp != stamp:
                conv = None if entry is None else entry.conv
                conv = _pack(conv, weight, bias, x.shape, tweaks, self._after, channels_last=channels_last)
                if len(self._entries) >= _MOST_PREPARED or len(self._bound) >= _MOST_CALLS:
                    self._bound.clear()
                    self._entries.clear()
                if entry is None or self._entries.get(key) is not entry:
                    entry = self._entries[key] = _Entry(conv, stamp)
                else:
                    entry.conv, entry.stamp = conv, stamp
                # As long as these lie where they lie, nothing else can come to lie there.
                self._held = tuple(None if tensor is None else tensor.detach() for tensor in tensors)
            rank, layer = len(tweaks.strides), entry.conv.layer
            out_size = layer.geometry(tuple(x.shape[2:])).output_size
            bound = Bound(
                entry,
                (x.shape[0], layer.out_channels, *out_size),
                to_last(rank) if channels_last else None,
                memory_format(rank, channels_last=channels_last),
                copies=not is_readable(x, channels_last=channels_last),
            )
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

    To be called after a change that PyTorch does not count, such as ``weight.data.add_(1)``.

    Parameters
    ----------
    module : torch.nn.Module
        With all that is in it.

    Examples
    --------
    >>> import torch, tweakconv.torch
    >>> conv = tweakconv.torch.Conv2d(1, 1, 1, bias=False)
    >>> with torch.no_grad():
    ...     before = conv(torch.ones(1, 1, 1, 1))
    ...     _ = conv.weight.data.mul_(2)
    ...     tweakconv.torch.forget(conv)
    ...     print(torch.equal(conv(torch.ones(1, 1, 1, 1)), 2 * before))
    True
    """
    parameters = {id(tensor) for tensor in module.parameters()}
    for key, (_, kept, _) in list(_known.items()):
        if parameters & set(key):
            kept.forget()
    for part in module.modules():
        plan = part.__dict__.get("forward")
        if hasattr(plan, "forget"):
            plan.forget()


def _as_they_are(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    return weight, bias


def _stamp(tensors: Tensors) -> object:
    """What changes when one of the tensors does; equal to nothing where there is no telling."""
    try:
        return [
            None if tensor is None else (tensor.data_ptr(), tensor._version, tensor.shape, tensor.stride())
            for tensor in tensors
        ]
    except RuntimeError:  # tensors made under torch.inference_mode have no version
        return object()


def _pack(
    conv: PreparedConv | None,
    weight: Tensor,
    bias: Tensor | None,
    shape: tuple[int, ...],
    tweaks: Tweaks,
    after: After,
    *,
    channels_last: bool,
) -> PreparedConv:
    """A prepared convolution with these weights; `conv` is the one with those before, where there was one."""
    rank = len(tweaks.strides)
    kernel = weight.detach().permute(kernel_axes(rank)).numpy()
    addends = None if bias is None else bias.detach().numpy()
    if conv is not None and conv.layer.kernel_shape == kernel.shape:
        return conv.with_kernel(kernel, addends)
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
