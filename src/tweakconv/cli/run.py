"""``tweakconv run``: a tweaked filter on an image file."""

from __future__ import annotations

from pathlib import Path

import click

from tweakconv.cli.report import print_facts, unread_of, window_of
from tweakconv.cli.values import padding_from, per_axis
from tweakconv.images import JPEG_QUALITY, check_writable, read_image, write_image
from tweakconv.kernels import Kernel, parse_kernel
from tweakconv.photo import Filtered, filter_picture
from tweakconv.picture import Picture
from tweakconv.value_range import RANGES

_AXES = ("height", "width")

_EXAMPLES = """
\b
Examples:
  tweakconv run photo.jpg --kernel sobel-x --strides 2 -o edges.png
  tweakconv run photo.jpg --kernel gaussian:9,2 --dilation-rate 2 -o soft.jpg
  tweakconv run scan.tif --kernel "1 0 -1; 2 0 -2; 1 0 -1" -o slopes.tif
  tweakconv run photo.png --kernel weights.npy --padding valid -o result.png
\b
KERNEL is a name (see tweakconv kernels), a matrix with rows ended by
semicolons (fractions such as 1/9 are fine), or a .npy, .txt or .csv file.
\b
PADDING is valid, same (the odd one at the end), same_lower (at the start) or
full; or a number for every side (1), one for height and one for width (1,2),
or low:high pairs (1:2,0:3). MODE is what lies in it: zeros (black), edge,
reflect, symmetric, wrap, or constant with the value --constant-value.
\b
N is one number, or one for height and one for width (2,1).
\b
RANGE is what becomes of results that the file cannot hold:
""" + "\n".join(f"  {name:<8} {meaning}" for name, meaning in RANGES.items())


@click.command(name="run", epilog=_EXAMPLES, short_help="Filter an image file.")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--kernel", "-k", "kernel_text", metavar="KERNEL", required=True, help="What to filter with.")
@click.option("--output", "-o", metavar="FILE", type=click.Path(path_type=Path), required=True, help="Where it goes.")
@click.option("--strides", "--stride", metavar="N", default="1", show_default=True, help="Window steps.")
@click.option("--padding", metavar="PADDING", default="same", show_default=True, help="See below.")
@click.option("--padding-mode", metavar="MODE", default="zeros", show_default=True, help="See below.")
@click.option("--constant-value", metavar="VALUE", type=float, default=0.0, help="What lies in constant padding.")
@click.option("--dilation-rate", "--dilation", metavar="N", default="1", show_default=True, help="Steps between taps.")
@click.option("--range", "value_range", metavar="RANGE", default="auto", show_default=True, help="See below.")
@click.option("--flip", is_flag=True, help="Turn the kernel by 180 degrees: the convolution of mathematics.")
@click.option("--grey", "--gray", is_flag=True, help="Turn colours to grey first.")
@click.option("--normalize", is_flag=True, help="Divide the kernel by its sum, to keep the brightness.")
@click.option("--force", is_flag=True, help="Replace the file where it exists already.")
def command(
    *,
    image: Path,
    kernel_text: str,
    output: Path,
    strides: str,
    padding: str,
    padding_mode: str,
    constant_value: float,
    dilation_rate: str,
    value_range: str,
    flip: bool,
    grey: bool,
    normalize: bool,
    force: bool,
) -> None:
    """Filter the file IMAGE with a kernel and write the result, of the same depth, to another file.

    PNG, JPEG and TIFF; 8 and 16 bits; grey and RGB, each channel by the same kernel. Alpha is taken from the
    centre of each window.
    """
    kernel = parse_kernel(kernel_text)
    if normalize:
        kernel = kernel.normalised()
    picture = read_image(image)
    check_writable(output, picture, source=image, overwrite=force)
    filtered = filter_picture(
        picture,
        kernel,
        strides=per_axis("--strides", strides),
        padding=padding_from(padding, rank=len(_AXES)),
        dilation_rate=per_axis("--dilation-rate", dilation_rate),
        padding_mode=padding_mode,
        constant_value=constant_value,
        flip=flip,
        grey=grey,
        value_range=value_range,
    )
    write_image(output, filtered.picture, overwrite=force)
    print_facts(_facts(image, picture, kernel, filtered, output))


def _facts(image: Path, picture: Picture, kernel: Kernel, filtered: Filtered, output: Path) -> list[tuple[str, str]]:
    geometry = filtered.geometry
    facts = [("input", f"{image}: {_described(picture)}")]
    facts += [("", note) for note in picture.notes]
    facts.append(("kernel", f"{kernel.label}, {window_of(geometry)}; sums to {kernel.sum:.6g}"))
    facts += [(name, axis.formula()) for name, axis in zip(_AXES, geometry.axes, strict=True)]
    facts.append(("unread", unread_of(geometry)))
    facts.append(("values", filtered.fitted.report))
    if filtered.fitted.method == "clip" and filtered.fitted.beyond and kernel.sum > 1.01:
        facts.append(("", f"the kernel makes the image {kernel.sum:.6g} times brighter; --normalize divides by that"))
    facts.append(("time", f"{filtered.seconds * 1e3:.3g} ms for the convolution, compiling it included"))
    quality = f", JPEG quality {JPEG_QUALITY}" if output.suffix.lower() in (".jpg", ".jpeg") else ""
    facts.append(("output", f"{output}: {_described(filtered.picture)}{quality}"))
    return facts


def _described(picture: Picture) -> str:
    height, width = picture.size
    return f"{width} wide, {height} high, {picture.kind}{_resolution(picture)}"


def _resolution(picture: Picture) -> str:
    if picture.resolution is None:
        return ""
    down, across = (f"{along:.4g}" for along in picture.resolution)
    return f", {across} dpi" if down == across else f", {across} dpi across and {down} down"
