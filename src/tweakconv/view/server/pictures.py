"""Filters on pictures: sending a picture, and its feature map as pixels that a canvas takes or as a file."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from tweakconv.compiler.threads import get_num_threads
from tweakconv.geometry import ConvGeometry
from tweakconv.images import decode_image, encode_png
from tweakconv.kernels import Kernel, parse_kernel
from tweakconv.photo import Filtered, filter_picture
from tweakconv.picture import ImageFileError, Picture
from tweakconv.view.limits import LIMITS
from tweakconv.view.parameters import ParameterError, Parameters
from tweakconv.view.server.answers import Refusal, file_answer, in_words, json_answer, raw_answer
from tweakconv.view.server.body import Room, read_body
from tweakconv.view.server.samples import SAMPLES, sample
from tweakconv.view.server.store import PictureStore
from tweakconv.view.server.turns import Endpoint, Turns
from tweakconv.view.state import PictureState

SAMPLE_PREFIX: Final = "sample:"
_NAMES: Final = ("kernel", "strides", "dilation_rate", "padding", "padding_mode", "value_range", "picture")
_decoding = threading.Lock()
"""Decoders turn Python's warnings off for a while, which threads may not do at once."""


def upload_endpoint(store: PictureStore, turns: Turns) -> Endpoint:
    """The route that takes a picture."""
    room = Room(LIMITS.bodies_bytes)

    async def upload(request: Request) -> Response:
        with room.share() as take:
            data = await read_body(request, LIMITS.upload_bytes, take)
            return await turns.take(request, partial(keep_upload, store, data))

    return upload


def keep_upload(store: PictureStore, data: bytes) -> Response:
    """Decode and keep a picture.

    Parameters
    ----------
    store
        Where it is kept.
    data
        The bytes of a PNG or JPEG file.

    Raises
    ------
    Refusal
        400 where they cannot be decoded or hold too many pixels, 415 where they are no such file.
    """
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        raise Refusal(415, "the picture must be a PNG or JPEG file")
    try:
        with _decoding:
            picture = _in_eight_bits(decode_image(data, most_pixels=LIMITS.upload_pixels))
    except ImageFileError as problem:
        raise Refusal(400, f"the picture cannot be taken: {problem}") from None
    height, width = picture.size
    facts = {
        "picture": store.keep(picture),
        "height": height,
        "width": width,
        "channels": picture.pixels.shape[2],
        "notes": list(picture.notes),
        "seconds_kept": LIMITS.seconds_kept,
    }
    return json_answer(facts, 201)


def forget_endpoint(store: PictureStore) -> Endpoint:
    """The route that lets go of a picture."""

    async def forget(request: Request) -> Response:
        store.forget(request.path_params["picture"])
        return Response(status_code=204)

    return forget


def picture_answer(store: PictureStore, parameters: Parameters) -> Response:
    """The feature map of a picture.

    Raises
    ------
    Refusal
        For parameters that make no sense or ask for too much, and for a picture that is not held.
    """
    started = time.perf_counter()
    with in_words(_NAMES), np.errstate(all="ignore"):
        state = PictureState.read(parameters)
        form = parameters.choice("format", ("raw", "png"), "raw")
        parameters.finish()
        picture = _found(store, state.picture)
        kernel = kernel_of(state.kernel, normalize=state.normalize)
        _check_work(picture, kernel, state)
        filtered = filter_picture(
            picture,
            kernel,
            strides=state.strides,
            padding=state.padding,
            dilation_rate=state.dilation_rate,
            padding_mode=state.padding_mode,
            flip=state.flip,
            grey=state.grey,
            value_range=state.value_range,
        )
    if form == "png":
        return file_answer(encode_png(filtered.picture), f"{_plain_name(kernel)}.png", "image/png")
    pixels = rgba(filtered.picture).tobytes()
    return raw_answer(pixels, _facts(filtered, kernel) | {"total_ms": _milliseconds(time.perf_counter() - started)})


def kernel_answer(parameters: Parameters) -> Response:
    """The numbers of a kernel."""
    with in_words(("kernel",)):
        kernel = kernel_of(parameters.text("kernel", longest=50_000), normalize=parameters.flag("normalize"))
        parameters.finish()
    return json_answer(kernel_facts(kernel))


def kernel_of(text: str, *, normalize: bool = False) -> Kernel:
    """The kernel that a name or a matrix means; never one in a file.

    Raises
    ------
    ValueError
        Where there is none, or it has too many taps.
    """
    kernel = parse_kernel(text, files=False)
    if max(kernel.size) > LIMITS.picture_taps:
        raise ParameterError(
            "kernel",
            f"kernel may have {LIMITS.picture_taps} taps a side here, it has {kernel.size[0]} x {kernel.size[1]}",
        )
    return kernel.normalised() if normalize else kernel


def kernel_facts(kernel: Kernel) -> dict[str, Any]:
    """A kernel as plain data."""
    rows, columns = kernel.size
    weights = [[round(weight, 9) for weight in row] for row in kernel.weights.tolist()]
    return {"label": kernel.label, "rows": rows, "columns": columns, "weights": weights, "sum": kernel.sum}


def rgba(picture: Picture) -> NDArray[np.uint8]:
    """A picture of 8 bits as a canvas holds it: red, green, blue and opacity for each pixel.

    Examples
    --------
    >>> rgba(Picture(np.array([[[7], [9]]], np.uint8))).tolist()
    [[[7, 7, 7, 255], [9, 9, 9, 255]]]
    """
    pixels = np.empty((*picture.size, 4), np.uint8)
    for channel in range(3):
        pixels[..., channel] = picture.pixels[..., min(channel, picture.pixels.shape[2] - 1)]
    pixels[..., 3] = 255 if picture.alpha is None else picture.alpha
    return pixels


def _found(store: PictureStore, name: str) -> Picture:
    prefixed = name or f"{SAMPLE_PREFIX}{next(iter(SAMPLES))}"
    if prefixed.startswith(SAMPLE_PREFIX):
        picture = sample(prefixed.removeprefix(SAMPLE_PREFIX))
        if picture is None:
            names = ", ".join(f"{SAMPLE_PREFIX}{known}" for known in SAMPLES)
            raise ParameterError("picture", f"picture must be one of {names}, or one that was sent, received {name!r}")
        return picture
    picture = store.find(name)
    if picture is None:
        raise Refusal(410, "this picture is not held any more; send it again", "picture")
    return picture


def _check_work(picture: Picture, kernel: Kernel, state: PictureState) -> None:
    geometry = ConvGeometry.of(
        picture.size, kernel.size, strides=state.strides, padding=state.padding, dilation_rate=state.dilation_rate
    )
    height, width = geometry.output_size
    if height * width > LIMITS.output_pixels:
        raise ParameterError(
            "padding",
            f"padding makes an output of {width} x {height} pixels; {LIMITS.output_pixels:,} at most are computed",
        )
    if geometry.multiply_adds > LIMITS.multiply_adds:
        raise ParameterError(
            "kernel",
            f"kernel takes {geometry.multiply_adds:,} multiply-adds on this picture; {LIMITS.multiply_adds:,} at most "
            f"are computed: choose a smaller kernel or larger strides",
        )


def _facts(filtered: Filtered, kernel: Kernel) -> dict[str, Any]:
    geometry, (height, width) = filtered.geometry, filtered.picture.size
    return {
        "height": height,
        "width": width,
        "channels": filtered.picture.pixels.shape[2],
        "input": list(geometry.input_size),
        "output": list(geometry.output_size),
        "pads": [list(pair) for pair in geometry.pads],
        "formula": [axis.formula() for axis in geometry.axes],
        "unread": str(geometry.unread()) if geometry.unread_fraction() else "",
        "unread_fraction": geometry.unread_fraction(),
        "multiply_adds": geometry.multiply_adds * filtered.picture.pixels.shape[2],
        "report": filtered.fitted.report,
        "kernel_sum": kernel.sum,
        "threads": get_num_threads(),
        "compute_ms": _milliseconds(filtered.seconds),
    }


def _in_eight_bits(picture: Picture) -> Picture:
    """The picture as a screen shows it."""
    if picture.bits == 8:
        return Picture(picture.pixels, picture.alpha, notes=picture.notes)

    def halved(samples: NDArray[Any]) -> NDArray[Any]:
        return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)

    alpha = None if picture.alpha is None else halved(picture.alpha)
    notes = (*picture.notes, "its 16 bits were rounded to the 8 of a screen; tweakconv run keeps them all")
    return Picture(halved(picture.pixels), alpha, notes=notes)


def _plain_name(kernel: Kernel) -> str:
    """A file name: the kernel's, where it is one of the library and holds nothing that a header would mind."""
    name = kernel.label.partition(":")[0].strip().lower()
    return name if name.replace("-", "").isalnum() and name.isascii() else "filtered"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1e3, 3)
