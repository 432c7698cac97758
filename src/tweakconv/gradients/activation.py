"""The gradient through a fused activation, from what the forward pass keeps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tweakconv.activations import Activation
from tweakconv.arrays import FloatArray, address, as_input, check_out, empty_aligned
from tweakconv.compiler import threads
from tweakconv.compiler.call import Space
from tweakconv.compiler.launch import launch
from tweakconv.compiler.target import get_target

_FROM_SUMS = ("silu", "gelu", "hard_swish")
"""Activations that give one result for several sums, which therefore do not tell their slope."""


def activation_keeps(activation: str | None, negative_slope: float | None = None) -> str | None:
    """What the forward pass has to keep for `activation_grad`.

    Parameters
    ----------
    activation, negative_slope
        As in `tweakconv.conv2d`.

    Returns
    -------
    str or None
        "result" where the result of the fused convolution is enough; "sum" where it does not tell the slope, and the
        sums are needed: then the forward pass computes without `activation`, keeps what comes out, and applies the
        activation to it. None for no activation.

    Raises
    ------
    ValueError, TypeError
        As `tweakconv.conv2d`.

    Examples
    --------
    >>> activation_keeps("relu"), activation_keeps("gelu"), activation_keeps(None)
    ('result', 'sum', None)
    """
    return _kept(Activation.of(activation, negative_slope))


def _kept(activation: Activation | None) -> str | None:
    if activation is None:
        return None
    ambiguous = activation.name == "leaky_relu" and activation.negative_slope <= 0
    return "sum" if ambiguous or activation.name in _FROM_SUMS else "result"


def activation_grad(
    grad: ArrayLike,
    kept: ArrayLike,
    activation: str | None,
    negative_slope: float | None = None,
    out: FloatArray | None = None,
) -> FloatArray:
    """The gradient with respect to the sums of a convolution, from that with respect to its activation's result.

    It is `grad` times the slope of the activation. Where a slope jumps it is PyTorch's: that of "relu", "relu6" and
    "hard_sigmoid" is 0 and that of "leaky_relu" `negative_slope` at the corners; a NaN in `kept` counts as between
    them.

    Parameters
    ----------
    grad : array_like
        The gradient with respect to the result; float32 or float64.
    kept : array_like
        The result or the sums, as `activation_keeps` says; of the shape and type of `grad`.
    activation, negative_slope
        As in `tweakconv.conv2d`; None returns `grad`.
    out : ndarray, optional
        Where to write the result: of the shape of `grad`, in C order; it may be `grad` itself.

    Returns
    -------
    ndarray
        Of the shape and type of `grad`. It is the gradient with respect to a residual as well.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> activation_grad(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.5, 2.0]), "relu")
    array([0., 2., 3.])
    """
    chosen = Activation.of(activation, negative_slope)
    grads = as_input("grad", grad)
    if out is not None:
        check_out(out, grads.shape, grads.dtype, *(() if out is grads else (grads,)))
    if chosen is None:
        if out is None:
            return grads
        out[...] = grads
        return out
    values = as_input("kept", kept, grads.dtype)
    if values.shape != grads.shape:
        raise ValueError(
            f"kept: received shape {values.shape}; that of grad, {grads.shape}, is needed: the {_kept(chosen)} of the "
            "forward pass"
        )
    if out is None:
        out = empty_aligned(grads.shape, grads.dtype)
    elif values is not grads and np.may_share_memory(out, values):
        values = values.copy()
    if grads.size:
        _run(chosen, np.ascontiguousarray(grads), np.ascontiguousarray(values), out)
    return out


def _run(activation: Activation, grad: FloatArray, kept: FloatArray, out: FloatArray) -> None:
    from tweakconv.compiler.activation_grad import ActivationGradPlan, code  # noqa: PLC0415 - loaded when needed

    compiled = code(ActivationGradPlan(activation, grad.dtype == np.float64, get_target()))
    integers = np.array([grad.size], np.int64)
    used = threads.worth(threads.get_num_threads(), 0, grad.nbytes)
    arrays = (address(grad), address(kept), 0, address(out), 0)
    launch(compiled, arrays, integers.ctypes.data, Space(0), used)
