"""The layers: Keras' own, with tweakconv's operation and tweaks."""

from __future__ import annotations

from typing import Any

import keras

from tweakconv.keras.base import Depthwise, Ordinary, Separable, Transposed

_registered: Any = keras.saving.register_keras_serializable("tweakconv")


@_registered
class Conv2D(Ordinary, keras.layers.Conv2D):  # type: ignore[misc]
    """`keras.layers.Conv2D`, computed by tweakconv.

    Initialisers, regularisers, constraints, LoRA, mixed precision, saving and loading are Keras' own. The weights are
    Keras' too, (kernel height, kernel width, channels / groups, filters), so that either layer loads the other's.

    Parameters
    ----------
    filters, kernel_size, data_format, groups, activation, use_bias, kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, lora_rank
    lora_alpha, name, dtype, trainable, ...
        As in Keras. The activations relu, relu6, leaky_relu, sigmoid, tanh, silu, gelu, hard_sigmoid, hard_silu and elu
        are computed together with the convolution.
    strides, dilation_rate : int or sequence of int
        At least 1; both may be above 1 at once, which Keras refuses.
    padding : str, int or sequence
        As in `tweakconv.conv2d`: besides "valid" and "same" also "same_lower", "full", a number for all sides, and a
        number or a (lo, hi) pair for each axis.
    padding_mode : {"zeros", "constant", "reflect", "symmetric", "edge", "wrap"}
        What lies in the padding, with the meanings of `numpy.pad`.
    constant_value : float
        What lies in the padding of mode "constant".

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> layer = Conv2D(8, 3, strides=2, dilation_rate=2, padding=((2, 0), (1, 3)), padding_mode="reflect")
    >>> layer.compute_output_shape((None, 32, 33, 3))
    (None, 15, 17, 8)
    """

    _rank = 2


@_registered
class Conv1D(Ordinary, keras.layers.Conv1D):  # type: ignore[misc]
    """`keras.layers.Conv1D`, computed by tweakconv; arguments as `Conv2D`, and ``padding="causal"``.

    Examples
    --------
    >>> Conv1D(8, 3, strides=2, dilation_rate=4, padding="causal").compute_output_shape((None, 100, 3))
    (None, 50, 8)
    """

    _rank = 1


@_registered
class Conv3D(Ordinary, keras.layers.Conv3D):  # type: ignore[misc]
    """`keras.layers.Conv3D`, computed by tweakconv; arguments as `Conv2D`.

    Examples
    --------
    >>> Conv3D(8, 3, padding=(1, 0, (0, 2))).compute_output_shape((None, 10, 11, 12, 3))
    (None, 10, 9, 12, 8)
    """

    _rank = 3


@_registered
class DepthwiseConv1D(Depthwise, keras.layers.DepthwiseConv1D):  # type: ignore[misc]
    """`keras.layers.DepthwiseConv1D`, computed by tweakconv; tweaks as `Conv1D`.

    Examples
    --------
    >>> DepthwiseConv1D(3, padding="causal", depth_multiplier=2).compute_output_shape((None, 100, 3))
    (None, 100, 6)
    """

    _rank = 1


@_registered
class DepthwiseConv2D(Depthwise, keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """`keras.layers.DepthwiseConv2D`, computed by tweakconv; tweaks as `Conv2D`.

    Strides and dilation rates may differ between the axes.

    Examples
    --------
    >>> DepthwiseConv2D(3, strides=(2, 1), dilation_rate=2, padding="same").compute_output_shape((None, 28, 28, 3))
    (None, 14, 28, 3)
    """

    _rank = 2


@_registered
class SeparableConv1D(Separable, keras.layers.SeparableConv1D):  # type: ignore[misc]
    """`keras.layers.SeparableConv1D`, computed by tweakconv; tweaks as `Conv1D`.

    Examples
    --------
    >>> SeparableConv1D(8, 3, padding="causal").compute_output_shape((None, 100, 3))
    (None, 100, 8)
    """

    _rank = 1


@_registered
class SeparableConv2D(Separable, keras.layers.SeparableConv2D):  # type: ignore[misc]
    """`keras.layers.SeparableConv2D`, computed by tweakconv; tweaks as `Conv2D`.

    Examples
    --------
    >>> SeparableConv2D(8, 3, strides=2, dilation_rate=2, padding="same").compute_output_shape((None, 28, 28, 3))
    (None, 14, 14, 8)
    """

    _rank = 2


@_registered
class Conv1DTranspose(Transposed, keras.layers.Conv1DTranspose):  # type: ignore[misc]
    """`keras.layers.Conv1DTranspose`, computed by tweakconv; arguments as `Conv2DTranspose`.

    Examples
    --------
    >>> Conv1DTranspose(8, 4, strides=2, padding=1).compute_output_shape((None, 50, 3))
    (None, 100, 8)
    """

    _rank = 1


@_registered
class Conv2DTranspose(Transposed, keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """`keras.layers.Conv2DTranspose`, computed by tweakconv.

    Parameters
    ----------
    filters, kernel_size, data_format, activation, use_bias, kernel_initializer, ...
        As in Keras.
    strides, dilation_rate : int or sequence of int
        At least 1; both may be above 1 at once, which Keras refuses.
    padding : str, int or sequence
        As in `tweakconv.conv2d_transpose`, what is cut from the full result: "valid", "same", "same_lower", a number
        for all sides, and a number or a (lo, hi) pair for each axis.
    output_padding : int or sequence of int, optional
        What it means in Keras, at any size.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was received and what would be right.

    Examples
    --------
    >>> Conv2DTranspose(8, 3, strides=2, padding="same").compute_output_shape((None, 14, 14, 3))
    (None, 28, 28, 8)
    """

    _rank = 2


@_registered
class Conv3DTranspose(Transposed, keras.layers.Conv3DTranspose):  # type: ignore[misc]
    """`keras.layers.Conv3DTranspose`, computed by tweakconv; arguments as `Conv2DTranspose`.

    Examples
    --------
    >>> Conv3DTranspose(8, 2, strides=2).compute_output_shape((None, 4, 5, 6, 3))
    (None, 8, 10, 12, 8)
    """

    _rank = 3
