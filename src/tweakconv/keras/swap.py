"""Swapping the convolutions of a model that exists, and swapping them back: the class of each layer is exchanged.

The layer stays the object it was, with its variables, its name and its place in the model, so that nothing needs to be
rebuilt: models may be functional, sequential, subclassed and nested, and custom layers may hold convolutions in
attributes, lists or dictionaries, all of which Keras knows.
"""

from __future__ import annotations

from typing import Any

import keras

from tweakconv.keras import layers
from tweakconv.keras.backends import SUPPORTS_JIT

_OURS: dict[type, type] = {
    getattr(keras.layers, name): getattr(layers, name)
    for name in (
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
        "Conv1DTranspose",
        "Conv2DTranspose",
        "Conv3DTranspose",
    )
}
_MARK = "_tweakconv_swapped"


def accelerate(model: Any) -> Any:
    """Have a model's convolutions computed by tweakconv, with the weights that they have.

    Parameters
    ----------
    model : keras.Layer
        A model or a layer; it is changed in place. Its layers of exactly Keras' convolution classes are swapped,
        wherever Keras finds them; those of classes derived from them stay, for what they override is not known.

    Returns
    -------
    keras.Layer
        The same model, whose outputs are equal up to rounding. What it has compiled is compiled anew when it is next
        used; optimisers keep their state.

    Raises
    ------
    TypeError
        For what is not a layer.

    See Also
    --------
    restore : undoes it. A model that is saved in between asks for `tweakconv.keras` where it is loaded.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.ReLU()])
    >>> kernel = model.layers[0].kernel
    >>> accelerate(model).layers[0].__class__.__module__, model.layers[0].kernel is kernel
    ('tweakconv.keras.layers', True)
    >>> restore(model).layers[0].__class__ is keras.layers.Conv2D
    True
    """
    for layer in _layers_of(model, "accelerate"):
        ours = _OURS.get(type(layer))
        if ours is not None:
            layer.__class__, layer.supports_jit = ours, SUPPORTS_JIT
            layer.__dict__[_MARK] = True
    return _compiled_anew(model)


def restore(model: Any) -> Any:
    """Undo `accelerate`: the layers that it swapped are Keras' own again, with the weights they have now.

    Parameters
    ----------
    model : keras.Layer
        Changed in place. Layers that were made by `tweakconv.keras` stay as they are.

    Returns
    -------
    keras.Layer
        The same model.

    Raises
    ------
    TypeError
        For what is not a layer.

    Examples
    --------
    >>> layer = layers.Conv2D(4, 3, padding="same_lower")
    >>> restore(accelerate(layer)) is layer, type(layer) is layers.Conv2D
    (True, True)
    """
    theirs = {ours: theirs for theirs, ours in _OURS.items()}
    for layer in _layers_of(model, "restore"):
        if layer.__dict__.pop(_MARK, False):
            layer.__class__, layer.supports_jit = theirs[type(layer)], True
            layer.__dict__.pop("_tweakconv_known", None)
    return _compiled_anew(model)


def _layers_of(model: Any, asked: str) -> list[Any]:
    """The model and all layers in it, at any depth."""
    if not isinstance(model, keras.Layer):
        raise TypeError(f"{asked}: received {type(model).__name__}; a keras.Model or a keras.Layer is needed")
    return list(model._flatten_layers(recursive=True, include_self=True))


def _compiled_anew(model: Any) -> Any:
    """Drop what the model, and models in it, have compiled of their old layers."""
    for layer in model._flatten_layers(recursive=True, include_self=True):
        if isinstance(layer, keras.Model):
            layer.train_function = layer.test_function = layer.predict_function = None
    return model
