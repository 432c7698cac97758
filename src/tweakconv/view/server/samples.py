"""Pictures to try filters on: a photograph and a relief that come with matplotlib, and a chart that is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from matplotlib.cbook import get_sample_data

from tweakconv.images import read_image
from tweakconv.picture import Picture
from tweakconv.value_range import fit


class Sample(NamedTuple):
    """A picture that comes with the package.

    Attributes
    ----------
    name, summary
        What it is called, and what it is good for.
    make
        Makes it.
    """

    name: str
    summary: str
    make: Callable[[], Picture]


def sample(name: str) -> Picture | None:
    """The sample of a name, made when it is first asked for; None where there is none."""
    return _made(name) if name in SAMPLES else None


def _photograph() -> Picture:
    """Grace Hopper, by James S. Davis (1984, public domain)."""
    return read_image(get_sample_data("grace_hopper.jpg", asfileobj=False))


def _relief() -> Picture:
    """Heights around the Jacksboro fault in Tennessee, from matplotlib's sample data."""
    with np.load(get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as arrays:
        heights = arrays["elevation"].astype(np.float32)
    return Picture(fit(heights[..., None], np.uint8, "stretch", 1.0).values)


def _zone_plate(size: int = 1000) -> Picture:
    """Rings whose frequency grows evenly from 0 in the middle to half a cycle a pixel at the edge."""
    squared = (np.arange(size, dtype=np.float32) - size / 2) ** 2
    rings = np.cos(np.pi / size * np.add.outer(squared, squared))
    return Picture(fit(rings[..., None], np.uint8, "stretch", 1.0).values)


SAMPLES: Final = {
    entry.name: entry
    for entry in (
        Sample("photograph", "a portrait: edges, skin and cloth", _photograph),
        Sample("relief", "heights of hills: slopes and curvature", _relief),
        Sample("zone-plate", "ever finer rings, 1 megapixel: what strides and dilation alias", _zone_plate),
    )
}
"""Every sample, by name."""


@functools.cache
def _made(name: str) -> Picture:
    return SAMPLES[name].make()
