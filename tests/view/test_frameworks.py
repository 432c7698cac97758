"""The code for each framework is run as it stands, and its numbers are compared with the definition's."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tweakconv import reference
from tweakconv.geometry import ConvGeometry
from tweakconv.view.frameworks import FRAMEWORKS, code_for

Array = NDArray[np.floating[Any]]
Arguments = dict[str, Any]

LAYERS: dict[str, Arguments] = {
    "plain": {"input_size": (7, 9), "kernel_size": (3, 2)},
    "one axis": {"input_size": 11, "kernel_size": 4, "strides": 2, "padding": "same"},
    "causal": {"input_size": 9, "kernel_size": 3, "dilation_rate": 2, "padding": "causal"},
    "same under a stride": {"input_size": (8, 9), "kernel_size": 3, "strides": 2, "padding": "same"},
    "same, an even kernel": {"input_size": (6, 5), "kernel_size": (4, 2), "padding": "same"},
    "same_lower": {"input_size": (6, 7), "kernel_size": (4, 3), "strides": (1, 2), "padding": "same_lower"},
    "full": {"input_size": (4, 5), "kernel_size": (2, 3), "padding": "full", "dilation_rate": (1, 2)},
    "as in PyTorch": {"input_size": (8, 8), "kernel_size": 3, "strides": 2, "padding": 1},
    "pads all different": {"input_size": (5, 6), "kernel_size": 3, "padding": ((0, 3), (2, 1))},
    "pads that crop": {"input_size": (9, 8), "kernel_size": 3, "padding": ((-2, 1), (4, -3)), "strides": (1, 2)},
    "crop beyond the image": {"input_size": (3, 4), "kernel_size": 2, "padding": ((-4, 6), (5, -4))},
    "strides with dilation": {"input_size": (11, 12), "kernel_size": 3, "strides": 2, "dilation_rate": 2},
    "strides and dilation, same": {
        "input_size": (11, 13),
        "kernel_size": (3, 2),
        "strides": (2, 3),
        "dilation_rate": (1, 2),
        "padding": "same",
    },
    "same, dilated": {"input_size": (7, 8), "kernel_size": (3, 2), "dilation_rate": (2, 3), "padding": "same"},
    "groups": {"input_size": (6, 7), "kernel_size": 3, "groups": 2, "in_channels": 4, "out_channels": 6, "padding": 1},
    "reflect": {"input_size": (5, 6), "kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    "reflect, too far": {
        "input_size": (2, 6),
        "kernel_size": 3,
        "padding": ((4, 3), (1, 0)),
        "padding_mode": "reflect",
    },
    "symmetric": {"input_size": (4, 3), "kernel_size": 3, "padding": ((0, 0), (5, 1)), "padding_mode": "symmetric"},
    "edge, uneven": {"input_size": (4, 6), "kernel_size": (4, 3), "padding": "same", "padding_mode": "edge"},
    "wrap": {"input_size": (4, 6), "kernel_size": 3, "padding": "same", "padding_mode": "wrap", "strides": 2},
    "wrap, too far": {"input_size": (2, 3), "kernel_size": 3, "padding": 4, "padding_mode": "wrap"},
    "edge, cropped": {"input_size": (6, 5), "kernel_size": 2, "padding": ((-1, 2), (0, -2)), "padding_mode": "edge"},
    "a constant": {
        "input_size": (4, 5),
        "kernel_size": 3,
        "padding": ((1, 2), (2, -1)),
        "padding_mode": "constant",
        "pad_value": -2.5,
    },
    "a constant that nothing is padded with": {
        "input_size": (4, 5),
        "kernel_size": 2,
        "padding": ((0, -1), (0, 0)),
        "padding_mode": "constant",
        "pad_value": 3,
    },
    "transposed": {"input_size": (4, 3), "kernel_size": 3, "strides": 2, "padding": "same", "transposed": True},
    "transposed, one axis": {"input_size": 5, "kernel_size": 4, "strides": 3, "transposed": True},
    "transposed, stride above the kernel": {"input_size": (3, 2), "kernel_size": 2, "strides": 4, "transposed": True},
    "transposed as in PyTorch": {
        "input_size": (3, 4),
        "kernel_size": 3,
        "strides": 2,
        "padding": 1,
        "output_padding": 1,
        "transposed": True,
    },
    "transposed, cut unevenly": {
        "input_size": (4, 5),
        "kernel_size": (4, 3),
        "strides": (2, 3),
        "padding": ((0, 3), (2, 1)),
        "transposed": True,
    },
    "transposed and enlarged": {
        "input_size": (3, 2),
        "kernel_size": 2,
        "padding": ((-1, 0), (1, -3)),
        "transposed": True,
    },
    "transposed, strides with dilation": {
        "input_size": (3, 4),
        "kernel_size": (2, 3),
        "strides": 2,
        "dilation_rate": (3, 1),
        "padding": "same",
        "transposed": True,
    },
    "transposed groups": {
        "input_size": (3, 4),
        "kernel_size": (3, 2),
        "strides": (2, 1),
        "groups": 3,
        "in_channels": 6,
        "out_channels": 3,
        "padding": "same_lower",
        "transposed": True,
    },
    "transposed, no cuts, stride above the kernel": {
        "input_size": (2, 3),
        "kernel_size": 1,
        "strides": (2, 3),
        "padding": 0,
        "transposed": True,
    },
    "transposed, enlarged as valid would, beside an output padding of 0": {
        "input_size": (2, 3),
        "kernel_size": 1,
        "strides": (2, 3),
        "padding": ((0, -1), (0, -2)),
        "output_padding": 0,
        "transposed": True,
    },
    "transposed, a constant that means nothing": {
        "input_size": (3, 4),
        "kernel_size": 3,
        "strides": (2, 1),
        "padding_mode": "constant",
        "pad_value": 7,
        "transposed": True,
    },
    "transposed, much output padding": {
        "input_size": (3, 4),
        "kernel_size": 2,
        "strides": (2, 1),
        "padding": "same",
        "output_padding": (3, 2),
        "transposed": True,
    },
}


@st.composite
def any_layer(draw: st.DrawFn) -> Arguments:
    rank, transposed, groups = draw(st.integers(1, 2)), draw(st.booleans()), draw(st.sampled_from((1, 1, 2)))

    def axes(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(rank))

    kernel, rates = axes(1, 4), draw(st.sampled_from((axes(1, 1), axes(1, 3))))
    spans = [rate * (taps - 1) + 1 for taps, rate in zip(kernel, rates, strict=True)]
    size = axes(1, 9)
    names = ["same", "same_lower", *([] if transposed else ["full"])]
    if transposed or all(pixels >= span for pixels, span in zip(size, spans, strict=True)):
        names.append("valid")
    pads = []
    for pixels, span in zip(size, spans, strict=True):
        if transposed:  # cuts, of which some of the result is left
            lo = draw(st.integers(-2, (pixels + span - 2) // 2))
            pads.append((lo, draw(st.integers(-2, pixels + span - 2 - max(lo, 0)))))
        else:
            lo = draw(st.integers(-2, 4))
            hi = draw(st.integers(-2, 4))
            pads.append((lo, max(hi, span - pixels - lo)))
    layer = {
        "input_size": size,
        "kernel_size": kernel,
        "strides": axes(1, 3),
        "padding": draw(st.one_of(st.sampled_from(names), st.just(tuple(pads)))),
        "dilation_rate": rates,
        "groups": groups,
        "in_channels": groups * draw(st.integers(1, 2)),
        "out_channels": groups * draw(st.integers(1, 2)),
    }
    if transposed:
        layer["output_padding"] = draw(st.one_of(st.none(), st.just(axes(0, 2))))
        assume(_leaves_output(layer))
        return {**layer, "transposed": True}
    mode = draw(st.sampled_from(("zeros", "zeros", "reflect", "symmetric", "edge", "wrap", "constant")))
    return {**layer, "padding_mode": mode, "pad_value": 1.5 if mode == "constant" else 0}


def _leaves_output(layer: Arguments) -> bool:
    """Whether a transposed convolution is not wholly cut away, as "same" does to a pixel under a wide kernel."""
    try:
        return bool(ConvGeometry.transposed(**layer).output_size)
    except ValueError:
        return False


def run(framework: str, arguments: Arguments) -> tuple[Array, Array, Array]:
    """The input, the weights and the result of a program, in Keras' order of axes; the size it claims is the size."""
    snippet = code_for(**arguments)[framework]
    made: dict[str, Any] = {}
    exec(snippet.code, made)  # what a person would paste
    x, y, kernel = (_array(value) for value in (made["x"], made["y"], _weights(framework, made)))
    claimed = re.search(r"# (\(.*\))$", snippet.code.splitlines()[-1])
    assert claimed is not None
    assert claimed[1] == str(y.shape)
    if framework in ("pytorch", "onnx"):
        x, y = np.moveaxis(x, 1, -1), np.moveaxis(y, 1, -1)
        kernel = kernel.transpose(*range(2, kernel.ndim), 1, 0)
    return x, kernel, y


def _weights(framework: str, made: dict[str, Any]) -> Any:
    if framework == "keras":  # one layer for each group in a transposed convolution
        return np.concatenate([_array(weights.value) for weights in made["model"].weights], axis=-1)
    if framework == "pytorch":
        (weights,) = made.get("conv", made["layer"]).parameters()
        return weights
    return made["kernel"]


def _array(value: Any) -> Array:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=np.float64)


def by_definition(x: Array, kernel: Array, arguments: Arguments) -> Array:
    tweaks = {name: arguments[name] for name in ("strides", "padding", "dilation_rate", "groups") if name in arguments}
    if arguments.get("transposed"):
        return reference.conv_transpose(x, kernel, output_padding=arguments.get("output_padding"), **tweaks)
    mode = arguments.get("padding_mode", "zeros")
    return reference.conv(x, kernel, padding_mode=mode, constant_value=arguments.get("pad_value", 0), **tweaks)


def assert_computes_the_layer(framework: str, arguments: Arguments) -> None:
    x, kernel, y = run(framework, arguments)
    np.testing.assert_allclose(y, by_definition(x, kernel, arguments), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_code_computes_what_the_layer_is(framework: str, name: str) -> None:
    assert_computes_the_layer(framework, LAYERS[name])


@pytest.mark.parametrize("framework", [framework for framework in FRAMEWORKS if framework != "jax"])
@settings(max_examples=100)
@given(arguments=any_layer())
def test_the_code_of_any_layer_computes_it(framework: str, arguments: Arguments) -> None:
    assert_computes_the_layer(framework, arguments)


@settings(max_examples=30)  # JAX compiles each of them
@given(arguments=any_layer())
def test_the_code_of_any_layer_computes_it_in_jax(arguments: Arguments) -> None:
    assert_computes_the_layer("jax", arguments)


def notes_of(framework: str, name: str) -> str:
    return " ".join(code_for(**LAYERS[name])[framework].notes)


def test_keras_refuses_strides_with_dilation_as_the_note_says() -> None:
    import keras  # noqa: PLC0415 - costs seconds, and only these tests need it

    assert "refuses strides above 1 together with a dilation_rate above 1" in notes_of("keras", "strides with dilation")
    with pytest.raises(ValueError, match="not supported in conjunction"):
        keras.layers.Conv2D(1, 3, strides=2, dilation_rate=2)
    with pytest.raises(ValueError, match="not supported in conjunction"):
        keras.layers.Conv2DTranspose(1, 3, strides=2, dilation_rate=2)


def test_keras_has_no_transposed_groups_and_no_large_output_padding_as_the_notes_say() -> None:
    import keras  # noqa: PLC0415

    assert "has no groups" in notes_of("keras", "transposed groups")
    with pytest.raises(ValueError, match="groups"):
        keras.layers.Conv2DTranspose(1, 3, groups=2)
    assert "refuses an output_padding" in notes_of("keras", "transposed, much output padding")
    with pytest.raises(ValueError, match="output_padding"):
        keras.layers.Conv2DTranspose(1, 3, strides=2, output_padding=2)


def test_keras_same_reads_other_pixels_than_pytorch_padding_as_the_notes_say() -> None:
    """Both ways round, on the same numbers: the sizes agree and the values do not."""
    import keras  # noqa: PLC0415
    import torch  # noqa: PLC0415

    assert 'padding="same" gives the same size but reads different pixels' in notes_of("keras", "as in PyTorch")
    by_name = {**LAYERS["as in PyTorch"], "padding": "same"}
    assert "padding=1 gives the same size but reads different pixels" in " ".join(code_for(**by_name)["pytorch"].notes)
    assert "begin 1 pixel too early" in " ".join(code_for(**by_name)["pytorch"].notes)

    x = np.random.default_rng(5).random((1, 8, 8, 1), np.float32)
    layer = keras.layers.Conv2D(1, 3, strides=2, padding="same", use_bias=False)
    same = _array(layer(x))
    kernel = layer.kernel.value.detach().permute(3, 2, 0, 1)
    images = torch.from_numpy(x).permute(0, 3, 1, 2)
    one = torch.nn.functional.conv2d(images, kernel, stride=2, padding=1).permute(0, 2, 3, 1).numpy()
    early = torch.nn.functional.conv2d(images, kernel, stride=1, padding=1).permute(0, 2, 3, 1).numpy()
    assert same.shape == one.shape
    assert not np.allclose(same, one, atol=1e-3)
    np.testing.assert_allclose(one, early[:, ::2, ::2], rtol=1e-5)  # begins at -1, 1, 3, ...
    np.testing.assert_allclose(same[:, :-1, :-1], early[:, 1:-1:2, 1:-1:2], rtol=1e-5)  # begins at 0, 2, 4, ...


def test_pytorch_refuses_same_under_a_stride_as_the_note_says() -> None:
    import torch  # noqa: PLC0415

    assert "refuses padding='same' with a stride above 1" in notes_of("pytorch", "same under a stride")
    with pytest.raises(ValueError, match="same"):
        torch.nn.Conv2d(1, 1, 3, stride=2, padding="same")


def test_pytorch_same_with_an_even_kernel_does_the_same_with_a_warning_as_the_note_says() -> None:
    import torch  # noqa: PLC0415

    assert "with a warning that it copies the image" in notes_of("pytorch", "same, an even kernel")
    x, kernel, y = run("pytorch", LAYERS["same, an even kernel"])
    images, weights = torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(kernel).permute(3, 2, 0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says it once in a process
        same = torch.nn.functional.conv2d(images, weights, padding="same")
    np.testing.assert_allclose(same.permute(0, 2, 3, 1).numpy(), y, rtol=1e-4)


def test_pytorch_upsampling_with_its_usual_padding_is_shifted_as_the_note_says() -> None:
    arguments = LAYERS["transposed"]
    assert (
        "PyTorch's padding=1, output_padding=1 gives the same size, but the result is shifted by 1 pixel."
        in notes_of("pytorch", "transposed")
    )
    x, kernel, same = run("pytorch", arguments)
    usual = by_definition(x, kernel, {**arguments, "padding": 1, "output_padding": 1})
    assert usual.shape == same.shape
    np.testing.assert_allclose(usual[:, :-1, :-1], same[:, 1:, 1:], rtol=1e-5, atol=1e-6)


def test_onnx_runtime_refuses_auto_pad_with_dilations_as_the_note_says() -> None:
    arguments = LAYERS["same, dilated"]
    snippet = code_for(**arguments)["onnx"]
    assert "ONNX Runtime refuses it together with dilations" in " ".join(snippet.notes)
    automatic, count = re.subn(r"pads = \[[^]]*\]", 'auto_pad = "SAME_UPPER"', snippet.code)
    assert count == 1
    with pytest.raises(Exception, match="Dilation not supported for AutoPadType"):
        exec(automatic, {})


@pytest.mark.parametrize("framework", FRAMEWORKS)
@settings(max_examples=100)
@given(arguments=any_layer())
def test_a_refusal_has_a_note(framework: str, arguments: Arguments) -> None:
    snippet = code_for(**arguments)[framework]
    assert not snippet.refuses or snippet.notes


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"input_size": (5, 5, 5), "kernel_size": 3}, "1 or 2 axes"),
        ({"input_size": 5, "kernel_size": 3, "padding_mode": "mirror"}, "padding_mode"),
        ({"input_size": 5, "kernel_size": 3, "transposed": True, "padding_mode": "edge"}, "padding_mode"),
        ({"input_size": 5, "kernel_size": 3, "output_padding": 1}, "output_padding"),
        ({"input_size": 5, "kernel_size": 9}, "kernel 9"),
    ],
)
def test_what_no_code_can_be_written_for_is_refused_by_name(arguments: Arguments, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        code_for(**arguments)
