"""The registered operators keep PyTorch's rules: under autograd, torch.func, torch.compile, torch.export, tracing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.torch.layers import LAYERS
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap
from torch.library import opcheck
from torch.nn import functional as F

import tweakconv.torch as tt

OPS = torch.ops.tweakconv

# PyTorch's own code for forward-mode derivatives and tracing uses what PyTorch advises against.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::torch.jit.TracerWarning")


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()


TWEAKS = ([2, 1], [1, 0, 2, 1], [1, 2], 2)
SAMPLES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "convolution": (OPS.convolution.default, (draw(2, 4, 5, 6), draw(6, 2, 3, 2), draw(6), *TWEAKS, False)),
    "one axis": (OPS.convolution.default, (draw(2, 4, 9), draw(6, 4, 3), None, [2], [1, 1], [1], 1, True)),
    "three axes": (
        OPS.convolution.default,
        (draw(1, 2, 3, 4, 3), draw(3, 2, 2, 2, 2), draw(3), [1, 2, 1], [0, 0, 1, 0, 0, 0], [1, 1, 1], 1, False),
    ),
    "channels_last": (
        OPS.convolution.default,
        (
            draw(2, 4, 5, 6).detach().contiguous(memory_format=torch.channels_last).requires_grad_(),
            draw(3, 4, 3, 3),
            draw(3),
            [1, 1],
            [1, 1, 1, 1],
            [1, 1],
            1,
            False,
        ),
    ),
    "transposed": (
        OPS.convolution_transpose.default,
        (draw(2, 6, 3, 4), draw(6, 2, 3, 2), draw(4), [7, 5], [2, 1], [0, 0, 0, 0], [1, 1], 2, False),
    ),
    "transposed, with pixels left over": (
        OPS.convolution_transpose.default,
        (draw(2, 3, 3, 4), draw(3, 2, 3, 2), None, [8, 9], [2, 2], [0, 0, 0, 0], [1, 1], 1, False),
    ),
    "kernel_grad": (
        OPS.kernel_grad.default,
        (draw(2, 4, 5, 6), draw(2, 6, 3, 5), [3, 2], [2, 1], [1, 1, 0, 0], [1, 1], 2),
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_operators_pass_pytorchs_own_check(name: str) -> None:
    op, arguments = SAMPLES[name]
    assert set(opcheck(op, arguments).values()) == {"SUCCESS"}


@pytest.mark.parametrize("name", SAMPLES)
def test_derivatives_are_those_of_finite_differences_twice_over(name: str) -> None:
    op, arguments = SAMPLES[name]
    if name == "one axis":  # checks change weights where PyTorch does not count it, which `keep` relies on
        arguments = (*arguments[:-1], False)
    tensors = [argument for argument in arguments if isinstance(argument, Tensor)]

    def call(*given: Tensor) -> Any:
        left = list(given)
        return op(*(left.pop(0) if isinstance(argument, Tensor) else argument for argument in arguments))

    assert gradcheck(call, tensors, fast_mode=True)
    assert gradgradcheck(call, tensors, fast_mode=True)


def test_the_functions_are_differentiable_twice_whatever_the_padding() -> None:
    def padded(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return tt.conv2d(x, weight, bias, stride=2, padding="same", padding_mode="reflect")

    def transposed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return tt.conv_transpose2d(x, weight, bias, stride=(2, 1), padding=((1, 0), (-1, 0)), output_padding=(1, 0))

    for call, shapes in (
        (padded, ((1, 2, 5, 4), (3, 2, 3, 3), (3,))),
        (transposed, ((1, 2, 3, 3), (2, 3, 3, 2), (3,))),
    ):
        tensors = [draw(*shape, seed=seed) for seed, shape in enumerate(shapes)]
        assert gradcheck(call, tensors, fast_mode=True)
        assert gradgradcheck(call, tensors, fast_mode=True)


def test_a_gradient_penalty_is_pytorchs() -> None:
    theirs, ours = LAYERS["strided, on an even size"].pair(torch.float64)
    found = []
    for module in (theirs, ours):
        x = LAYERS["strided, on an even size"].input(torch.float64).requires_grad_()
        (slope,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
        slope.norm().backward()
        found.append((x.grad, module.weight.grad, module.bias.grad))
    for mine, yours in zip(*found, strict=True):
        torch.testing.assert_close(mine, yours)


@pytest.mark.parametrize("batched", [(0, None), (None, 0), (0, 0), (2, 1)])
def test_vmap_computes_each_as_it_would_alone(batched: tuple[int | None, int | None]) -> None:
    x, weight, bias = torch.randn(3, 2, 4, 6, 7), torch.randn(5, 3, 4, 3, 3), torch.randn(5)
    given = [
        tensor.movedim(0 if tensor is x else 1, dim) if dim is not None else tensor[0] if tensor is x else tensor[:, 0]
        for tensor, dim in zip((x, weight), batched, strict=True)
    ]

    def call(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda one, kernel: function(one, kernel, bias, stride=2, padding=1)

    ours = vmap(call(tt.conv2d), in_dims=batched)(*given)
    theirs = vmap(call(F.conv2d), in_dims=batched)(*given)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_gradients_for_each_sample_are_pytorchs() -> None:
    theirs, ours = LAYERS["padded"].pair()
    x = LAYERS["padded"].input()

    def gradients(module: nn.Module) -> dict[str, Tensor]:
        def loss(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
            y: Tensor = functional_call(module, parameters, (one[None],))
            return y.square().sum()

        found: dict[str, Tensor] = vmap(grad(loss), in_dims=(None, 0))(dict(module.named_parameters()), x)
        return found

    torch.testing.assert_close(gradients(ours), gradients(theirs), rtol=1e-4, atol=1e-3)


def test_jacobians_hessians_and_forward_derivatives_are_pytorchs() -> None:
    x, along, weight = (t.detach() for t in (draw(1, 2, 4, 3), draw(1, 2, 4, 3, seed=1), draw(3, 2, 2, 2)))
    for transform in (
        lambda f: jacrev(lambda given: f(given, weight))(x),
        lambda f: jacrev(lambda given: f(x, given))(weight),
        lambda f: hessian(lambda given: f(x, given).square().sum())(weight),
        lambda f: jvp(lambda given: f(given, weight), (x,), (along,))[1],
        lambda f: vmap(lambda one: jvp(lambda given: f(given, weight), (x,), (one,))[1])(torch.stack([along, x])),
    ):
        torch.testing.assert_close(transform(tt.conv2d), transform(F.conv2d))


COMPILED = ("padded", "strided and dilated in groups", "circular", "one axis", "three axes", "transposed, strided")


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_graphs_hold_it_whole_with_its_gradients(name: str, dynamic: bool) -> None:
    torch._dynamo.reset()
    theirs, ours = LAYERS[name].pair()
    x = LAYERS[name].input()
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for given in (x, torch.cat([x, x[:1] + 1])):
        results = []
        for module in (theirs, compiled):
            module.zero_grad()
            y = module(given)
            y.square().sum().backward()
            results.append((y.detach(), [parameter.grad for parameter in module.parameters()]))
        torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=2e-3)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_a_compiled_graph_notices_changed_weights() -> None:
    torch._dynamo.reset()
    theirs, ours = LAYERS["padded"].pair()
    x = LAYERS["padded"].input()
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        compiled(x)
        for module in (theirs, ours):
            module.weight.mul_(2)
        torch.testing.assert_close(compiled(x), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", COMPILED)
def test_exported_programs_take_other_sizes(name: str) -> None:
    theirs, ours = LAYERS[name].pair()
    x = LAYERS[name].input()
    free = {axis: torch.export.Dim.DYNAMIC for axis in range(x.dim()) if axis != 1 and name != "circular"}
    program = torch.export.export(ours, (x,), dynamic_shapes=(free,))
    assert any("tweakconv" in str(node.target) for node in program.graph.nodes)
    larger = x if name == "circular" else torch.cat([F.pad(x, (0, 2)), F.pad(x, (2, 0))])
    with torch.no_grad():
        torch.testing.assert_close(program.module()(larger), theirs(larger), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["padded", "transposed, strided"])
def test_traced_graphs_hold_it_as_one_call(name: str) -> None:
    theirs, ours = LAYERS[name].pair()
    x = LAYERS[name].input()
    traced = torch.fx.symbolic_trace(nn.Sequential(ours))
    assert sum(node.op == "call_function" and node.name == "convolve" for node in traced.graph.nodes) == 1
    torch.testing.assert_close(traced(x), theirs(x), rtol=1e-4, atol=1e-4)
    recorded = torch.jit.trace(ours, (x,))
    torch.testing.assert_close(recorded(x + 1), theirs(x + 1), rtol=1e-4, atol=1e-4)


def test_meta_tensors_have_shapes_and_no_numbers() -> None:
    conv = tt.Conv2d(3, 8, 3, stride=2, padding=1, device="meta")
    assert conv(torch.empty(2, 3, 9, 8, device="meta")).shape == (2, 8, 5, 4)
    up = tt.ConvTranspose2d(3, 8, 3, stride=2, device="meta")
    assert up(torch.empty(2, 3, 9, 8, device="meta")).shape == (2, 8, 19, 17)
