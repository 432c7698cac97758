"""The demonstration: every picture is written, every formula and comparison printed, and SciPy agrees."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import signal

from tweakconv.compiler.threads import get_num_threads, set_num_threads
from tweakconv.demo import show as demo
from tweakconv.demo.against_scipy import CORRELATIONS, Comparison, compare, with_scipy
from tweakconv.demo.sheet import Tile, contact_sheet
from tweakconv.demo.tweaks import TWEAKS
from tweakconv.geometry import ConvGeometry
from tweakconv.images import read_image

RNG = np.random.default_rng(8)


@pytest.fixture
def threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


def test_the_demonstration_writes_its_pictures_and_agrees_with_scipy(tmp_path, capsys, threads):
    (tmp_path / "mine.png").write_bytes(b"precious")
    (tmp_path / "1-soft.png").write_bytes(b"of an earlier run")
    assert demo.show(tmp_path, rounds=1) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "mine.png").read_bytes() == b"precious"
    for number, tweak in enumerate(TWEAKS, start=1):
        path = tmp_path / f"{number}-{tweak.name}.png"
        section = out.partition(f"{path}: {tweak.kernel}, {tweak.words}\n")[2].partition("\n\n")[0]
        sizes = [int(re.search(rf"  {axis} .* = (\d+)\n", section)[1]) for axis in ("height", "width")]
        assert tuple(sizes) == read_image(path).size
        assert "times as fast" in section
        assert section.endswith("of 255: rounding")
    assert read_image(tmp_path / "demo.png").kind == "8-bit RGB"
    assert len(list(tmp_path.iterdir())) == len(TWEAKS) + 2


@pytest.mark.parametrize("missing", ["matplotlib", "scipy", "PIL"])
def test_without_the_extra_the_demonstration_says_what_to_install(tmp_path, missing):
    program = f"import sys; sys.modules[{missing!r}] = None\nfrom tweakconv.demo.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f'tweakconv.demo: {missing} is not installed; run: pip install "tweakconv[demo]", '
        'or from a clone: pip install ".[demo]"\n'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_stops_listening_is_met_in_silence(tmp_path):
    command = [sys.executable, "-m", "tweakconv.demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_the_demonstration_shows_every_kind_of_tweak():
    assert {tweak.strides for tweak in TWEAKS} >= {1, 2, 3}
    assert {tweak.dilation_rate for tweak in TWEAKS} >= {1, 2, 3}
    assert any(tweak.strides > 1 and tweak.dilation_rate > 1 for tweak in TWEAKS)
    assert {"same", "valid"} < {tweak.padding for tweak in TWEAKS}
    assert {"zeros", "reflect"} <= {tweak.padding_mode for tweak in TWEAKS}


def test_a_result_that_scipy_does_not_share_fails_the_demonstration(tmp_path, capsys, monkeypatch, threads):
    wrong = Comparison(ours=1.0, scipy=2.0, function="scipy", difference=1.0, allowed=0.5)
    monkeypatch.setattr(demo, "compare", lambda *_: wrong)
    assert demo.show(tmp_path, rounds=1) == 1
    assert "MORE THAN ROUNDING" in capsys.readouterr().out


@pytest.mark.parametrize("correlate", CORRELATIONS.values(), ids=CORRELATIONS)
@pytest.mark.parametrize("kernel_size", [(3, 3), (2, 5), (4, 1)])
def test_both_ways_through_scipy_compute_the_same_convolution(correlate, kernel_size):
    image, kernel = RNG.random((11, 14, 2)), RNG.random(kernel_size)
    geometry = ConvGeometry.of((11, 14), kernel_size, strides=(2, 3), padding=((2, 1), (0, 4)), dilation_rate=2)
    found = with_scipy(image, kernel, geometry, correlate)
    spread = np.kron(kernel, [[1, 0], [0, 0]])[:-1, :-1]
    for c in range(2):
        padded = np.pad(image[..., c], ((2, 1), (0, 4)))
        expected = signal.correlate2d(padded, spread, mode="valid")[::2, ::3]
        np.testing.assert_allclose(found[..., c], expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
def test_a_comparison_fills_the_padding_on_both_sides_alike(mode):
    image, kernel = RNG.random((9, 10, 3), dtype=np.float32), RNG.random((3, 4), dtype=np.float32)
    geometry = ConvGeometry.of((9, 10), (3, 4), padding=((2, 1), (0, 4)))
    assert compare(image, kernel, geometry, 1, mode).agrees
    padded = np.pad(image[..., 1], geometry.pads, mode=mode)
    found = with_scipy(image, kernel, geometry, CORRELATIONS["scipy.signal.correlate"], mode)
    np.testing.assert_allclose(found[..., 1], signal.correlate2d(padded, kernel, mode="valid"), rtol=1e-5)


def test_a_comparison_measures_the_difference_that_there_is(monkeypatch):
    image = RNG.random((9, 10, 3), dtype=np.float32)
    kernel = RNG.random((3, 3), dtype=np.float32)
    geometry = ConvGeometry.of((9, 10), 3, padding=1)
    assert compare(image, kernel, geometry, 1).agrees
    shifted = kernel.copy()
    shifted[0, 0] += 0.25
    monkeypatch.setattr(
        "tweakconv.demo.against_scipy.filter2d",
        lambda image, _, **tweaks: with_scipy(image, shifted, geometry, CORRELATIONS["scipy.signal.correlate"]),
    )
    wrong = compare(image, kernel, geometry, 1)
    assert not wrong.agrees
    assert wrong.difference == pytest.approx(0.25 * image[:-1, :-1].max(), abs=1e-5)


def test_a_sheet_holds_every_picture_in_its_place():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    tiles = [Tile("title", "line", np.full((8, 8, 3), colour, np.uint8)) for colour in colours]
    sheet = contact_sheet(tiles, columns=2, tile_size=(40, 60))
    middles = [(28 + 30, 28 + 20), (28 + 30, 28 + 64 + 20), (28 + 60 + 62 + 24 + 30, 28 + 20)]
    assert [tuple(sheet[middle].tolist()) for middle in middles] == colours
    assert sheet.shape == (2 * 28 + 2 * (60 + 62) + 24, 2 * 28 + 2 * 40 + 24, 3)


def test_small_pictures_are_enlarged_to_squares_without_mixing_colours():
    checks = np.array([[0, 255], [255, 0]], np.uint8)
    sheet = contact_sheet([Tile("", "", checks)], columns=1, tile_size=(40, 40))
    tile = sheet[28:68, 28:68, 0]
    assert (tile == np.kron(checks, np.ones((20, 20)))).all()
