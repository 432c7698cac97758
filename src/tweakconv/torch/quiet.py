"""Whether anything of PyTorch's looks on while tensors are computed with, or only the result matters."""

from __future__ import annotations

import torch
from torch import _C, Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

_PLAIN = (Tensor, Parameter)

# Found once: small layers are called thousands of times a second.
_is_compiling, _is_autocast_enabled = torch.compiler.is_compiling, torch.is_autocast_enabled
_modes, _function_modes = _C._len_torch_dispatch_stack, _C._len_torch_function_stack
_transform, _tracing_state = _C._functorch.peek_interpreter_stack, _C._get_tracing_state


def is_quiet() -> bool:
    """Whether no compiler, tracer, mode or transform of PyTorch's is at work."""
    return not (
        _is_compiling()
        or _modes()
        or _function_modes()
        or _transform() is not None
        or _tracing_state() is not None
        or forward_ad._current_level >= 0
        or _is_autocast_enabled("cpu")
    )


def are_plain(*tensors: Tensor | None) -> bool:
    """Whether these are tensors, or None, and of no class of somebody's that sees what is done to them.

    Examples
    --------
    >>> are_plain(torch.zeros(1), None), are_plain(torch.nn.Buffer(torch.zeros(1)))
    (True, True)
    """
    for tensor in tensors:  # noqa: SIM110 - in half the time that `all` takes
        if tensor is not None and type(tensor) not in _PLAIN:
            return False
    return True


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Whether a graph is recorded of what is computed from these.

    Examples
    --------
    >>> wants_gradient(torch.zeros(1, requires_grad=True), None), wants_gradient(torch.zeros(1))
    (True, False)
    """
    if not torch.is_grad_enabled():
        return False
    for tensor in tensors:  # noqa: SIM110 - as above
        if tensor is not None and tensor.requires_grad:
            return True
    return False
