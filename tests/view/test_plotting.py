"""``tc.plot_receptive_field`` and ``tweakconv plot``: what is shaded is what is read, and the sizes are the chain's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

import tweakconv as tc
from tweakconv.cli import main
from tweakconv.geometry import ConvGeometry

Run = Callable[..., tuple[int, str, str]]
CHAIN = [
    tc.Layer((3, 2), strides=(2, 1), padding=((1, 0), (0, 2))),
    tc.Layer((1, 3), dilation_rate=2, padding="same"),
    tc.Layer((1, 3), strides=(3, 2)),
]
SIZE = (14, 11)


@pytest.fixture
def tweakconv(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(words)
        return status, *capfd.readouterr()

    return run


def geometries() -> list[ConvGeometry]:
    made, size = [], SIZE
    for layer in CHAIN:
        geometry = ConvGeometry.of(
            size, layer.kernel_size, strides=layer.strides, padding=layer.padding, dilation_rate=layer.dilation_rate
        )
        made.append(geometry)
        size = geometry.output_size
    return made


def paths_to(output: tuple[int, int]) -> np.ndarray:
    """How many ways lead from each pixel to an output, followed tap by tap from the top."""
    chain = geometries()
    ways = np.zeros(chain[-1].output_size)
    ways[output] = 1
    for geometry in reversed(chain):
        below = np.zeros(geometry.input_size)
        for oy, ox in np.argwhere(ways):
            for y in geometry.axes[0].taps(int(oy)):
                for x in geometry.axes[1].taps(int(ox)):
                    if y is not None and x is not None:
                        below[y, x] += ways[oy, ox]
        ways = below
    return ways


def shaded(axes: Axes) -> np.ma.MaskedArray:
    return axes.images[-1].get_array()


@pytest.mark.parametrize("output", [(0, 0), (1, 2), (2, 3)])
def test_the_pixels_shaded_for_an_output_are_those_that_lead_to_it(output: tuple[int, int]) -> None:
    figure = tc.plot_receptive_field(CHAIN, SIZE, output=output)
    ways, expected = shaded(figure.axes[0]), paths_to(output)
    assert np.array_equal(~np.ma.getmaskarray(ways), expected > 0)
    np.testing.assert_allclose(ways.filled(0) / ways.max(), expected / expected.max())


def test_the_frame_is_the_field_with_what_lies_in_the_padding() -> None:
    figure = tc.plot_receptive_field(CHAIN, SIZE, output=(0, 0))
    frame = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)][-1]
    field = tc.receptive_field(CHAIN, SIZE)
    assert (frame.get_height(), frame.get_width()) == field.size
    assert (frame.get_y() + 0.5, frame.get_x() + 0.5) == field.start
    assert field.start[0] < 0
    assert figure.axes[0].get_ylim()[1] < frame.get_y()


def test_the_pixels_shaded_for_all_outputs_are_all_that_are_read() -> None:
    figure = tc.plot_receptive_field(CHAIN, SIZE)
    rows, cols = geometries()[-1].output_size
    expected = sum(paths_to((row, col)) for row in range(rows) for col in range(cols))
    assert np.array_equal(~np.ma.getmaskarray(shaded(figure.axes[1])), expected > 0)
    unread = np.mean(expected == 0)
    assert 0 < unread < 1
    assert f"{unread:.1%} of the pixels are never read" in figure.axes[1].get_title()


def test_the_sizes_are_told_layer_by_layer() -> None:
    axes = tc.plot_receptive_field(CHAIN, SIZE).axes[2]
    words = [text.get_text() for text in axes.texts]
    for number, geometry in enumerate(geometries(), 1):
        rows, cols = geometry.output_size
        assert any(line.startswith(f"{number}  kernel") and line.endswith(f"→  {rows} × {cols}") for line in words)
    lengths = [patch.get_width() for patch in axes.patches]
    sizes = [SIZE, *(geometry.output_size for geometry in geometries())]
    np.testing.assert_allclose(lengths, [max(size) / max(map(max, sizes)) for size in sizes])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_an_image_lies_under_the_plots_and_gives_them_their_size(kind: type, channels: tuple[int, ...]) -> None:
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    image = np.zeros((*SIZE, *channels), kind)
    image[2, 3] = white
    figure = tc.plot_receptive_field(CHAIN, image=image)
    for axes in figure.axes[:2]:
        under = axes.images[0].get_array()
        assert under.shape[:2] == SIZE
        assert np.asarray(under).reshape(*SIZE, -1)[2, 3, 0] == 1
        assert under.sum() == np.prod(under.shape[2:])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_can_be_saved_without_a_warning(tmp_path: Path, theme: str) -> None:
    tc.plot_receptive_field(CHAIN, 40, theme=theme).savefig(tmp_path / "a.png", dpi=40)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 14 * 40


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "input_size must be given where there is no image, received neither"),
        ({"input_size": (1, 1)}, "layer 1: .* there is no output"),
        ({"input_size": SIZE, "output": (3, 0)}, r"output must lie within the last layer's 3 x 5, received \(3, 0\)"),
        ({"input_size": SIZE, "output": 3}, r"output must be \(row, column\), received 3"),
        ({"input_size": SIZE, "theme": "auto"}, "theme must be 'light' or 'dark', received 'auto'"),
        ({"input_size": SIZE, "image": np.zeros((3, 3))}, r"input_size must be that of the image, \(3, 3\)"),
        ({"image": np.zeros((3, 3, 2))}, r"image must hold numbers of shape \(H, W\)"),
        ({"input_size": 5000}, "input_size must be at most 2048 a side"),
    ],
)
def test_what_cannot_be_plotted_is_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tc.plot_receptive_field(CHAIN, **arguments)


# The command


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_command_writes_the_plot_and_says_the_sizes(tweakconv: Run, ending: str, start: bytes) -> None:
    words = ("plot", "--input", "28", "--layer", "3 dilation=2", "--layer", "3 stride=2 padding=1:2,0:3", "-o")
    status, out, err = tweakconv(*words, f"a.{ending}")
    assert (status, err) == (0, "")
    assert Path(f"a.{ending}").read_bytes().startswith(start)
    lines = out.splitlines()
    assert lines[0] == "image     28 x 28"
    assert lines[1].endswith("kernel 3 × 3 · dilation 2: 24 x 24; one output sees 5 x 5 and reads 36% of it")
    assert lines[2].endswith("stride 2 · padding 1+2 × 0+3: 13 x 13; one output sees 7 x 7")
    assert tweakconv(*words, f"a.{ending}")[0] == 2
    assert tweakconv(*words, f"a.{ending}", "--force")[0] == 0


def test_the_command_plots_over_a_photograph(tweakconv: Run) -> None:
    Image.new("RGB", (24, 18), "white").save("photo.png")
    status, out, err = tweakconv(
        *("plot", "--photo", "photo.png", "--layer", "3x5", "--cell", "2,3", "--theme", "dark", "-o", "a.svg")
    )
    assert (status, err) == (0, "")
    assert out.startswith("image     18 x 24\n")
    assert ElementTree.parse("a.svg")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--input", "28"), "Missing option '--layer'"),
        (("--layer", "3"), "Give the size of the image as --input, or a picture as --photo"),
        (("--input", "28", "--photo", "a.png", "--layer", "3"), "Give the size of the image as --input, or a picture"),
        (("--input", "28", "--layer", "3 dilaton=2"), "layer 1: a --layer takes stride=, padding= and dilation="),
        (("--input", "28", "--layer", "3", "--layer", "three"), "layer 2: the kernel of a --layer must be a whole"),
        (("--input", "28", "--layer", ""), "layer 1: the kernel of a --layer must be a whole number"),
        (("--input", "28", "--layer", "3", "--cell", "26,0"), "output must lie within the last layer's 26 x 26"),
        (("--input", "28", "--layer", "3", "--cell", "4"), "--cell must be ROW,COL, such as 10,20, received '4'"),
        (("--input", "28", "--layer", "29"), "layer 1: "),
        (("--photo", "none.png", "--layer", "3"), "none.png: no such file"),
    ],
)
def test_every_mistake_is_one_line_and_status_2(tweakconv: Run, words: tuple[str, ...], message: str) -> None:
    status, out, err = tweakconv("plot", *words, "-o", "a.svg")
    assert (status, out) == (2, "")
    assert err.startswith("tweakconv: ")
    assert err.count("\n") == 1
    assert message in err
    assert not os.listdir()


def test_a_name_that_no_plot_can_have_is_refused(tweakconv: Run) -> None:
    status, _, err = tweakconv("plot", "--input", "28", "--layer", "3", "-o", "a.gif")
    assert status == 2
    assert err == "tweakconv: a.gif: the name ends in '.gif', not in one of .png, .svg, .pdf\n"
