"""Large results lie in memory that is used again, but never while anything still sees it."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tweakconv.torch as tt
from tweakconv.torch import memory

SHAPE = (1, 4, 300, 320)


def module(channels: int = 8, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    """PyTorch's and ours; results of `SHAPE` have 3 MB."""
    torch.manual_seed(3)
    theirs, ours = (of(4, channels, 3, padding=1).to(dtype) for of in (nn.Conv2d, tt.Conv2d))
    ours.load_state_dict(theirs.state_dict())
    return theirs.requires_grad_(False), ours.requires_grad_(False)


@pytest.fixture(autouse=True)
def _nothing_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    monkeypatch.setattr(memory, "_idle", memory._Idle())


def test_memory_that_was_let_go_of_serves_the_next_call() -> None:
    theirs, ours = module()
    x = torch.randn(SHAPE)
    y = ours(x)
    assert y.numel() * 4 >= memory.LARGE_BYTES
    at = y.data_ptr()
    assert at % 64 == 0
    del y
    y = ours(2 * x)
    assert y.data_ptr() == at
    torch.testing.assert_close(y, theirs(2 * x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("keep", [lambda y: y, lambda y: y[0, 1:2], lambda y: y.numpy(), lambda y: y.untyped_storage()])
def test_what_anything_still_sees_is_left_alone(keep: Any) -> None:
    theirs, ours = module()
    x = torch.randn(SHAPE)
    kept = keep(ours(x))
    others = [ours(-x) for _ in range(3)]
    expected = keep(theirs(x))
    if isinstance(kept, torch.UntypedStorage):
        assert not {kept.data_ptr()} & {other.data_ptr() for other in others}
    else:
        np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-4)


def test_results_are_changed_in_place_and_shared_as_any_tensor() -> None:
    theirs, ours = module()
    x = torch.randn(SHAPE)
    y, expected = ours(x).relu_().add_(1), theirs(x).relu_().add_(1)
    assert not y._is_view()
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4)
    assert y.share_memory_().is_shared()
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_types_and_channels_last(dtype: torch.dtype) -> None:
    theirs, ours = module(16, dtype)
    x = torch.randn(SHAPE).to(dtype).contiguous(memory_format=torch.channels_last)
    for _ in range(2):
        y = ours(x)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(y.double(), theirs(x).double(), rtol=2e-2, atol=2e-2)


def test_gradients_of_large_results() -> None:
    theirs, ours = (each.requires_grad_() for each in module())
    x = torch.randn(SHAPE)
    grads = []
    for each in (theirs, ours):
        given = x.clone().requires_grad_()
        each(given).square().sum().backward()
        grads.append([given.grad, each.weight.grad])
    for theirs_grad, ours_grad in zip(*grads, strict=True):
        torch.testing.assert_close(ours_grad, theirs_grad, rtol=1e-3, atol=1e-2)


def test_at_most_64_mb_are_kept() -> None:
    def idle() -> int:
        return sum(block.nbytes for blocks in memory._idle._blocks.values() for block in blocks)

    def held(numbers: list[int]) -> list[Tensor]:
        return [memory.Room((size,), (1,), torch.uint8, size).empty() for size in numbers]

    most = memory.MOST_IDLE_BYTES + 64 * 64
    tensors = held([20 << 20, 30 << 20, 25 << 20, 65 << 20])
    del tensors
    gc.collect()
    assert 20 << 20 <= idle() <= most
    tensors = held([2 << 20] * 40)
    del tensors
    gc.collect()
    assert idle() <= most
    assert held([2 << 20])[0].numel() == 2 << 20


def test_several_threads() -> None:
    _, ours = module()
    x = torch.randn(SHAPE)
    expected, wrong = ours(x).clone(), []

    def calls() -> None:
        for _ in range(20):
            y = ours(x)
            if not torch.equal(y, expected):
                wrong.append(y)

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
