"""Calls on the PyTorch backend that come again: what they notice, though they look at as little as they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from tests.keras.harness import made
from torch import Tensor

import tweakconv.keras as tk
from tweakconv.keras import on_torch

SHAPE = (2, 7, 6, 4)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))


def layer(**arguments: Any) -> Any:
    """A layer whose kernel is square, so that it may be transposed."""
    rng = np.random.default_rng(4)
    weights = [rng.standard_normal((3, 3, 4, 4)), rng.standard_normal(4)]
    return made("Conv2D", {"filters": 4, "kernel_size": 3, **arguments}, weights, SHAPE)


def by_torch(of: Any, x: Tensor) -> Tensor:
    """The definition, by PyTorch's own operator."""
    kernel, bias = (variable.value.detach().double() for variable in of.weights)
    images = x.detach().double().permute(0, 3, 1, 2)
    return torch.nn.functional.conv2d(images, kernel.permute(3, 2, 0, 1), bias).permute(0, 2, 3, 1)


def check(of: Any, x: Tensor) -> None:
    """Two calls, of which the second comes again."""
    for _ in range(2):
        with torch.no_grad():
            torch.testing.assert_close(of(x).double(), by_torch(of, x), rtol=1e-4, atol=1e-4)


def remembered(of: Any) -> dict[int, Any]:
    calls: dict[int, Any] = of.__dict__["_tweakconv_known"].memory.latest
    return calls


CHANGES: dict[str, Callable[[Any], object]] = {
    "assigned": lambda of: of.kernel.assign(of.kernel.value * 2),
    "a bias assigned": lambda of: of.bias.assign(of.bias.value + 2),
    "in place": lambda of: of.kernel.value.detach().mul_(2),
    "through data": lambda of: of.kernel.value.data.mul_(2),
    "through NumPy": lambda of: np.multiply(of.kernel.value.detach().numpy(), 2, of.kernel.value.detach().numpy()),
    "other data": lambda of: setattr(of.kernel.value, "data", of.kernel.value.data * 2),
    "the same data transposed": lambda of: setattr(of.kernel.value, "data", of.kernel.value.data.transpose(2, 3)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_noticed(change: str, x: Tensor) -> None:
    of = layer()
    check(of, x)
    before = by_torch(of, x)
    CHANGES[change](of)
    assert not torch.allclose(by_torch(of, x), before)
    check(of, x)


INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "another one": lambda x: x + 1,
    "other strides": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "channels apart": lambda x: x.repeat_interleave(2, dim=-1)[..., ::2],
    "a sign that waits": torch._neg_view,
    "another batch": lambda x: torch.cat([x, x]),
    "a parameter": lambda x: torch.nn.Parameter(x, requires_grad=False),
}


@pytest.mark.parametrize("change", INPUTS)
def test_other_inputs_are_told_apart(change: str, x: Tensor) -> None:
    of = layer()
    check(of, x)
    check(of, INPUTS[change](x))
    check(of, x)


def test_gradients_are_recorded_where_they_are_wanted(x: Tensor) -> None:
    of = layer()
    check(of, x)
    wanted = x.clone().requires_grad_()
    assert of(x).requires_grad
    of.trainable = False
    assert not of(x).requires_grad
    y = of(wanted)
    y.sum().backward()
    again = x.double().requires_grad_()
    kernel = of.kernel.value.detach().double().permute(3, 2, 0, 1)
    torch.nn.functional.conv2d(again.permute(0, 3, 1, 2), kernel).sum().backward()
    assert wanted.grad is not None
    torch.testing.assert_close(wanted.grad.double(), again.grad, rtol=1e-4, atol=1e-4)


def test_whoever_looks_on_sees_what_is_done(x: Tensor) -> None:
    of = layer()
    check(of, x)
    expected = by_torch(of, x)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            assert of(x).dtype == torch.bfloat16
        each = torch.func.vmap(lambda one: of(one[None])[0])(x)
        compiled = torch.compile(of, backend="eager")(x)
    for y in (each, compiled):
        torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)
    assert of(keras.Input(SHAPE[1:])).shape == (None, 5, 4, 4)
    with keras.device("meta"):
        assert of(x.to("meta")).is_meta
    with torch.inference_mode():
        assert of(x).is_inference()
    check(of, x)


def test_scopes_of_keras_are_asked(x: Tensor) -> None:
    of = layer()
    check(of, x)
    other = layer()
    other.kernel.assign(of.kernel.value * 3)
    check(other, x)
    with torch.no_grad(), keras.StatelessScope(state_mapping=[(of.kernel, other.kernel.value)]):
        y = of(x)
    torch.testing.assert_close(y.double(), by_torch(other, x), rtol=1e-4, atol=1e-4)
    check(of, x)


@pytest.mark.parametrize("name", ["SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"])
def test_every_kind_of_layer_comes_again(name: str, x: Tensor) -> None:
    arguments = {"kernel_size": 3, **({} if name.startswith("Depthwise") else {"filters": 4})}
    of, theirs = (getattr(module, name)(**arguments) for module in (tk, keras.layers))
    for each in (of, theirs):
        each.build(SHAPE)
    theirs.set_weights(of.get_weights())
    with torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(of(x), theirs(x), rtol=1e-4, atol=1e-4)
    assert len(remembered(of)) == (2 if name.startswith("Separable") else 1)


def test_without_knowing_keras_scopes_values_are_asked_for(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    known, unknown = layer(), layer()
    check(known, x)
    monkeypatch.setattr(on_torch, "_scopes", None)
    check(unknown, x)
    assert len(remembered(known)) == 1
    assert not remembered(unknown)
