"""``tc.animate`` and ``tweakconv animate``: the files that are written, and every mistake in one clear line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from tests.conftest import RunPython

import tweakconv as tc
from tweakconv.cli import main
from tweakconv.kernels import parse_kernel
from tweakconv.view.drawing import draw
from tweakconv.view.look import Look
from tweakconv.view.motion import animated_svg
from tweakconv.view.scene import make_scene

LECTURE = tc.ConvGeometry.of((5, 5), 3, strides=2, padding="same")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tweakconv(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in an empty folder and give (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(words)
        return status, *capfd.readouterr()

    return run


def test_an_svg_is_the_animation_of_the_geometry(tmp_path: Path) -> None:
    path = tc.animate(LECTURE, tmp_path / "same.svg")
    assert path == tmp_path / "same.svg"
    assert path.read_text(encoding="utf-8") == animated_svg(make_scene(LECTURE), Look(theme="auto"))


def test_a_scene_brings_its_own_numbers(tmp_path: Path) -> None:
    scene = make_scene(LECTURE, seed=4, kernel_values=[[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    path = tc.animate(scene, tmp_path / "sobel.svg", view="flat", theme="dark", step=2, caption=False)
    assert path.read_text(encoding="utf-8") == draw(scene, view="flat", theme="dark", step=2)


@pytest.mark.parametrize(("ending", "format_"), [(".gif", "GIF"), (".png", "PNG")])
def test_pixels_have_the_width_that_was_asked_for(tmp_path: Path, ending: str, format_: str) -> None:
    path = tc.animate(tc.ConvGeometry.of(4, 3), tmp_path / f"row{ending}", width=320, view="flat")
    with Image.open(path) as picture:
        assert (picture.format, picture.width) == (format_, 320)
        assert getattr(picture, "n_frames", 1) == (2 if format_ == "GIF" else 1)


def test_a_video_is_one(tmp_path: Path) -> None:
    path = tc.animate(tc.ConvGeometry.of(4, 3), tmp_path / "row.MP4", width=160, seconds=0.1)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "same.svg"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"same\.svg: exists already; choose another name"):
        tc.animate(LECTURE, path)
    assert path.read_text() == "mine"
    tc.animate(LECTURE, path, overwrite=True)
    assert ElementTree.parse(path)
    assert os.listdir(tmp_path) == ["same.svg"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("a.bmp", {}, r"a\.bmp: the name ends in '\.bmp', not in one of \.svg, \.gif, \.mp4, \.png"),
        ("a", {}, "the name has no ending"),
        ("missing/a.svg", {}, r"there is no folder .*missing"),
        ("a.gif", {"step": 1}, r"step must be left out for \.gif"),
        ("a.png", {"step": 9}, "step must be below 9, received 9"),
        ("a.svg", {"steps": range(3, 10)}, r"consecutive steps from 0 to 9 at most, received range\(3, 10\)"),
        ("a.svg", {"steps": range(0, 9, 2)}, "consecutive steps"),
        ("a.svg", {"steps": range(3, 3)}, "consecutive steps"),
        ("a.svg", {"seconds": 0}, "seconds must be from 0.02 to 60, received 0"),
        ("a.svg", {"seconds": float("nan")}, "seconds must be from 0.02 to 60, received nan"),
        ("a.svg", {"view": "side"}, "view must be one of 'tilted', 'flat', received 'side'"),
        ("a.svg", {"theme": "blue"}, "theme must be one of 'light', 'dark', 'auto', received 'blue'"),
        ("a.gif", {"width": 10_000}, "width must be at most 4096 pixels, received 10000"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, name: str, arguments: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        tc.animate(LECTURE, tmp_path / name, **arguments)
    assert not os.listdir(tmp_path)


def test_absurd_sizes_are_refused_with_their_numbers(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"at most 1024 in one animation, received 3844 of the 62 x 62 outputs; .* 992"
    ):
        tc.animate(tc.ConvGeometry.of((64, 64), 3), tmp_path / "a.svg")
    with pytest.raises(ValueError, match=r"961 frames of 4000 x .* pixels, and a file holds at most 268,435,456"):
        tc.animate(tc.ConvGeometry.of((33, 33), 3), tmp_path / "a.gif", width=4000)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("arguments", [{"seconds": "1"}, {"seconds": True}, {"width": 1.5}, {"step": 1.5}])
def test_what_is_no_number_is_refused(tmp_path: Path, arguments: dict) -> None:
    with pytest.raises(TypeError, match=f"{next(iter(arguments))} must be"):
        tc.animate(LECTURE, tmp_path / "a.png", **arguments)


def test_svg_needs_none_of_the_libraries_for_pixels_and_the_others_name_them(
    run_python: RunPython, tmp_path: Path
) -> None:
    program = """
    import sys
    for name in ("PIL", "resvg_py", "matplotlib", "click"):
        sys.modules[name] = None
    import tweakconv as tc
    geometry = tc.ConvGeometry.of((5, 5), 3)
    print(tc.animate(geometry, sys.argv[1] + "/a.svg").stat().st_size > 1000)
    for attempt in (lambda: tc.animate(geometry, sys.argv[1] + "/a.png"), lambda: tc.plot_receptive_field):
        try:
            attempt()
        except ModuleNotFoundError as missing:
            print(missing)
    """
    done = run_python(program, str(tmp_path))
    first, *rest = done.stdout.splitlines()
    assert first == "True", done
    assert len(rest) == 2
    for line in rest:
        assert re.fullmatch(r'(PIL|matplotlib)\S* is not installed; run: pip install "tweakconv\[view\]"', line)


# The command


def test_the_command_writes_the_lectures_figure_and_says_its_sizes(tweakconv: Run) -> None:
    words = ("animate", "--input", "5", "--kernel", "3", "--padding", "same", "--strides", "2", "-o", "same.svg")
    status, out, err = tweakconv(*words)
    assert (status, err) == (0, "")
    assert Path("same.svg").read_text(encoding="utf-8") == animated_svg(make_scene(LECTURE))
    assert out.splitlines()[0] == "output    3 x 3, 9 steps"
    assert "(5 − 3 + 2·1) / 2 + 1 = 3" in out
    status, _, err = tweakconv(*words)
    assert status == 2
    assert err.startswith("tweakconv: same.svg: exists already; choose another name, or have it replaced with --force")
    assert err.count("\n") == 1
    assert tweakconv(*words, "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "geometry", "arguments"),
    [
        (
            "--input 7x5 --kernel 3x2 --dilation-rate 2x3 --padding 1:2,0:3",
            tc.ConvGeometry.of((7, 5), (3, 2), dilation_rate=(2, 3), padding=((1, 2), (0, 3))),
            {},
        ),
        ("--input 8 --1d --kernel 3 --padding causal", tc.ConvGeometry.of((8,), 3, padding="causal"), {}),
        (
            "--input 3x4 --kernel 3 --strides 2 --transposed --output-padding 1 --padding same",
            tc.ConvGeometry.transposed((3, 4), 3, strides=2, padding="same", output_padding=1),
            {},
        ),
        (
            "--input 4 --kernel 3 --padding 2 --padding-mode reflect --seed 9",
            tc.ConvGeometry.of((4, 4), 3, padding=2),
            {"padding_mode": "reflect", "seed": 9},
        ),
        (
            "--input 6 --kernel sobel-x",
            tc.ConvGeometry.of((6, 6), 3),
            {"kernel_values": parse_kernel("sobel-x").weights},
        ),
    ],
)
def test_the_command_takes_every_tweak(tweakconv: Run, words: str, geometry: tc.ConvGeometry, arguments: dict) -> None:
    status, _, err = tweakconv("animate", *words.split(), "--step", "3", "--theme", "light", "-o", "a.svg")
    assert (status, err) == (0, "")
    expected = draw(make_scene(geometry, **arguments), theme="light", step=3, caption=True)
    assert Path("a.svg").read_text(encoding="utf-8") == expected


def test_the_command_writes_the_steps_that_are_asked_for(tweakconv: Run) -> None:
    words = ("animate", "-i", "64", "-k", "3", "--steps", "3:6", "--width", "200", "--no-caption", "-o", "a.gif")
    status, _, err = tweakconv(*words)
    assert (status, err) == (0, "")
    with Image.open("a.gif") as film:
        assert (film.n_frames, film.width) == (3, 200)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--input 5 --kernel 3", "Missing option '--output'"),
        ("--input five --kernel 3 -o a.svg", "--input must be a whole number"),
        ("--input 5x5x5 --kernel 3 -o a.svg", "--input must be one number or two, received '5x5x5'"),
        ("--input 5x5 --1d --kernel 3 -o a.svg", "--input must be one number with --1d, received '5x5'"),
        ("--input 5 --1d --kernel sobel-x -o a.svg", "--kernel must have one row with --1d, received 3 x 3 weights"),
        ("--input 5 --kernel sobell-x -o a.svg", "there is no kernel 'sobell-x'; did you mean"),
        ("--input 5 --kernel 9 -o a.svg", "kernel 9 with dilation 1 spans 9 pixels"),
        ("--input 5 --kernel 3 --padding causal -o a.svg", "--padding causal needs a single axis"),
        ("--input 5 --kernel 3 --padding-mode mirror -o a.svg", "padding_mode must be one of"),
        ("--input 5 --kernel 3 --output-padding 1 -o a.svg", "--output-padding needs --transposed"),
        ("--input 5 --kernel 3 --steps 4 -o a.svg", "--steps must be FROM:TO, such as 0:100, received '4'"),
        ("--input 5 --kernel 3 --view round -o a.svg", "'round' is not one of 'tilted', 'flat'"),
        ("--input 5 --kernel 3 -o a.jpeg", "a.jpeg: the name ends in '.jpeg'"),
        ("--input 900 --kernel 3 -o a.svg", "has 900 x 900 = 810,000 cells"),
        ("--input 64 --kernel 3 -o a.gif", "steps must be at most 1024 in one animation"),
    ],
)
def test_every_mistake_is_one_line_and_status_2(tweakconv: Run, words: str, message: str) -> None:
    status, out, err = tweakconv("animate", *words.split())
    assert (status, out) == (2, "")
    assert err.startswith("tweakconv: ")
    assert err.count("\n") == 1
    assert message in err
    assert not os.listdir()


def test_a_missing_encoder_is_one_line_and_status_2(tweakconv: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", "")
    status, out, err = tweakconv("animate", "--input", "3", "--kernel", "3", "-o", "a.mp4")
    assert (status, out) == (2, "")
    assert "MP4 needs an encoder: pip install imageio-ffmpeg" in err


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_long_render_shows_how_far_it_is_where_somebody_watches(tmp_path: Path) -> None:
    import pty  # noqa: PLC0415  not on Windows

    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "tweakconv.cli", "animate", "-i", "5", "-k", "3", "--width", "64", "-o", "a.gif"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=end, cwd=tmp_path, check=True)
    os.close(end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "drawing" in shown
    assert "100%" in shown
    assert done.stdout.decode().startswith("output    3 x 3, 9 steps")
