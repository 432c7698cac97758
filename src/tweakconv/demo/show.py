"""Every tweak of the demonstration, run on a photograph and compared with SciPy.

Writes a PNG file for each and a sheet of them all into ``demo-output``, and prints for each the size formula
with its numbers, what became of values out of range, the time, and SciPy's time for the same result.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data

from tweakconv.compiler.threads import set_num_threads
from tweakconv.demo.against_scipy import Comparison, compare
from tweakconv.demo.sheet import Tile, contact_sheet
from tweakconv.demo.tweaks import TWEAKS, Tweak
from tweakconv.images import read_image, write_image
from tweakconv.kernels import parse_kernel
from tweakconv.photo import Filtered, filter_picture, to_grey
from tweakconv.picture import Picture


def show(folder: Path = Path("demo-output"), *, rounds: int = 7) -> int:
    """Run the demonstration.

    Parameters
    ----------
    folder
        Where the pictures go; its own files from an earlier run are replaced, all others left alone.
    rounds
        How many timed calls each side gets for each tweak.

    Returns
    -------
    int
        0, or 1 where a result differs from SciPy's by more than rounding.
    """
    photo = read_image(get_sample_data("grace_hopper.jpg", asfileobj=False))
    set_num_threads(1)  # as many as SciPy uses
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Photograph of {_size(photo)}, {photo.kind}. Times: float32, one thread each, medians of {rounds} rounds.")
    print("SciPy knows no strides and no dilation: it computes every position of a kernel spread with zeros.\n")
    tiles, agreed = [Tile("the photograph", _size(photo), photo.interleaved)], True
    for number, tweak in enumerate(TWEAKS, start=1):
        path = folder / f"{number}-{tweak.name}.png"
        filtered, comparison = _run(photo, tweak, rounds)
        write_image(path, filtered.picture, overwrite=True)
        _report(path, tweak, filtered, comparison)
        tiles.append(Tile(_title(tweak), f"{tweak.words}: {_size(filtered.picture)}", filtered.picture.interleaved))
        agreed = agreed and comparison.agrees
    sheet = folder / "demo.png"
    write_image(sheet, Picture(contact_sheet(tiles, columns=4)), overwrite=True)
    print(f"{sheet}: all of them on one sheet")
    return 0 if agreed else 1


def _run(photo: Picture, tweak: Tweak, rounds: int) -> tuple[Filtered, Comparison]:
    kernel = parse_kernel(tweak.kernel)
    filtered = filter_picture(photo, kernel, grey=tweak.grey, value_range=tweak.value_range, **tweak.arguments)
    colours, weights = photo.pixels.astype(np.float32), kernel.weights.astype(np.float32)
    image = to_grey(colours) if tweak.grey else colours
    return filtered, compare(image, weights, filtered.geometry, rounds, tweak.padding_mode)


def _report(path: Path, tweak: Tweak, filtered: Filtered, comparison: Comparison) -> None:
    height, width = filtered.geometry.axes
    verdict = "rounding" if comparison.agrees else "MORE THAN ROUNDING"
    print(f"{path}: {tweak.kernel}, {tweak.words}")
    print(f"  height  {height.formula()}")
    print(f"  width   {width.formula()}")
    print(f"  file    {_size(filtered.picture)} pixels, {filtered.picture.kind}")
    print(f"  values  {filtered.fitted.report}")
    print(
        f"  time    {comparison.ours * 1e3:.2f} ms, {comparison.function} {comparison.scipy * 1e3:.2f} ms: "
        f"{comparison.scipy / comparison.ours:.1f} times as fast"
    )
    print(f"  result  SciPy's within {comparison.difference:.1g} of 255: {verdict}\n", flush=True)


def _title(tweak: Tweak) -> str:
    return tweak.kernel if ";" not in tweak.kernel else f"{tweak.name}, typed in"


def _size(picture: Picture) -> str:
    height, width = picture.size
    return f"{width} x {height}"
