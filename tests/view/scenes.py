"""Scenes that the tests of pictures share: every tweak, alone and together, none symmetric."""

from __future__ import annotations

from typing import Any

from tweakconv.geometry import ConvGeometry
from tweakconv.view.scene import Scene, make_scene

SCENES: dict[str, tuple[ConvGeometry, dict[str, Any]]] = {
    "lecture": (ConvGeometry.of((5, 5), 3, strides=2, padding="same"), {}),
    "asymmetric": (ConvGeometry.of((7, 5), (3, 2), dilation_rate=(2, 3), padding=((1, 2), (0, 3))), {}),
    "transposed": (ConvGeometry.transposed((3, 2), 3, strides=(2, 1), padding="same"), {}),
    "transposed, dilated": (ConvGeometry.transposed((2, 3), (3, 2), strides=2, dilation_rate=(2, 1)), {}),
    "causal": (ConvGeometry.of(8, 3, dilation_rate=2, padding="causal"), {}),
    "full": (ConvGeometry.of((4, 3), (3, 2), padding="full"), {}),
    "reflect": (ConvGeometry.of((4, 5), 3, padding="same"), {"padding_mode": "reflect"}),
    "constant": (ConvGeometry.of((4, 5), 3, padding=1), {"padding_mode": "constant", "pad_value": 7}),
    "groups": (
        ConvGeometry.of((5, 4), 3, in_channels=6, out_channels=4, groups=2),
        {"output_channel": 2, "input_channel": 4},
    ),
    "unread": (ConvGeometry.of((8, 9), 3, strides=2, dilation_rate=2), {}),
    "cropped": (ConvGeometry.of((7, 8), 3, padding=((-1, 2), (0, -2))), {}),
    "decimals": (
        ConvGeometry.of((4, 5), 2, padding=((0, 1), (1, 0))),
        {"input_edits": {(0, 0): -123456.789, (1, 2): 0.125}, "kernel_edits": {(0, 1): 0.0625, (1, 0): -7.5}},
    ),
    "single": (ConvGeometry.of((3, 3), 3), {}),
    "long": (ConvGeometry.of((2, 12), (2, 5), strides=(1, 3)), {}),
}


def scene(name: str, seed: int = 3) -> Scene:
    """One of them."""
    geometry, arguments = SCENES[name]
    return make_scene(geometry, seed=seed, **arguments)
