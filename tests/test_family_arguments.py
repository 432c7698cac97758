"""Arguments of every operation that do not fit: each is refused with words that say what would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tweakconv as tc

ROW, VOLUME, IMAGE = np.ones((2, 9, 4)), np.ones((2, 5, 6, 7, 4)), np.ones((2, 8, 9, 4))


def ones(*shape: int) -> Any:
    return np.ones(shape)


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    # the operation, its arrays, its tweaks, and what the error says
    ("conv1d", (ROW, ones(3, 4)), {}, r"kernel: received shape \(3, 4\); \(steps, channels / groups, out channels\)"),
    ("conv1d", (IMAGE, ones(3, 4, 5)), {}, r"x: received shape .* with 4 axes; 3 are needed: \(batch, steps, channels"),
    ("conv1d", (ROW, ones(3, 5, 5)), {}, r"x: .*has 4 channels.*the kernel takes 5.*transpose\(2, 1, 0\)"),
    ("conv1d", (ROW, ones(11, 4, 5)), {}, "kernel 11 with dilation 1 spans 11 pixels.*no output"),
    ("conv1d", (ROW, ones(3, 4, 5)), {"strides": (1, 2)}, "strides must be an integer or have 1 entry"),
    ("conv1d", (ROW, ones(3, 4, 5)), {"padding": ((1, 2), (0, 0))}, "padding must have 1 entry"),
    ("conv3d", (VOLUME, ones(3, 3, 4, 5)), {}, r"kernel: .*\(depth, height, width, channels / groups, out channels\)"),
    ("conv3d", (IMAGE, ones(3, 3, 3, 4, 5)), {}, r"x: .*5 are needed: \(batch, depth, height, width, channels\)"),
    ("conv3d", (VOLUME, ones(1, 1, 1, 4, 5)), {"padding": "causal"}, "causal.*single axis.*received 3 axes"),
    ("conv3d", (VOLUME, ones(1, 9, 1, 4, 5)), {}, "axis 1: kernel 9 .*no output"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 3)), {}, r"x: .*takes 3, .*\(3, 3, 5, 3\) is \(height, width, out chan"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 3)), {}, r"comes to that order by transpose\(2, 3, 1, 0\)"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 4)), {"groups": 3}, "groups: received 3.*the 4 input channels"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 4), ones(4)), {}, "bias: .*each of the 5 output channels"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 4)), {"padding": "full"}, "padding of a transposed convolution must be"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 4)), {"padding": 9}, "cuts away the whole result.*= -8, which must"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 4)), {"output_padding": -1}, "output_padding must be at least 0"),
    ("conv2d_transpose", (IMAGE, ones(3, 3, 5, 4)), {"strides": 100}, r"strides: received \(100, 100\).*10,000 phases"),
    ("depthwise_conv2d", (IMAGE, ones(3, 3, 4)), {}, r"kernel: .* \(3, 3, 4\); \(height, width, channels, multiplier"),
    ("depthwise_conv2d", (IMAGE, ones(3, 3, 5, 2)), {}, "x: .*has 4 channels.*takes 5 groups of 1 = 5"),
    ("depthwise_conv2d", (IMAGE, ones(3, 3, 4, 2), ones(4)), {}, "bias: .*each of the 8 output channels"),
    ("separable_conv2d", (IMAGE, ones(3, 3, 4, 2), ones(1, 1, 4, 5)), {}, r"pointwise_kernel: .*\(1, 1, 4, 5\); \(he"),
    ("separable_conv2d", (IMAGE, ones(3, 3, 4, 2), ones(1, 1, 4, 5)), {}, r"after this depthwise_kernel \(1, 1, 8\)"),
    ("separable_conv2d", (IMAGE, ones(3, 4, 2), ones(1, 1, 8, 5)), {}, "depthwise_kernel: received shape"),
    ("separable_conv2d", (IMAGE, ones(3, 3, 4, 2), ones(1, 1, 8, 5), ones(8)), {}, "bias: .*the 5 output channels"),
    ("separable_conv1d", (IMAGE, ones(3, 4, 2), ones(1, 8, 5)), {}, "x: received shape .*3 are needed"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_arguments_that_do_not_fit_are_refused_with_words(number: int) -> None:
    name, (x, *others), tweaks, words = REFUSED[number]
    with pytest.raises(ValueError, match=words):
        getattr(tc, name)(x, *others, **tweaks)
    with pytest.raises(ValueError, match=words.replace("x: ", "input_shape: ")):
        getattr(tc, f"compile_{name}")(*others, input_shape=x.shape, **tweaks)


GOOD: dict[str, tuple[Any, ...]] = {
    "conv1d": (ROW, ones(3, 4, 5)),
    "conv3d": (VOLUME, ones(3, 2, 1, 4, 5)),
    "conv1d_transpose": (ROW, ones(3, 5, 4)),
    "conv2d_transpose": (IMAGE, ones(3, 2, 5, 4)),
    "conv3d_transpose": (VOLUME, ones(3, 2, 1, 5, 4)),
    "depthwise_conv1d": (ROW, ones(3, 4, 2)),
    "depthwise_conv2d": (IMAGE, ones(3, 2, 4, 2)),
    "separable_conv1d": (ROW, ones(3, 4, 2), ones(1, 8, 5)),
    "separable_conv2d": (IMAGE, ones(3, 2, 4, 2), ones(1, 1, 8, 5)),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    ("argument", "value", "kind", "words"),
    [
        ("strides", 0, ValueError, "strides must be at least 1"),
        ("dilation_rate", 1.5, TypeError, "dilation_rate must be an integer"),
        ("padding", "sane", ValueError, "padding .*must be one of"),
        ("padding", None, TypeError, "padding must be an integer"),
        ("data_format", "NCDHW", ValueError, "data_format: received 'NCDHW'"),
        ("activation", "softmax", ValueError, "activation: received 'softmax'"),
        ("negative_slope", 0.1, ValueError, "negative_slope: received 0.1 with activation None"),
        ("stride", 2, TypeError, "stride"),
    ],
)
def test_every_operation_refuses_what_makes_no_sense(
    name: str, argument: str, value: Any, kind: type[Exception], words: str
) -> None:
    x, *others = GOOD[name]
    getattr(tc, name)(x, *others)
    for call in (getattr(tc, name), lambda x, *others, **more: getattr(tc, f"compile_{name}")(
        *others, input_shape=x.shape, **more
    )):  # fmt: skip
        with pytest.raises(kind, match=words):
            call(x, *others, **{argument: value})


@pytest.mark.parametrize("name", GOOD)
def test_prepared_operations_refuse_inputs_of_other_shapes_and_types(name: str) -> None:
    x, *others = GOOD[name]
    conv = getattr(tc, f"compile_{name}")(*others, input_shape=x.shape)
    with pytest.raises(TypeError, match="x: received dtype float32, but this convolution takes float64"):
        conv(x.astype(np.float32))
    with pytest.raises(ValueError, match=r"x: received shape .* axes"):
        conv(x[0])
    with pytest.raises(ValueError, match=r"x: received shape .*channels"):
        conv(x[..., :3])
    with pytest.raises(TypeError, match="input_shape: received 5"):
        getattr(tc, f"compile_{name}")(*others, input_shape=5)
    y = conv(x)
    with pytest.raises(ValueError, match="out: received shape"):
        conv(x, out=np.empty((*y.shape, 1)))
    with pytest.raises(ValueError, match=r"residual: .*prepare it with residual=True"):
        conv(x, residual=y)
