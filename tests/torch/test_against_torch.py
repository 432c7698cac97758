"""Forward and gradients are those of PyTorch's own modules."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from tests.torch.layers import FORMATS, LAYERS, Layer, in_format, layers
from torch import Tensor, nn
from torch.nn import functional as F

import tweakconv.torch as tt

# What PyTorch says about its own speed.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def close(ours: Tensor | None, theirs: Tensor | None) -> None:
    assert (ours is None) == (theirs is None)
    if ours is not None:
        double = ours.dtype is torch.float64
        torch.testing.assert_close(ours, theirs, rtol=1e-9 if double else 1e-4, atol=1e-9 if double else 2e-4)


def derived(module: nn.Module, x: Tensor) -> list[Tensor | None]:
    """The result, and the gradients of the input and the parameters."""
    x = x.detach().requires_grad_()
    y = module(x)
    seen = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    module.zero_grad()
    y.backward(seen)
    return [y.detach(), x.grad, *(parameter.grad for parameter in module.parameters())]


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("name", LAYERS)
def test_the_result_is_pytorchs(name: str, memory_format: str) -> None:
    layer = LAYERS[name]
    theirs, ours = layer.pair()
    x = in_format(layer.input(), memory_format)
    with torch.no_grad():
        close(ours(x), theirs(x))


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("name", LAYERS)
def test_the_gradients_are_pytorchs(name: str, memory_format: str) -> None:
    layer = LAYERS[name]
    theirs, ours = layer.pair(torch.float64 if memory_format == "contiguous" else torch.float32)
    x = in_format(layer.input(next(ours.parameters()).dtype), memory_format)
    for mine, yours in zip(derived(ours, x), derived(theirs, x), strict=True):
        close(mine, yours)


@given(layers())
@settings(max_examples=40)
def test_random_layers_and_their_gradients_are_pytorchs(layer: Layer) -> None:
    theirs, ours = layer.pair(torch.float64)
    for memory_format in ("contiguous", "channels_last"):
        x = in_format(layer.input(torch.float64), memory_format)
        for mine, yours in zip(derived(ours, x), derived(theirs, x), strict=True):
            close(mine, yours)
        with torch.no_grad():
            close(ours(x), theirs(x))


@pytest.mark.parametrize("name", ["strided, on an even size", "one axis", "three axes", "transposed, strided"])
def test_an_input_without_a_batch_is_one_image(name: str) -> None:
    layer = LAYERS[name]
    theirs, ours = layer.pair()
    x = layer.input()[0]
    with torch.no_grad():
        close(ours(x), theirs(x))
    close(ours(x), theirs(x))


@pytest.mark.parametrize("name", ["padded", "depthwise", "one axis", "three axes", "transposed, strided", "circular"])
def test_an_empty_batch_has_an_empty_result_and_gradients_of_zero(name: str) -> None:
    layer = LAYERS[name]._replace(batch=0)
    _, ours = layer.pair()
    expected = LAYERS[name].pair()[0](LAYERS[name].input()).shape[1:]
    y, of_x, *of_parameters = derived(ours, layer.input())
    assert y is not None
    assert y.shape == (0, *expected)
    assert of_x is not None
    assert of_x.shape == layer.input().shape
    assert all(gradient is not None and not gradient.any() for gradient in of_parameters)


@pytest.mark.parametrize("wanted", range(8))
@pytest.mark.parametrize("name", ["strided, on an even size", "transposed, strided"])
def test_gradients_are_computed_for_exactly_what_wants_them(name: str, wanted: int) -> None:
    layer = LAYERS[name]
    results = []
    for module in layer.pair():
        x = layer.input()
        tensors = x, *module.parameters()
        for place, tensor in enumerate(tensors):
            tensor.requires_grad_(bool(wanted >> place & 1))
        y = module(x)
        assert y.requires_grad == bool(wanted)
        if wanted:
            y.square().sum().backward()
        results.append([tensor.grad for tensor in tensors])
    for place, (theirs, ours) in enumerate(zip(*results, strict=True)):
        assert (ours is not None) == bool(wanted >> place & 1)
        close(ours, theirs)


def test_the_order_in_memory_is_that_of_the_input_or_the_weight_as_in_pytorch() -> None:
    theirs, ours = LAYERS["padded"].pair()
    x = LAYERS["padded"].input()
    last = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert ours(x).is_contiguous()
        assert ours(last).is_contiguous(memory_format=torch.channels_last)
        assert ours(last[:, :, 1:-1, 2:]).is_contiguous(memory_format=torch.channels_last)
        for module in (theirs, ours):
            module.to(memory_format=torch.channels_last)
            assert module(x).is_contiguous(memory_format=torch.channels_last)
        close(ours(x), theirs(x))
    assert ours(x).is_contiguous(memory_format=torch.channels_last)


def test_a_result_that_comes_from_a_sum_or_is_repeated_has_gradients_all_the_same() -> None:
    theirs, ours = LAYERS["padded"].pair()
    x = LAYERS["padded"].input()
    grads = []
    for module in (theirs, ours):
        given = x.clone().requires_grad_()
        module(given).sum().backward()  # the gradient is a single number, repeated without memory
        grads.append(given.grad)
    close(grads[1], grads[0])


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("name", ["padded", "three axes", "transposed, strided"])
def test_a_result_may_be_changed_in_place(name: str, memory_format: str) -> None:
    theirs, ours = (nn.Sequential(module, nn.ReLU(inplace=True)) for module in LAYERS[name].pair())
    x = in_format(LAYERS[name].input(), memory_format)
    for mine, yours in zip(derived(ours, x), derived(theirs, x), strict=True):
        close(mine, yours)
    weight_grad = torch.autograd.grad(ours(x).sum(), ours[0].weight, create_graph=True)[0]
    weight_grad.mul_(2)


def test_a_tensor_with_its_sign_turned_lazily_is_read_with_it() -> None:
    x = torch.view_as_complex(torch.randn(1, 1, 5, 5, 2)).conj().imag
    assert x.is_neg()
    weight = torch.randn(1, 1, 3, 3)
    close(tt.conv2d(x, weight), F.conv2d(x, weight))


def test_same_under_a_stride_puts_the_odd_pixel_at_the_end() -> None:
    x, weight = torch.randn(1, 3, 8, 9), torch.randn(4, 3, 3, 4)
    ours = tt.conv2d(x, weight, stride=2, padding="same")
    # 8 pixels, 3 taps, stride 2: 4 outputs span 9, one pixel more; 9 pixels, 4 taps: 5 outputs span 12, three more.
    close(ours, F.conv2d(F.pad(x, (1, 2, 0, 1)), weight, stride=2))
    close(tt.conv2d(x, weight, stride=2, padding="same_lower"), F.conv2d(F.pad(x, (2, 1, 1, 0)), weight, stride=2))


@pytest.mark.parametrize("grad", [False, True])
def test_pads_that_differ_add_and_crop(grad: bool) -> None:
    x, weight = torch.randn(2, 3, 7, 8, requires_grad=grad), torch.randn(4, 3, 3, 3)
    ours = tt.conv2d(x, weight, padding=((2, 0), (-1, 3)))
    theirs = F.conv2d(F.pad(x, (-1, 3, 2, 0)), weight)
    close(ours, theirs)
    if grad:
        seen = torch.randn_like(theirs)
        close(*(torch.autograd.grad(y, x, seen)[0] for y in (ours, theirs)))


@pytest.mark.parametrize("grad", [False, True])
def test_cuts_that_differ_make_a_transposed_result_smaller_and_larger(grad: bool) -> None:
    x, weight = torch.randn(2, 3, 4, 5, requires_grad=grad), torch.randn(3, 4, 3, 3)
    ours = tt.conv_transpose2d(x, weight, stride=2, padding=((1, 0), (-1, 2)))
    theirs = F.pad(F.conv_transpose2d(x, weight, stride=2), (1, -2, -1, 0))
    close(ours, theirs)
    if grad:
        seen = torch.randn_like(theirs)
        close(*(torch.autograd.grad(y, x, seen)[0] for y in (ours, theirs)))


@pytest.mark.parametrize("grad", [False, True])
def test_padding_wider_than_the_image_goes_on_mirroring(grad: bool) -> None:
    x = torch.arange(3.0).reshape(1, 1, 3).requires_grad_(grad)
    weight = torch.tensor([[[1.0, 10.0]]])
    # a b c, three more on both sides:  b c b | a b c | b a b
    ours = tt.conv1d(x, weight, padding=3, padding_mode="reflect")
    close(ours, F.conv1d(x[..., [1, 2, 1, 0, 1, 2, 1, 0, 1]], weight))
    # a b c, four more before it:  c c b a | a b c
    ours = tt.conv1d(x, weight, padding=((4, 0),), padding_mode="symmetric")
    close(ours, F.conv1d(x[..., [2, 2, 1, 0, 0, 1, 2]], weight))


def test_an_output_size_says_which_of_those_that_the_stride_leaves_open() -> None:
    theirs, ours = LAYERS["transposed, strided"].pair()
    x = LAYERS["transposed, strided"].input()
    for size in ([9, 12], [10, 11]):
        close(ours(x, output_size=size), theirs(x, output_size=size))
