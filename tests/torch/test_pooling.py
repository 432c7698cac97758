"""Maximum pooling in accelerated models: PyTorch's, to the bit, wherever it is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.test_memory_safety import guarded
from tests.test_targets import undefined_symbols
from torch import Tensor, nn
from torch.nn import functional as F

import tweakconv as tc
import tweakconv.torch as tt
from tweakconv.compiler import jit
from tweakconv.compiler.max_pool import MaxPoolPlan, emit
from tweakconv.compiler.target import TARGETS, get_target, runnable_targets
from tweakconv.torch import pooling
from tweakconv.torch.memory import Room
from tweakconv.torch.pooling import MaxPool

SHAPES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "as VGG does": ((2, 64, 14, 18), {"kernel_size": 2}),
    "as ResNet does": ((1, 32, 15, 20), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "an odd size, channels beyond vectors": ((3, 37, 9, 11), {"kernel_size": 2, "stride": 2}),
    "few channels": ((2, 3, 8, 7), {"kernel_size": 3, "stride": 1, "padding": 1}),
    "one channel": ((1, 1, 6, 5), {"kernel_size": 2, "stride": 1}),
    "other rows than columns": ((2, 17, 12, 13), {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)}),
    "the whole image": ((1, 20, 5, 4), {"kernel_size": (5, 4)}),
    "a large kernel, in a loop": ((1, 20, 20, 21), {"kernel_size": 19, "stride": 1, "padding": 9}),
    "more padding than pixels": ((1, 16, 1, 2), {"kernel_size": 4, "stride": 1, "padding": 2}),
}


def last(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers in channels_last, no two of them alike; some are NaN, and some infinite."""
    torch.manual_seed(5)
    x = torch.randn(shape, dtype=dtype)
    x[torch.rand(shape) < 0.01] = float("nan")
    x[torch.rand(shape) < 0.05] = float("-inf")
    x[torch.rand(shape) < 0.01] = float("inf")
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def is_same(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two results are equal, NaN included, and lie alike in memory."""
    return torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True) and ours.stride() == theirs.stride()


@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_every_window_is_pytorchs(name: str, dtype: torch.dtype, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWEAKCONV_TARGET", target)
    shape, numbers = SHAPES[name]
    theirs = nn.MaxPool2d(**numbers)
    ours, x = MaxPool(theirs), last(shape, dtype)
    assert is_same(ours(x), theirs(x))
    assert len(ours.ways) == (shape[1] > 1)  # one channel has no order of its own, and is left to PyTorch


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
)
def test_any_window_is_pytorchs(
    shape: tuple[int, ...], window: tuple[int, int], strides: tuple[int, int], pads: bool
) -> None:
    theirs = nn.MaxPool2d(window, strides, tuple(taps // 2 for taps in window) if pads else 0)
    x = last(shape)
    if any(taps > size + 2 * (taps // 2) * pads for taps, size in zip(window, shape[2:], strict=True)):
        with pytest.raises(RuntimeError, match="too small"):
            MaxPool(theirs)(x)
    else:
        assert is_same(MaxPool(theirs)(x), theirs(x))


@pytest.mark.parametrize("side", ["before", "behind"])
@pytest.mark.parametrize("name", SHAPES)
def test_nothing_beside_the_arrays_is_touched(name: str, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, numbers = SHAPES[name]
    theirs, x = nn.MaxPool2d(**numbers), last(shape)
    held = torch.from_numpy(guarded(x.permute(0, 2, 3, 1).contiguous().numpy(), side)).permute(0, 3, 1, 2)

    def empty(room: Room) -> Tensor:
        batch, channels, *size = room.shape
        return torch.from_numpy(guarded(torch.zeros(batch, *size, channels).numpy(), side)).permute(0, 3, 1, 2)

    monkeypatch.setattr(Room, "empty", empty)
    assert torch.allclose(MaxPool(theirs)(held), theirs(x), rtol=0, atol=0, equal_nan=True)


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    theirs, x = nn.MaxPool2d(3, 2, 1), last((3, 96, 61, 59))
    before = tc.get_num_threads()
    try:
        for threads in (1, 2, 3):
            tc.set_num_threads(threads)
            assert is_same(MaxPool(theirs)(x), theirs(x))
    finally:
        tc.set_num_threads(before)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("double", [False, True])
def test_its_code_calls_nothing_outside_of_itself(double: bool, target: str) -> None:
    plan = MaxPoolPlan((3, 3), (2, 2), 37, double, TARGETS[target])
    assert undefined_symbols(jit.compile_module(emit(plan), TARGETS[target])) == []


@pytest.mark.parametrize(
    ("numbers", "x"),
    [
        ({"kernel_size": 2, "ceil_mode": True}, last((1, 4, 7, 7))),
        ({"kernel_size": 2, "dilation": 2}, last((1, 4, 7, 7))),
        ({"kernel_size": 2}, torch.randn(2, 4, 7, 7)),
        ({"kernel_size": 2}, last((2, 4, 8, 8))[:, :, ::2, ::2]),
        ({"kernel_size": 2}, last((2, 4, 8, 8)).half()),
        ({"kernel_size": 2}, torch.randn(4, 7, 7)),
        ({"kernel_size": 2}, last((2, 4, 8, 8))[:0]),
        ({"kernel_size": (2,)}, last((2, 4, 8, 8))),
        ({"kernel_size": 2, "stride": []}, last((2, 4, 8, 8))),
        ({"kernel_size": 2}, torch.randn(2, 1, 8, 8)),
        ({"kernel_size": 2, "stride": 1, "padding": 1}, torch.randn(2, 8, 1, 1)),
    ],
    ids=[
        "ceil_mode",
        "dilation",
        "channels_first",
        "gaps",
        "half",
        "no batch",
        "an empty batch",
        "one number in a list",
        "no strides",
        "one channel, in either order",
        "one pixel, in either order",
    ],
)
def test_the_rest_is_left_to_pytorch(numbers: dict[str, Any], x: Tensor) -> None:
    theirs = nn.MaxPool2d(**numbers)
    ours = MaxPool(theirs)
    assert is_same(ours(x), theirs(x))
    assert not ours.ways


def test_other_devices_and_what_a_module_was_made_to_do_are_looked_at_in_every_call() -> None:
    theirs, x = nn.MaxPool2d(2), last((1, 4, 8, 8))
    ours = MaxPool(theirs)
    assert is_same(ours(x), theirs(x))
    assert ours(x.to("meta")).device.type == "meta"
    theirs.forward = lambda x: x + 1  # type: ignore[method-assign]
    assert is_same(ours(x), x + 1)


def test_code_of_large_kernels_is_short() -> None:
    small, large = (emit(MaxPoolPlan((size, size), (1, 1), 20, False, get_target())) for size in (5, 200))
    assert len(large) < len(small)


class Namesakes(nn.Module):
    """Parts by names that something added could have, and two whose names are one without their dots."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleDict({"conv": nn.Conv2d(3, 8, 1)})
        self.first_conv = nn.Conv2d(8, 8, 1)
        for number in range(12):
            self.add_module(f"pool{number}", nn.AvgPool2d(2))
            self.add_module(f"fused{number}", nn.Softmax(1))

    def forward(self, x: Tensor) -> Tensor:
        y = F.max_pool2d(self.first_conv(self.first["conv"](x)), 2)
        for number in range(12):
            y = (
                y
                + self.get_submodule(f"fused{number}")(y)
                + F.interpolate(self.get_submodule(f"pool{number}")(y), y.shape[2:])
            )
        return y


def test_names_of_the_models_own_are_left_alone() -> None:
    torch.manual_seed(4)
    theirs = Namesakes().eval()
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        expected = theirs(x)
        torch.testing.assert_close(tt.accelerate(theirs)(x), expected, rtol=1e-4, atol=1e-4)


def test_pools_that_somebody_made_do_something_else_are_left_alone() -> None:
    theirs, ours = accelerated()
    for model in (theirs, ours):
        model.pool.forward = lambda x: x[:, :, :10, :10] * 2
    x = torch.randn(2, 3, 24, 25)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


class Net(nn.Module):
    """A network that pools in every way that people write."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 20, 3), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pool(F.relu(self.conv(x)))
        y = F.max_pool2d(y, 3, 1, padding=1) + torch.max_pool2d(y, (3, 1), 1, [1, 0])
        return y + F.max_pool2d(input=y, kernel_size=1, return_indices=True)[1]


def accelerated() -> tuple[Net, Net]:
    torch.manual_seed(3)
    theirs, ours = Net().eval(), Net().eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, tt.accelerate(ours)


def test_accelerated_models_pool_here_and_notice_changes() -> None:
    theirs, ours = accelerated()
    x, watched = torch.randn(2, 3, 24, 25), []
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
        [trace] = ours.__dict__["forward"]._traces.values()
        pools = [module for module in trace.graph.modules() if isinstance(module, MaxPool)]
        assert [len(pool.ways) for pool in pools] == [1, 1, 1]
        for model in (theirs, ours):
            model.pool.kernel_size, model.pool.stride = 3, 1
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
        ours.pool.register_forward_hook(lambda *seen: watched.append(seen))
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
        assert len(watched) == 1
        theirs.pool, ours.pool = nn.AvgPool2d(2), nn.AvgPool2d(2)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_gradients_are_pytorchs() -> None:
    theirs, ours = accelerated()
    grads = []
    for model in (theirs, ours):
        x = torch.ones(1, 3, 12, 13).requires_grad_()
        model(x).sum().backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)


def test_the_target_is_the_processors() -> None:
    way = pooling._Way.of(last((1, 4, 8, 8)), pooling._Asked.of(nn.MaxPool2d(2)))
    assert way.code is pooling.code(MaxPoolPlan((2, 2), (2, 2), 4, False, get_target()))
