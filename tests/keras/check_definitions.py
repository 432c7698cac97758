"""Keras' own layers say what transposed, causal, depthwise and separable convolutions are.

On JAX alone, whose backend hands over the pads as they are; PyTorch's cannot pad one side alone.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import tweakconv as tc


def kerased(layer: Any, x: Any, *weights: Any) -> Any:
    """What a layer of Keras makes of an input, in float64."""
    layer.build(x.shape)
    layer.set_weights(weights)
    return np.asarray(layer(keras.ops.convert_to_tensor(x)))


KERNELS = [(1, 1, 1), (3, 1, 1), (2, 2, 1), (3, 2, 1), (4, 2, 1), (5, 2, 1), (5, 3, 1), (2, 3, 1), (4, 4, 1), (3, 1, 2)]
"""Kernel size, stride and dilation rate; Keras refuses to have the last two above 1 together."""

TRANSPOSED = [
    (*numbers, padding, extra)
    for numbers in KERNELS
    for padding in ("valid", "same")
    for extra in (None, 0, 1)
    # Keras refuses an output padding that is not below the stride; under "same", its kernel must not be either.
    if extra is None or (extra < numbers[1] and (padding == "valid" or numbers[0] >= numbers[1]))
]


@pytest.mark.parametrize(("kernel", "stride", "rate", "padding", "extra"), TRANSPOSED)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolutions_are_those_of_keras(
    rank: int, kernel: int, stride: int, rate: int, padding: str, extra: int | None
) -> None:
    rng = np.random.default_rng(1)
    sizes = (5, 4, 3)[:rank]
    x = rng.standard_normal((2, *sizes, 3)).astype(np.float32)
    weights = rng.standard_normal((*(kernel,) * rank, 4, 3)).astype(np.float32)
    bias = rng.standard_normal(4).astype(np.float32)
    layer = getattr(keras.layers, f"Conv{rank}DTranspose")(
        4, kernel, strides=stride, padding=padding, output_padding=extra, dilation_rate=rate
    )
    theirs = kerased(layer, x, weights, bias)
    arguments = {"strides": stride, "padding": padding, "output_padding": extra, "dilation_rate": rate}
    ours = getattr(tc, f"conv{rank}d_transpose")(x, weights, bias, **arguments)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("stride", "rate"), [(1, 1), (2, 1), (1, 3)])
def test_one_dimensional_convolutions_are_those_of_keras(stride: int, rate: int, padding: str) -> None:
    rng = np.random.default_rng(2)
    x, weights = rng.standard_normal((2, 14, 6)).astype(np.float32), rng.standard_normal((4, 3, 8)).astype(np.float32)
    bias = rng.standard_normal(8).astype(np.float32)
    layer = keras.layers.Conv1D(8, 4, strides=stride, padding=padding, dilation_rate=rate, groups=2, activation="silu")
    ours = tc.conv1d(x, weights, bias, stride, padding, rate, groups=2, activation="silu")
    np.testing.assert_allclose(ours, kerased(layer, x, weights, bias), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("stride", "rate"), [(1, 1), (2, 1), (1, 2)])
def test_three_dimensional_depthwise_and_separable_convolutions_are_those_of_keras(
    stride: int, rate: int, padding: str
) -> None:
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    tweaks = {"strides": stride, "padding": padding, "dilation_rate": rate}
    volume, weights, bias = draw(2, 5, 6, 7, 3), draw(3, 2, 3, 3, 4), draw(4)
    theirs = kerased(keras.layers.Conv3D(4, (3, 2, 3), **tweaks), volume, weights, bias)
    np.testing.assert_allclose(tc.conv3d(volume, weights, bias, **tweaks), theirs, rtol=1e-4, atol=1e-5)
    x, each, biases = draw(2, 9, 8, 3), draw(3, 2, 3, 2), draw(6)
    layer = keras.layers.DepthwiseConv2D((3, 2), depth_multiplier=2, **tweaks)
    theirs = kerased(layer, x, each, biases)
    np.testing.assert_allclose(tc.depthwise_conv2d(x, each, biases, **tweaks), theirs, rtol=1e-4, atol=1e-5)
    mix, after = draw(1, 1, 6, 5), draw(5)
    layer = keras.layers.SeparableConv2D(5, (3, 2), depth_multiplier=2, activation="gelu", **tweaks)
    theirs = kerased(layer, x, each, mix, after)
    ours = tc.separable_conv2d(x, each, mix, after, activation="gelu", **tweaks)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
