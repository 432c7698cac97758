"""The operation on the PyTorch backend.

Where nobody watches, as in inference, a prepared convolution reads the tensors' memory as it lies, in Keras' order.
Where a gradient may be asked for, or a compiler traces, the operators of `tweakconv.torch` are called. Their tensors
are (batch, channels, *spatial) and its weights (out, in, *kernel), as which Keras' memory is viewed; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import keras
import torch
from torch import Tensor
from torch.nn import functional as F

from tweakconv.geometry import effective_kernel
from tweakconv.geometry.padding import cuts, padding_per_axis
from tweakconv.geometry.padding import pads as pads_of
from tweakconv.keras.operation import Operation
from tweakconv.keras.recorded import is_recordable, recorded
from tweakconv.ops.general import prepare
from tweakconv.prepared import PreparedConv
from tweakconv.torch import functional as operators
from tweakconv.torch.changes import Seen, stamp
from tweakconv.torch.layout import DTYPES, is_computable
from tweakconv.torch.quiet import are_plain, is_quiet, wants_gradient
from tweakconv.torch.weights import Way

FUSES = True
SUPPORTS_JIT = True

_MOST = 8
"""Ways to use the weights of one layer that are kept packed."""

_MOST_SHAPES = 64
"""Shapes of inputs that are remembered for each."""

_THEIR_MODES = {"zeros": "zeros", "reflect": "reflect", "symmetric": "symmetric", "edge": "replicate",
                "wrap": "circular"}  # fmt: skip

try:
    from keras.src.backend.common.global_state import GLOBAL_STATE_TRACKER as _scopes
except ImportError:  # then variables are asked for their tensors
    _scopes = None

_ACTIVATIONS: dict[str | None, Any] = {
    None: lambda y: y,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda y: F.leaky_relu(y, 0.2),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "elu": F.elu,
}


class _Entry(NamedTuple):
    """A prepared convolution, the state of the tensors it was packed from, and how inputs go through it."""

    stamp: object
    seen: Seen
    conv: PreparedConv
    ways: dict[tuple[torch.Size, tuple[int, ...]], Way]


class _Latest(NamedTuple):
    """A call that nobody watched: what came in, and how to make it again.

    Attributes
    ----------
    weights, addends : Tensor
        What was behind the variables `kernel` and `bias`.
    empty : callable
        Room for a result.
    run : callable
        From the address of an input to that of a result.
    """

    operation: Operation
    kernel: keras.Variable
    bias: keras.Variable | None
    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    weights: Tensor
    addends: Tensor | None
    entry: _Entry
    empty: Callable[[], Tensor]
    run: Callable[[int, int], None]


class Memory:
    """The weights that a layer has packed, for calls that nobody watches."""

    def __init__(self) -> None:
        self.entries: dict[tuple[Operation, torch.dtype], _Entry] = {}
        self.latest: dict[int, _Latest] = {}

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        """A copy remembers nothing yet."""
        return Memory, ()


def convolve(memory: Memory, operation: Operation, inputs: Any, kernel: Any, bias: Any) -> Any:
    """The outputs, of the type of the inputs."""
    if is_quiet():
        latest = memory.latest.get(id(kernel))
        if latest is not None and _is_again(latest, operation, inputs, kernel, bias):
            y = latest.empty()
            latest.run(inputs.data_ptr(), y.data_ptr())
            return y
    x = inputs if isinstance(inputs, Tensor) else keras.ops.convert_to_tensor(inputs)
    weights, addends = _value(kernel), _value(bias)
    if x.dtype not in DTYPES:
        wide = (None if array is None else array.float() for array in (weights, addends))
        return convolve(Memory(), operation, x.float(), *wide).to(x.dtype)
    if is_quiet() and are_plain(x, weights, addends) and is_computable(x, weights, addends):
        if not wants_gradient(x, weights, addends):
            entry = _entry_of(memory, operation, x, weights, addends)
            way = _way_of(entry, x)
            if _is_variable(kernel) and (bias is None or _is_variable(bias)) and not way.copies:
                if len(memory.latest) >= _MOST:
                    memory.latest.clear()
                form, run = (x.shape, x.stride(), x.dtype), entry.conv.runner(*way.placed)
                latest = _Latest(operation, kernel, bias, *form, weights, addends, entry, way.room.empty, run)
                memory.latest[id(kernel)] = latest
            return way.run(entry.conv, x)
        if is_recordable(operation):
            plain = operation._replace(activation=None) if operation.activation else operation
            return _ACTIVATIONS[operation.activation](recorded(x, weights, addends, plain))
    return _watched(operation, x, weights, addends)


def _value(array: Any) -> Any:
    if array is None or isinstance(array, Tensor):
        return array
    return array.value if isinstance(array, keras.Variable) else array


def _is_variable(array: Any) -> bool:
    """Whether it is a variable of which is known how to find its tensor."""
    return type(array) is keras.Variable and _scopes is not None


def _is_again(latest: _Latest, operation: Operation, x: Any, kernel: Any, bias: Any) -> bool:
    """Whether a call where nobody looks on is the latest one again, but for the numbers in its input.

    `keras.Variable.value` takes microseconds; outside of all scopes it is the variable's own tensor.
    """
    if not (latest.operation is operation and latest.kernel is kernel and latest.bias is bias and type(x) is Tensor):
        return False
    if not (x.layout is torch.strided and x.dtype is latest.dtype and x.is_cpu) or x.is_neg():
        return False
    if x.shape != latest.shape or x.stride() != latest.strides:
        return False
    scopes, weights, addends, entry = vars(_scopes), latest.weights, latest.addends, latest.entry
    return (
        kernel._value is weights
        and (bias is None or bias._value is addends)
        and scopes.get("stateless_scope") is None
        and scopes.get("autocast_scope") is None
        and scopes.get("torch_device") is None
        and weights.dtype is latest.dtype
        and not wants_gradient(x, weights, addends)
        and entry.stamp == stamp(weights, addends)
        and not entry.seen.differs()
    )


def _entry_of(memory: Memory, operation: Operation, x: Tensor, kernel: Tensor, bias: Tensor | None) -> _Entry:
    """The weights packed, for inputs of this type."""
    entry, now = memory.entries.get((operation, x.dtype)), stamp(kernel, bias)
    if entry is None or entry.stamp != now or entry.seen.differs():
        entry = _packed(operation, x, kernel, bias, now)
        if len(memory.entries) >= _MOST:
            memory.entries.clear()
        memory.entries[operation, x.dtype] = entry
    return entry


def _way_of(entry: _Entry, x: Tensor) -> Way:
    key = x.shape, x.stride()
    way = entry.ways.get(key)
    if way is None:
        if len(entry.ways) >= _MOST_SHAPES:
            entry.ways.clear()
        way = entry.ways[key] = Way.of_arrays(x, entry.conv)
    return way


def _packed(operation: Operation, x: Tensor, kernel: Tensor, bias: Tensor | None, now: object) -> _Entry:
    seen = Seen((kernel, bias))
    weights = kernel.detach().numpy().reshape(operation.kernel_shape(tuple(kernel.shape)))
    addends = None if bias is None else bias.detach().numpy()
    shape = tuple(x.shape)
    tweaks = operation.tweaks(operation.channels(shape))
    conv = prepare(operation.rank, weights, addends, shape, tweaks, None, None, "auto", False)
    return _Entry(now, seen, conv, {})


def _watched(operation: Operation, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Through the operators that PyTorch differentiates and compiles, and that send other devices elsewhere."""
    rank, last = operation.rank, operation.channels_last
    images = x.permute(0, rank + 1, *range(1, rank + 1)) if last else x
    if operation.padding_mode == "constant":
        images, operation = _surrounded(images, operation, tuple(kernel.shape[:rank]))
    weight = kernel
    if operation.kind == "depthwise":
        weight = kernel.reshape(operation.kernel_shape(tuple(kernel.shape)))
    weight = weight.permute(rank + 1, rank, *range(rank))
    call = _call(operation, images.shape[1], kernel.shape[:rank])
    activated: Tensor = _ACTIVATIONS[operation.activation](operators.convolve(images, weight, bias, call))
    return activated.permute(0, *range(2, rank + 2), 1) if last else activated


def _call(operation: Operation, channels: int, kernel: Sequence[int]) -> operators.Call:
    """The same in PyTorch's words."""
    known = _known_call.__wrapped__ if torch.compiler.is_compiling() else _known_call
    return known(operation, channels, tuple(kernel))


@lru_cache(maxsize=1024)
def _known_call(operation: Operation, channels: int, kernel: tuple[int, ...]) -> operators.Call:
    tweaks = operation.tweaks(channels)
    padding = _cuts(operation, kernel) if tweaks.transposed else tweaks.padding
    mode = _THEIR_MODES[operation.padding_mode]
    return operators.Call(
        operation.rank, tweaks.strides, padding, tweaks.dilation_rate, tweaks.groups, mode, transposed=tweaks.transposed
    )


@lru_cache(maxsize=1024)
def _cuts(operation: Operation, kernel: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """What a transposed convolution cuts, in numbers: Keras' names and output paddings mean other ones in PyTorch."""
    each = padding_per_axis(operation.padding, operation.rank, transposed=True)
    spans = (effective_kernel(taps, apart) for taps, apart in zip(kernel, operation.dilation_rate, strict=True))
    extras = operation.output_padding or (None,) * operation.rank
    return tuple(cuts(*axis) for axis in zip(each, spans, operation.strides, extras, strict=True))


def _surrounded(images: Tensor, operation: Operation, kernel: tuple[int, ...]) -> tuple[Tensor, Operation]:
    """The images with a constant around them, or cropped, and what is left to be done with them."""
    each = padding_per_axis(operation.padding, operation.rank)
    spans = (effective_kernel(taps, apart) for taps, apart in zip(kernel, operation.dilation_rate, strict=True))
    pads = [pads_of(*axis) for axis in zip(each, images.shape[2:], spans, operation.strides, strict=True)]
    flat = [pad for pair in reversed(pads) for pad in pair]
    rest = operation._replace(padding="valid", padding_mode="zeros", constant_value=0.0)
    return F.pad(images, flat, value=operation.constant_value), rest
