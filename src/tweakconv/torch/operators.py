"""The registered operators: a convolution, a transposed one, and the gradient of their weights.

Each is differentiable by the other two, as often as one likes, for all three are linear in each of their tensors: the
gradient of a convolution's input is a transposed convolution with the same weight, and the other way round. Pads come
flat, (lo, hi) of one axis after another. A transposed convolution is given its size, for the convolution that it is the
gradient of may have left pixels unread at the end. `keep` says whether what is packed from the weight may be kept until
PyTorch counts a change of it: so it is in compiled graphs. In training it is packed anew, for each step changes it.

Registered operators do not work under every composition of ``torch.func``'s transforms; ``torch.autograd.Function``
does, and is made of the same parts for them. Where nothing but autograd watches, functions of its older form are
called: they take 8 µs less than an operator, and 20 less than the newer form, of whose signature PyTorch asks often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from tweakconv.torch import native
from tweakconv.torch.layout import in_order, is_channels_last, like, prefers_channels_last
from tweakconv.torch.quiet import are_plain, is_quiet
from tweakconv.torch.tweaks import Pairs, Tweaks, size_of

Ints: TypeAlias = Sequence[int]
Dims: TypeAlias = tuple[int | None, ...]

_TWEAKS = "int[] strides, int[] pads, int[] dilation, int groups"
_SCHEMAS = {
    "convolution": f"(Tensor x, Tensor weight, Tensor? bias, {_TWEAKS}, bool keep) -> Tensor",
    "convolution_transpose": f"(Tensor x, Tensor weight, Tensor? bias, SymInt[] size, {_TWEAKS}, bool keep) -> Tensor",
    "kernel_grad": f"(Tensor x, Tensor grad, int[] kernel, {_TWEAKS}) -> Tensor",
}

_library = torch.library.Library("tweakconv", "DEF")
for _name, _schema in _SCHEMAS.items():
    _library.define(_name + _schema, tags=(torch.Tag.pt2_compliant_tag,))

_ops = torch.ops.tweakconv


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks) -> Tensor:
    """A convolution, ordinary or transposed, through the dispatcher."""
    flat = [pad for pair in tweaks.pads for pad in pair]
    plain = tweaks.strides, flat, tweaks.dilation, tweaks.groups, torch.compiler.is_compiling()
    if not tweaks.transposed:
        return _call("convolution", x, weight, bias, *plain)
    size = size_of(x.shape[2:], weight.shape[2:], tweaks)
    return _call("convolution_transpose", x, weight, bias, size, *plain)


def recorded(x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks) -> Tensor:
    """The same into autograd's graph alone, where nothing else watches: without the dispatcher's microseconds."""
    y: Tensor = _Recorded.apply(x, weight, bias, tweaks)
    return y


def _call(name: str, one: Tensor, other: Tensor, *rest: Any) -> Tensor:
    """An operation of two tensors and more: a gradient of another, which may be differentiated itself."""
    if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        y: Tensor = _functions[name].apply(one, other, *rest)
    elif is_quiet() and are_plain(one, other):
        y = (_recorded[name] if torch.is_grad_enabled() else _PARTS[name][0])(one, other, *rest)
    else:
        y = getattr(_ops, name).default(one, other, *rest)
    return y


@lru_cache(maxsize=1024)
def _plain(tweaks: Tweaks) -> tuple[Any, ...]:
    """What the operators are told of a convolution."""
    return tweaks.strides, tuple(pad for pair in tweaks.pads for pad in pair), tweaks.dilation, tweaks.groups


def _tweaks(strides: Ints, pads: Ints, dilation: Ints, groups: int, *, transposed: bool = False) -> Tweaks:
    """The opposite of `_plain`, of tuples that it gave or of the dispatcher's lists."""
    if type(pads) is tuple and not torch.compiler.is_compiling():
        return _known(strides, pads, dilation, groups, transposed)
    return Tweaks(tuple(strides), _pairs(pads), tuple(dilation), groups, transposed)


@lru_cache(maxsize=1024)
def _known(strides: Ints, pads: Ints, dilation: Ints, groups: int, transposed: bool) -> Tweaks:
    return Tweaks(tuple(strides), _pairs(pads), tuple(dilation), groups, transposed)


def _pairs(pads: Ints) -> Pairs:
    return tuple(zip(pads[::2], pads[1::2], strict=True))


# What runs.


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *plain_keep: Any) -> Tensor:
    *plain, keep = plain_keep
    return native.convolve(x, weight, bias, _tweaks(*plain), keep=keep)


def _convolution_transpose(x: Tensor, weight: Tensor, bias: Tensor | None, size: Ints, *plain_keep: Any) -> Tensor:
    *plain, keep = plain_keep
    tweaks = _fitting(x.shape[2:], weight.shape[2:], tuple(size), _tweaks(*plain, transposed=True))
    return native.convolve(x, weight, bias, tweaks, keep=keep)


@lru_cache(maxsize=1024)
def _fitting(pixels: torch.Size, kernel: torch.Size, size: tuple[int, ...], tweaks: Tweaks) -> Tweaks:
    """The transposed convolution that gives a result of a size."""
    plainly = size_of(pixels, kernel, tweaks)
    pads = ((lo, hi - (wanted - given)) for (lo, hi), wanted, given in zip(tweaks.pads, size, plainly, strict=True))
    return tweaks._replace(pads=tuple(pads))


def _kernel_grad(x: Tensor, grad: Tensor, kernel: Ints, *plain: Any) -> Tensor:
    return native.kernel_grad(x, grad, kernel, _tweaks(*plain))


# What only the shapes are asked of.


def _fake_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *plain: Any) -> Tensor:
    size = size_of(x.shape[2:], weight.shape[2:], _tweaks(*plain[:-1]))
    return like(x, (x.shape[0], weight.shape[0], *size), channels_last=prefers_channels_last(x, weight))


def _fake_convolution_transpose(x: Tensor, weight: Tensor, bias: Tensor | None, size: Ints, *plain: Any) -> Tensor:
    shape = (x.shape[0], weight.shape[1] * plain[-2], *size)
    return like(x, shape, channels_last=prefers_channels_last(x, weight))


def _fake_kernel_grad(x: Tensor, grad: Tensor, kernel: Ints, *plain: Any) -> Tensor:
    shape = grad.shape[1], x.shape[1] // plain[-1], *kernel
    return like(x, shape, channels_last=prefers_channels_last(x, grad))


# Gradients.


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Keep what the gradients that are wanted need, of two tensors whose product this is."""
    one, other, *rest = inputs
    ctx.save_for_backward(one if ctx.needs_input_grad[1] else None, other if ctx.needs_input_grad[0] else None)
    ctx.sizes = one.shape[2:], other.shape[2:]
    ctx.rest = rest


def _convolution_grads(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (x, weight), (size, kernel), (_, *plain, _) = ctx.saved_tensors, ctx.sizes, ctx.rest
    grad = _dense(grad)
    of_x = _input_grad(grad, weight, size, plain) if ctx.needs_input_grad[0] else None
    of_weight = _call("kernel_grad", x, grad, kernel, *plain) if ctx.needs_input_grad[1] else None
    return of_x, of_weight, _bias_grad(ctx, grad), *(None,) * 5


def _convolution_transpose_grads(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (x, weight), (_, kernel), (_, _, *plain, _) = ctx.saved_tensors, ctx.sizes, ctx.rest
    grad = _dense(grad)
    of_x = _call("convolution", grad, weight, None, *plain, False) if ctx.needs_input_grad[0] else None
    of_weight = _call("kernel_grad", grad, x, kernel, *plain) if ctx.needs_input_grad[1] else None
    return of_x, of_weight, _bias_grad(ctx, grad), *(None,) * 6


def _kernel_grad_grads(ctx: Any, of_weight: Tensor) -> tuple[Any, ...]:
    (x, grad), (size, _), (_, *plain) = ctx.saved_tensors, ctx.sizes, ctx.rest
    of_x = _input_grad(grad, of_weight, size, plain) if ctx.needs_input_grad[0] else None
    of_grad = _call("convolution", x, of_weight, None, *plain, False) if ctx.needs_input_grad[1] else None
    return of_x, of_grad, *(None,) * 5


def _input_grad(grad: Tensor, weight: Tensor, size: Ints, plain: Ints) -> Tensor:
    return _call("convolution_transpose", grad, weight, None, size, *plain, False)


def _dense(grad: Tensor) -> Tensor:
    """A gradient without gaps, copied once for all who read it: it may be a single number repeated, or cut out."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return grad
    return in_order(grad, channels_last=is_channels_last(grad.shape, grad.stride()))


def _bias_grad(ctx: Any, grad: Tensor) -> Tensor | None:
    return grad.sum((0, *range(2, grad.dim()))) if ctx.needs_input_grad[2] else None


def convolution_grads(
    x: Tensor | None,
    weight: Tensor | None,
    grad: Tensor,
    sizes: tuple[Ints, Ints],
    tweaks: Tweaks,
    wants: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of a convolution that are wanted, by operations that may be differentiated themselves.

    Parameters
    ----------
    x, weight : Tensor or None
        Where the gradient of the other is wanted.
    sizes : tuple of sequence of int
        Those of input and kernel.
    """
    extra = [size_of(*sizes, tweaks)] if tweaks.transposed else []
    ctx = SimpleNamespace(
        saved_tensors=(x, weight), sizes=sizes, rest=(None, *extra, *_plain(tweaks), False), needs_input_grad=wants
    )
    of_x, of_weight, of_bias, *_ = (_convolution_transpose_grads if extra else _convolution_grads)(ctx, grad)
    return of_x, of_weight, of_bias


class _Recorded(torch.autograd.Function):
    """A convolution, ordinary or transposed, whose gradients are nobody's business but autograd's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, tweaks: Tweaks) -> Tensor:
        """Convolve, and keep what the gradients that are wanted need."""
        of_x, of_weight, *_ = ctx.needs_input_grad
        ctx.save_for_backward(x if of_weight else None, weight if of_x else None)
        ctx.sizes, ctx.tweaks = (x.shape[2:], weight.shape[2:]), tweaks
        return native.convolve(x, weight, bias, tweaks, keep=False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """The gradients: at once, where they are not differentiated themselves."""
        tweaks, (size, kernel) = ctx.tweaks, ctx.sizes
        if torch.is_grad_enabled() or not (is_quiet() and are_plain(grad)):
            x, weight = ctx.saved_tensors
            return *convolution_grads(x, weight, grad, ctx.sizes, tweaks, ctx.needs_input_grad), None
        (x, weight), (wants_x, wants_weight, *_), of_x, of_weight = ctx.saved_tensors, ctx.needs_input_grad, None, None
        grad = _dense(grad)
        if wants_x:
            back = _opposite(tweaks, grad.shape[2:], kernel, size)
            of_x = native.convolve(grad, weight, None, back, keep=False)
        if wants_weight:
            one, other = (grad, x) if tweaks.transposed else (x, grad)
            of_weight = native.kernel_grad(one, other, kernel, _ordinary(tweaks))
        return of_x, of_weight, _bias_grad(ctx, grad), None


@lru_cache(maxsize=1024)
def _opposite(tweaks: Tweaks, pixels: torch.Size, kernel: torch.Size, size: torch.Size) -> Tweaks:
    """What computes the gradient of the input, of some size, from that of the result."""
    if tweaks.transposed:
        return _ordinary(tweaks)
    return _fitting(pixels, kernel, tuple(size), tweaks._replace(transposed=True))


def _ordinary(tweaks: Tweaks) -> Tweaks:
    return tweaks._replace(transposed=False) if tweaks.transposed else tweaks


# torch.vmap.


def _vmap(name: str, info: Any, in_dims: Dims, *arguments: Any) -> tuple[Tensor, int]:
    """One call with a larger batch where only the first tensor differs; else one after the other."""
    if name != "kernel_grad" and in_dims[0] is not None and not any(dim is not None for dim in in_dims[1:3]):
        x = arguments[0].movedim(in_dims[0], 0)
        y = _call(name, x.flatten(0, 1), *arguments[1:])
        return y.unflatten(0, x.shape[:2]), 0
    tensors = [
        a.unbind(dim) if isinstance(a, Tensor) and dim is not None else [a] * info.batch_size
        for a, dim in zip(arguments, in_dims, strict=True)
    ]
    each = [_call(name, *of_one) for of_one in zip(*tensors, strict=True)]
    return torch.stack(each), 0


_PARTS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], Callable[..., tuple[Any, ...]]]] = {
    "convolution": (_convolution, _fake_convolution, _convolution_grads),
    "convolution_transpose": (_convolution_transpose, _fake_convolution_transpose, _convolution_transpose_grads),
    "kernel_grad": (_kernel_grad, _fake_kernel_grad, _kernel_grad_grads),
}
_functions: dict[str, Any] = {}
_recorded: dict[str, Callable[..., Tensor]] = {}


def _older(name: str) -> Callable[..., Tensor]:
    """The function of the older form, which runs and keeps in one."""
    run, _, grads = _PARTS[name]

    def forward(ctx: Any, *inputs: Any) -> Tensor:
        y = run(*inputs)
        _keep(ctx, inputs, y)
        return y

    methods = {"forward": staticmethod(forward), "backward": staticmethod(grads)}
    apply: Callable[..., Tensor] = type(name, (torch.autograd.Function,), methods).apply  # type: ignore[attr-defined]
    return apply


def _register(name: str) -> None:
    run, fake, grads = _PARTS[name]
    qualified, vmap = f"tweakconv::{name}", partial(_vmap, name)
    _library.impl(name, run, "CompositeExplicitAutograd")
    torch.library.register_fake(qualified, fake, lib=_library)
    torch.library.register_autograd(qualified, grads, setup_context=_keep, lib=_library)
    torch.library.register_vmap(qualified, vmap, lib=_library)
    parts: dict[str, Callable[..., Any]] = {"forward": run, "setup_context": _keep, "backward": grads, "vmap": vmap}
    methods: dict[str, Any] = {part: staticmethod(function) for part, function in parts.items()}
    _functions[name] = type(name, (torch.autograd.Function,), methods)
    _recorded[name] = _older(name)


for _name in _PARTS:
    _register(_name)
