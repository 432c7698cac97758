"""How much one request may ask for: enough to learn from, little enough that no request keeps others waiting."""

from __future__ import annotations

from typing import Final, NamedTuple


class Limits(NamedTuple):
    """What the explorer draws, computes and takes at most.

    Attributes
    ----------
    input_size, kernel_size, strides, dilation_rate, output_padding, pad
        Along one axis, of a layer that is drawn or one of many.
    channels
        Of the input and of the output.
    cells
        Cells of a drawing: those of the padded input and those of the output.
    products
        Of all outputs of a layer that is drawn.
    value
        The largest magnitude of an edited value.
    edits
        Edited cells of one layer.
    layers, chain_size
        Layers of a chain, and the size of its input along one axis.
    upload_bytes, upload_pixels
        Of a picture that is sent.
    bodies_bytes
        Of all pictures together that are being sent, until they are decoded.
    picture_taps, picture_strides, picture_dilation_rate, picture_pad
        Along one axis, of a filter on a picture.
    output_pixels
        Of a filtered picture.
    multiply_adds
        For one channel of a filtered picture.
    kept_bytes, kept_pictures, seconds_kept
        What is held of pictures that were sent: in all, and each since it was last asked for.
    export_steps, gif_cells
        Steps of an exported animation; and the cells of all frames of a GIF together, each of which is rendered.
    """

    input_size: int = 128
    kernel_size: int = 32
    strides: int = 64
    dilation_rate: int = 32
    output_padding: int = 63
    pad: int = 64
    channels: int = 1024
    cells: int = 20_000
    products: int = 2**26
    value: int = 999_999
    edits: int = 4096
    layers: int = 64
    chain_size: int = 10_000
    upload_bytes: int = 32 * 2**20
    upload_pixels: int = 16_000_000
    bodies_bytes: int = 512 * 2**20
    picture_taps: int = 64
    picture_strides: int = 64
    picture_dilation_rate: int = 128
    picture_pad: int = 1024
    output_pixels: int = 20_000_000
    multiply_adds: int = 10_000_000_000
    kept_bytes: int = 256 * 2**20
    kept_pictures: int = 64
    seconds_kept: int = 1800
    export_steps: int = 1024
    gif_cells: int = 150_000


LIMITS: Final = Limits()
"""Those of the explorer."""
