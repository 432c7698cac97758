"""Plots of a chain of layers over an image: what one output sees, what all of them read, the sizes in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from tweakconv.geometry import ConvGeometry
from tweakconv.geometry.arguments import integer
from tweakconv.receptive_fields import Layer, relative_paths
from tweakconv.view.captions import by, tweaks_of
from tweakconv.view.chain import Chain
from tweakconv.view.drawing.theme import colours_of

_THEMES: Final = ("light", "dark")
_UNDER_IMAGES: Final = -1  # matplotlib draws these at 0
_LARGEST: Final = 2048


def plot_receptive_field(
    layers: Iterable[Layer | Mapping[str, Any]],
    input_size: int | Sequence[int] | None = None,
    *,
    image: ArrayLike | None = None,
    output: tuple[int, int] | None = None,
    theme: str = "light",
) -> Figure:
    r"""Plot the receptive field and the coverage of a chain of layers over an image, and the sizes layer by layer.

    Parameters
    ----------
    layers
        First to last: `Layer`, or a dict with its arguments.
    input_size
        Height and width of the image in pixels, or one number for both; not needed with `image`.
    image
        Grey, (H, W) or (H, W, 1), or RGB, (H, W, 3), to put under the plots: unsigned integers, or numbers from 0 to 1.
    output
        Row and column of the output of the last layer whose field is shown; the middle one by default.
    theme
        "light" or "dark".

    Returns
    -------
    matplotlib.figure.Figure
        With three axes; ``savefig`` writes it to a file.

    Raises
    ------
    ValueError
        For what the geometry refuses, a layer that has no output, an output that is not there, or an image of
        another size.
    TypeError
        Where something has the wrong type.
    ModuleNotFoundError
        Where ``tweakconv[view]`` is not installed.

    Examples
    --------
    >>> figure = plot_receptive_field([Layer(3, dilation_rate=2)] * 3, input_size=28)
    >>> figure.axes[0].get_title()
    'Output (8, 8) sees 13 × 13 pixels\nand reads 49 of these 169'
    """
    if theme not in _THEMES:
        raise ValueError(f"theme must be 'light' or 'dark', received {theme!r}")
    pixels = None if image is None else _checked_image(image)
    chain = chain_over(layers, input_size, pixels)
    colours = colours_of("dark" if theme == "dark" else "light")
    height = max(4.8, 1 + 0.75 * len(chain.sizes))
    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.15)
    figure = Figure(figsize=(14, height), layout=layout, facecolor=colours["paper"])
    one, every, sizes = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    for axes in (one, every):
        _prepare(axes, chain, pixels, colours)
    _plot_one(one, chain, _checked_output(chain, output), colours)
    _plot_all(every, chain, colours)
    _plot_sizes(sizes, chain, colours)
    return figure


def chain_over(
    layers: Iterable[Layer | Mapping[str, Any]],
    input_size: int | Sequence[int] | None = None,
    image: NDArray[Any] | None = None,
) -> Chain:
    """The chain that `plot_receptive_field` plots.

    Raises
    ------
    ValueError
        Where a layer has no output, and as `plot_receptive_field`.
    """
    chain = Chain.of(_checked_size(input_size, image), layers)
    if chain.stop is not None:
        raise ValueError(f"layer {chain.stop.layer}: {chain.stop.text}")
    return chain


def _plot_one(axes: Axes, chain: Chain, output: tuple[int, int], colours: Mapping[str, str]) -> None:
    """What one output sees, and how strongly: the number of ways through the taps."""
    ways = [relative_paths(chain.along(axis), output[axis]) for axis in range(2)]
    _shade(axes, np.outer(*ways), colours["kernel"])
    rows, cols = chain.as_one_layer()
    corner = (cols.first(output[1]) - 0.5, rows.first(output[0]) - 0.5)
    height, width = rows.effective_kernel, cols.effective_kernel
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colours["kernel"], linewidth=2))
    axes.set_xlim(min(-0.5, corner[0]) - 0.5, max(chain.input_size[1] - 0.5, corner[0] + width) + 0.5)
    axes.set_ylim(max(chain.input_size[0] - 0.5, corner[1] + height) + 0.5, min(-0.5, corner[1]) - 0.5)
    field = chain.field()
    read = "and reads each" if field.coverage == 1 else f"and reads {field.pixels_read:,} of these {field.pixels:,}"
    axes.set_title(f"Output {output} sees {by(field.size)} pixels\n{read}", color=colours["ink"])


def _plot_all(axes: Axes, chain: Chain, colours: Mapping[str, str]) -> None:
    """How strongly all outputs together depend on each pixel."""
    ways = [relative_paths(chain.along(axis)) for axis in range(2)]
    share = np.outer(*ways)
    _shade(axes, share, colours["output"])
    unread = 1 - np.count_nonzero(share) / share.size
    words = "every pixel is read" if not unread else f"{unread:.1%} of the pixels are never read"
    axes.set_title(f"All outputs together:\n{words}", color=colours["ink"])


def _plot_sizes(axes: Axes, chain: Chain, colours: Mapping[str, str]) -> None:
    """A bar for the image and for what each layer gives, as long as its longer side."""
    longest = max(max(size) for size in chain.sizes)
    for place, size in enumerate(chain.sizes):
        colour = colours["input"] if place == 0 else colours["output"]
        axes.barh(place, max(size) / longest, height=0.3, color=colour)
        words = "image" if place == 0 else f"{place}  {tweaks_of(chain.geometries[place - 1])}"
        axes.text(0, place - 0.22, f"{words}  →  {by(size)}" if place else f"{words}  {by(size)}", color=colours["ink"])
        if place:
            field = chain.field(place)
            seen = f"one output sees {by(field.size)}" + (f", reads {field.coverage:.0%}" if field.coverage < 1 else "")
            axes.text(0, place + 0.32, seen, color=colours["muted"], fontsize="small")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(len(chain.sizes) - 0.5, -0.6)
    axes.set_title("Layer by layer", color=colours["ink"], loc="left")
    axes.set_axis_off()


def _prepare(axes: Axes, chain: Chain, pixels: NDArray[Any] | None, colours: Mapping[str, str]) -> None:
    """The image, or where it would be."""
    height, width = chain.input_size
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    ground = Rectangle((-0.5, -0.5), width, height, facecolor=colours["floor"], edgecolor=colours["pad-line"])
    ground.set_zorder(_UNDER_IMAGES)
    axes.add_patch(ground)
    if pixels is not None:
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, extent=edges, interpolation="nearest")
    axes.set_facecolor(colours["paper"])
    axes.set_aspect("equal", anchor="N")
    axes.tick_params(colors=colours["muted"], labelsize=8)
    axes.locator_params(integer=True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shade(axes: Axes, ways: NDArray[np.float64], colour: str) -> None:
    """Pixels in a colour, the stronger the more ways lead there; those without any are left as they are."""
    scale = LinearSegmentedColormap.from_list("ways", [f"{colour}40", f"{colour}f0"])
    height, width = ways.shape
    axes.imshow(
        np.ma.masked_equal(ways, 0),
        cmap=scale,
        vmin=0,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
        aspect="equal",
    )


def _checked_image(image: ArrayLike) -> NDArray[Any]:
    pixels = np.asarray(image)
    if pixels.dtype.kind not in "uif" or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(
            f"image must hold numbers of shape (H, W) or (H, W, 3), received {pixels.dtype} of shape {pixels.shape}"
        )
    if pixels.dtype.kind == "u":
        return pixels / np.iinfo(pixels.dtype).max
    return np.clip(pixels.astype(np.float64), 0, 1)


def _checked_size(input_size: int | Sequence[int] | None, pixels: NDArray[Any] | None) -> tuple[int, int]:
    if input_size is None and pixels is None:
        raise ValueError("input_size must be given where there is no image, received neither")
    height, width = ConvGeometry.of((1, 1) if input_size is None else input_size, (1, 1)).input_size
    if pixels is None:
        size = (height, width)
    elif input_size is not None and pixels.shape[:2] != (height, width):
        raise ValueError(f"input_size must be that of the image, {pixels.shape[:2]}, received {input_size!r}")
    else:
        size = pixels.shape[:2]
    if max(size) > _LARGEST:
        raise ValueError(f"input_size must be at most {_LARGEST} a side to be plotted, received {size}")
    return size


def _checked_output(chain: Chain, output: tuple[int, int] | None) -> tuple[int, int]:
    rows, cols = chain.sizes[-1]
    if output is None:
        return rows // 2, cols // 2
    if not isinstance(output, Sequence) or len(output) != 2:
        raise ValueError(f"output must be (row, column), received {output!r}")
    row, col = (integer("output", entry, at_least=0, within=output) for entry in output)
    if row >= rows or col >= cols:
        raise ValueError(f"output must lie within the last layer's {rows} x {cols}, received {output!r}")
    return row, col
