"""The command line: what it prints, and that every mistake gets one clear line and exit status 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tweakconv.bench.machine import best_cpus
from tweakconv.bench.results import Board
from tweakconv.cli import main
from tweakconv.cli.values import padding_from, per_axis
from tweakconv.images import read_image, write_image
from tweakconv.inverse import find_geometries
from tweakconv.kernels import LIBRARY, parse_kernel
from tweakconv.picture import Picture

COMMAND = [sys.executable, "-m", "tweakconv.cli"]


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """photo.png in the current folder, 8-bit RGB, 12 wide and 9 high."""
    monkeypatch.chdir(tmp_path)
    picture = Picture(np.random.default_rng(4).integers(0, 256, (9, 12, 3), dtype=np.uint8))
    write_image("photo.png", picture)
    return picture


@pytest.fixture
def tweakconv(capfd):
    """Run a command line in this process and give (exit status, stdout, stderr)."""

    def run(*words):
        status = main(words)
        return status, *capfd.readouterr()

    return run


def facts(out):
    """The printed columns as a dict; lines without a name belong to the one before."""
    found = {}
    for line in out.splitlines():
        name = line[:10].strip() or name  # noqa: F821  the first line has one
        found[name] = f"{found[name]}\n{line[10:]}" if name in found else line[10:]
    return found


# size


def test_size_prints_the_lectures_example_with_its_formula(tweakconv):
    status, out, err = tweakconv("size", "28", "--kernel", "3", "--padding", "1", "--strides", "3")
    assert (status, err) == (0, "")
    assert facts(out) == {
        "output": "10",
        "formula": "(28 - 3 + 2*1) / 3 + 1 = 10",
        "kernel": "3",
        "padding": "1 before and 1 after",
        "unread": "none: every pixel is read",
    }


def test_size_takes_a_size_per_axis_and_shows_where_same_pads(tweakconv):
    _, out, _ = tweakconv("size", "224x321", "-k", "3x5", "--padding", "same", "--stride", "2")
    printed = facts(out)
    assert printed["output"] == "112 x 161"
    assert printed["kernel"] == "3 x 5"
    assert printed["padding"] == "axis 0 (height): 0 before and 1 after\naxis 1 (width): 2 before and 2 after"


def test_size_shows_what_dilation_spans_and_what_a_lattice_leaves_out(tweakconv):
    words = ("size", "8,8", "--kernel", "3", "--padding", "same", "--strides", "2", "--dilation", "2")
    printed = facts(tweakconv(*words)[1])
    assert printed["kernel"] == "3 x 3 at dilation 2: 9 weights over 5 x 5 pixels"
    assert printed["unread"].startswith("75.0% of the image is never read\non every axis: 4 of 8 pixels")


def test_size_tells_the_tail_that_no_window_reaches(tweakconv):
    _, out, _ = tweakconv("size", "28", "--kernel", "3", "--strides", "2")
    assert facts(out)["unread"].startswith("1 of 28 pixels is never read. Tail: pixel 27")


def test_size_prints_json_for_scripts(tweakconv):
    _, out, _ = tweakconv("size", "28x30", "-k", "3", "--padding", "1:2,0:3", "--json")
    printed = json.loads(out)
    assert printed["output_size"] == [29, 31]
    assert printed["pads"] == [[1, 2], [0, 3]]
    assert printed["effective_kernel_size"] == [3, 3]
    assert len(printed["formula"]) == 2


def test_size_answers_which_convolutions_give_a_size(tweakconv):
    _, out, _ = tweakconv("size", "28", "--to", "10")
    assert "     3       3        1         1   (28 - 3 + 2*1) / 3 + 1 = 10" in out.splitlines()
    _, out, _ = tweakconv("size", "28", "--to", "10", "--json")
    found = json.loads(out)
    assert {"kernel_size": [3], "strides": [3], "pads": [[1, 1]]}.items() <= found[3].items()
    assert all(answer["output_size"] == [10] for answer in found)


def test_what_is_given_beside_to_is_settled(tweakconv):
    words = ("size", "28", "--to", "14", "--kernel", "3", "--dilation-rate", "2", "--json")
    found = json.loads(tweakconv(*words)[1])
    assert {(answer["kernel_size"][0], answer["dilation_rate"][0]) for answer in found} == {(3, 2)}
    found = json.loads(tweakconv(*words, "--strides", "2", "--padding", "2")[1])
    assert [answer["formula"] for answer in found] == [
        ["E = 2*(3-1)+1 = 5, floor((28 - 5 + 2*2) / 2) + 1 = floor(27/2) + 1 = 14"]
    ]


def test_the_answer_is_pythons_and_states_what_was_tried(tweakconv):
    out = tweakconv("size", "28", "--to", "10")[1]
    assert "\nTried: kernel 1 to 7, strides 1 to 4, padding 0 to 3, dilation 1 to 4.\n" in out
    assert out.count("= 10\n") == len(find_geometries(28, 10))
    out = tweakconv("size", "28", "--to", "10", "--kernel", "9", "--strides", "2")[1]
    assert "Tried: kernel 9, strides 2, padding 0 to 3, dilation 1 to 4.\n" in out


def test_a_named_padding_may_be_the_only_one_to_try(tweakconv):
    words = ("size", "28", "--to", "14", "--padding", "same", "--kernel", "3", "--dilation-rate", "1")
    out = tweakconv(*words)[1]
    assert out.splitlines()[1] == "     3       2      0:1         1   (28 - 3 + 0 + 1) / 2 + 1 = 14"
    assert "padding same" in out
    assert [answer["pads"] for answer in json.loads(tweakconv(*words, "--json")[1])] == [[[0, 1]]]


def test_no_convolution_giving_a_size_is_an_answer_too(tweakconv):
    status, out, _ = tweakconv("size", "28", "--to", "500")
    assert status == 0
    assert out.startswith("None found.\nTried: kernel 1 to 7, strides 1 to 4, padding 0 to 3, dilation 1 to 4.\n")


# run


def test_run_writes_the_filtered_picture_and_tells_the_whole_story(photo, tweakconv):
    status, out, err = tweakconv(
        "run", "photo.png", "--kernel", "sobel-x", "--strides", "2", "--dilation-rate", "2", "-o", "edges.png"
    )
    assert (status, err) == (0, "")
    printed = facts(out)
    assert printed["input"] == "photo.png: 12 wide, 9 high, 8-bit RGB"
    assert printed["kernel"] == "sobel-x, 3 x 3 at dilation 2: 9 weights over 5 x 5 pixels; sums to 0"
    assert printed["height"] == "E = 2*(3-1)+1 = 5, (9 - 5 + 2*2) / 2 + 1 = 5"
    assert printed["width"] == "E = 2*(3-1)+1 = 5, (12 - 5 + 1 + 2) / 2 + 1 = 6"
    assert printed["unread"].startswith("7")
    assert printed["values"].startswith("abs: ")
    assert printed["time"].endswith("compiling it included")
    assert printed["output"] == "edges.png: 6 wide, 5 high, 8-bit RGB"
    assert read_image("edges.png").size == (5, 6)


def test_run_computes_what_it_says(photo, tweakconv):
    tweakconv("run", "photo.png", "-k", "1/2 0; 0 1/4", "--padding", "valid", "-o", "a.png")
    original = photo.pixels.astype(float)
    expected = np.rint(original[:-1, :-1] / 2 + original[1:, 1:] / 4)
    np.testing.assert_array_equal(read_image("a.png").pixels, expected)
    tweakconv("run", "photo.png", "-k", "1/2 0; 0 1/4", "--padding", "valid", "--flip", "-o", "b.png")
    np.testing.assert_array_equal(read_image("b.png").pixels, np.rint(original[:-1, :-1] / 4 + original[1:, 1:] / 2))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_run_keeps_16_bits_and_alpha(tmp_path, tweakconv, ending):
    samples = np.random.default_rng(5).integers(0, 65536, (6, 8, 4), dtype=np.uint16)
    source, target = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    write_image(source, Picture(samples[..., :3], samples[..., 3]))
    tweakconv("run", str(source), "-k", "identity", "--strides", "3", "-o", str(target))
    np.testing.assert_array_equal(read_image(target).interleaved, samples[1::3, 1::3])


def test_run_takes_its_kernel_from_a_file(photo, tweakconv):
    np.save("k.npy", np.array([[0.5, 0.25]]))
    _, out, _ = tweakconv("run", "photo.png", "-k", "k.npy", "-o", "a.png")
    assert facts(out)["kernel"] == "k.npy, 1 x 2; sums to 0.75"


@pytest.mark.parametrize("value_range", ["clip", "abs", "stretch", "midgrey"])
def test_run_states_what_became_of_values_out_of_range(photo, tweakconv, value_range):
    _, out, _ = tweakconv("run", "photo.png", "-k", "laplacian", "--range", value_range, "-o", "a.png")
    assert facts(out)["values"].startswith(f"{value_range}: ")


def test_run_points_at_normalize_where_a_kernel_brightens(photo, tweakconv):
    _, out, _ = tweakconv("run", "photo.png", "-k", "1 1 1; 1 1 1; 1 1 1", "-o", "a.png")
    assert "the kernel makes the image 9 times brighter; --normalize divides by that" in out
    _, out, _ = tweakconv("run", "photo.png", "-k", "1 1 1; 1 1 1; 1 1 1", "--normalize", "-o", "b.png")
    assert "sums to 1" in facts(out)["kernel"]
    assert "--normalize" not in out


def test_run_turns_colours_to_grey_and_fills_the_padding_when_asked(photo, tweakconv):
    _, out, _ = tweakconv("run", "photo.png", "-k", "blur", "--grey", "--padding-mode", "edge", "-o", "a.png")
    assert facts(out)["output"] == "a.png: 12 wide, 9 high, 8-bit grey"


def test_run_fills_the_padding_with_the_value_that_is_named(photo, tweakconv):
    corner = ("run", "photo.png", "-k", "1 0; 0 0", "--padding", "1:0,1:0", "--padding-mode", "constant", "-o", "a.png")
    tweakconv(*corner, "--constant-value", "200")
    assert (read_image("a.png").pixels[0] == 200).all()


def test_run_tells_the_quality_of_a_jpeg_file(photo, tweakconv):
    _, out, _ = tweakconv("run", "photo.png", "-k", "blur", "-o", "a.jpg")
    assert facts(out)["output"].endswith("8-bit RGB, JPEG quality 95")


def test_run_carries_the_resolution_and_tells_it(photo, tweakconv):
    write_image("scan.png", replace(photo, resolution=(300.0, 300.0)))
    printed = facts(tweakconv("run", "scan.png", "-k", "blur", "--strides", "1,2", "-o", "a.tif")[1])
    assert printed["input"] == "scan.png: 12 wide, 9 high, 8-bit RGB, 300 dpi"
    assert printed["output"] == "a.tif: 6 wide, 9 high, 8-bit RGB, 150 dpi across and 300 down"
    assert read_image("a.tif").resolution == pytest.approx((300, 150), rel=1e-4)


def test_run_replaces_a_file_only_with_force(photo, tweakconv):
    before = read_image("photo.png").pixels
    for name in ("photo.png", "./photo.png"):
        status, _, err = tweakconv("run", "photo.png", "-k", "blur", "-o", name)
        assert status == 2
        assert "is the picture that was read; choose another name, or have it replaced with --force" in err
        np.testing.assert_array_equal(read_image("photo.png").pixels, before)
    status, _, _ = tweakconv("run", "photo.png", "-k", "blur", "-o", "photo.png", "--force")
    assert status == 0
    assert (read_image("photo.png").pixels != before).any()


# kernels and bench


def test_kernels_lists_every_name_with_its_matrix(tweakconv):
    _, out, _ = tweakconv("kernels")
    for entry in LIBRARY.values():
        assert f"{entry.usage}  {entry.summary}" in out
    assert "    1/9 ×  1  1  1\n" in out


def test_kernels_shows_one_with_its_parameters(tweakconv):
    _, out, _ = tweakconv("kernels", "blur:2")
    assert out == "    1/4 ×  1  1\n           1  1\n    sums to 1\n"


def test_bench_hands_its_options_to_the_board(monkeypatch, tweakconv):
    received = {}
    monkeypatch.setattr("tweakconv.cli.bench.run_board", lambda lines, **options: received.update(options, lines=lines))
    words = (
        "--only 5x5x --class small --peer torch --peer scipy --rounds 3 --batch 8 --layout channels_first --threads 1"
    )
    assert tweakconv("bench", *words.split()) == (0, "", "")
    assert (received["lines"], received["classes"], received["peers"]) == (["5x5x"], ["small"], ["torch", "scipy"])
    assert (received["rounds"], received["batches"], received["threads"]) == (3, (8,), (1,))
    assert received["data_formats"] == ("channels_first",)
    tweakconv("bench", "--line", "foundation")
    assert (received["lines"], received["batches"], received["threads"]) == (["foundation"], (1,), (1,))
    assert received["data_formats"] == ("channels_last", "channels_first")
    tweakconv("bench", "--full", "--batch", "2")
    assert received["batches"] == (2,)
    assert received["threads"] == (1, 2)[: len(best_cpus())]


def test_a_board_that_breaks_off_ends_in_one_line(monkeypatch, tweakconv):
    def died(lines, **options):
        raise RuntimeError("the measuring process ended with exit status -11 at ncnn on 3x3")

    monkeypatch.setattr("tweakconv.cli.bench.run_board", died)
    status, _, err = tweakconv("bench")
    assert status != 0
    assert err == "tweakconv: the measuring process ended with exit status -11 at ncnn on 3x3\n"


def test_bench_says_how_long_it_takes(tweakconv):
    assert "takes about a quarter of an hour" in " ".join(tweakconv("bench", "--help")[1].split())


def test_bench_does_not_replace_findings_unasked(photo, tweakconv):
    status, _, err = tweakconv("bench", "--json", "photo.png")
    assert (status, err.count("\n")) == (2, 1)
    assert "photo.png: exists already" in err
    Path("board.svg").touch()
    status, _, err = tweakconv("bench", "--write", ".")
    assert (status, err.count("\n")) == (2, 1)
    assert "--write .: has board.svg already; replace it with --force" in err


def test_bench_draws_again_what_was_found_before(photo, monkeypatch, tweakconv):
    monkeypatch.setattr("tweakconv.cli.bench.run_board", None)
    Path("found.json").write_text('{"sections": []}')
    Path("docs").mkdir()
    written = []
    monkeypatch.setattr("tweakconv.cli.bench.publish", lambda board, folder: written.append((board, folder)))
    assert tweakconv("bench", "--from", "found.json", "--write", "docs") == (0, "", "")
    assert written == [(Board(()), Path("docs"))]


# help, mistakes and ends


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_is_shown_where_nothing_is_asked(tweakconv, words):
    status, out, err = tweakconv(*words)
    assert (status, err) == (0, "")
    for name in ("size", "run", "kernels", "bench"):
        assert f"  {name}  " in out


@pytest.mark.parametrize("command", ["size", "run", "kernels", "bench"])
def test_every_command_has_help_with_examples_that_fits_a_terminal(tweakconv, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = tweakconv(command, "--help")
    assert status == 0
    assert f"  tweakconv {command} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_version_is_printed(tweakconv):
    assert tweakconv("--version")[1].startswith("tweakconv 0.")


MISTAKES = [
    ("siz 28", "No such command 'siz'"),
    ("--colour", "No such option '--colour'"),
    ("size", "Missing argument 'INPUT'"),
    ("size 28", "Missing option '--kernel'"),
    ("size abc -k 3", "INPUT must be a whole number, or one per axis such as 2,1 or 224x320, received 'abc'"),
    ("size 28 -k 2.5", "--kernel must be a whole number"),
    ("size 28 -k 0", "kernel_size must be at least 1"),
    ("size 224 224 -k 7", "INPUT must be one word: write 224x224"),
    ("size 28 -k 30", "kernel 30 with dilation 1 spans 30 pixels, but the padded input has 28 + 0 + 0 = 28"),
    ("size 4x28 -k 5", "axis 0 (height): kernel 5 "),
    ("size 28 -k 3 --strides 0", "strides must be at least 1, received 0"),
    ("size 28 -k 3 --strides two", "--strides must be a whole number"),
    ("size 28 -k 3 --dilation-rate -1", "dilation_rate must be at least 1"),
    ("size 28 -k 3 --padding sane", "--padding must be valid, same, same_lower, full, causal, a whole number"),
    ("size 28x28 -k 3 --padding sane", "--padding must be valid, same, same_lower, full, a whole number"),
    ("size 28 -k 3 --padding 1:x", "low:high pairs (1:2,0:3), received '1:x'"),
    ("size 28 -k 3 --padding 1,0:2", "low:high pairs (1:2,0:3), received '1,0:2'"),
    ("size 28x28 -k 3 --padding 1:2", "--padding must have 2 entries, one per axis, received '1:2'"),
    ("size 28x28 -k 3 --padding causal", "--padding causal needs a single axis, and there are 2; write pairs"),
    ("size 28x28x28 -k 3x3", "kernel_size"),
    ("size 28 -k 3 --strids 2", "--strides"),
    ("size 28x28 --to 10", "INPUT must be one whole number with --to"),
    ("size 28 --to 10 --padding 1,2", "--padding must be a name or one whole number with --to, received '1,2'"),
    ("size 28 --to 0", "output_size must be at least 1"),
    ("run", "Missing argument 'IMAGE'"),
    ("run photo.png -o a.png", "Missing option '--kernel' / '-k'"),
    ("run photo.png -k blur", "Missing option '--output' / '-o'"),
    ("run foto.png -k blur -o a.png", "foto.png: no such file"),
    ("run . -k blur -o a.png", ".: is a folder"),
    ("run photo.png -k sobel -o a.png", "did you mean sobel-x or sobel-y?"),
    ("run photo.png -k blur -o a.gif", "ends in '.gif'"),
    ("run photo.png -k blur -o no/a.png", "there is no folder no"),
    ("run photo.png -k blur -o a.png --range wrap", "range must be one of auto, clip, abs, stretch, midgrey"),
    ("run photo.png -k blur -o a.png --padding-mode mirror", "padding_mode"),
    ("run photo.png -k blur -o a.png --constant-value 9", "constant_value: received 9.0 with padding_mode 'zeros'"),
    ("run photo.png -k blur:13 -o a.png --padding valid", "axis 0 (height): kernel 13 with dilation 1 spans 13"),
    ("run photo.png -k blur -o a.png --padding causal", "--padding causal needs a single axis"),
    ("run photo.png -k blur -o a.png --padding sane", "--padding must be valid, same, same_lower, full, a whole"),
    ("run photo.png -k sobel-x --normalize -o a.png", "kernel sobel-x sums to 0"),
    ("run photo.png -k blur --padding 100000 -o a.png", "output of 200010 x 200007"),
    ("run photo.png -k blur --strides 1,2,3 -o a.png", "strides"),
    ("kernels sobol-x", "did you mean sobel-x"),
    ("bench --peer caffe", "'--peer': 'caffe' is not one of 'torch', 'onnxruntime'"),
    ("bench --only none-such", "--only: nothing on the board matches 'none-such'"),
    ("bench --class wide --only 1x1", "--only: nothing in wide matches '1x1'"),
    ("bench --class none-such", "'none-such' is not one of 'dense', 'dilated'"),
    ("bench --only 63x63 --batch 8", "--batch: 63x63 1080x1920x1->1 is measured with batch 1 only"),
    ("bench --layout NHWC", "'NHWC' is not one of 'channels_last', 'channels_first'"),
    ("bench --threads 100000", "this process may use"),
    ("bench --write no", "--write no: is not a folder that exists"),
    ("bench --from photo.png", "--from needs --write FOLDER"),
    ("bench --from photo.png --write .", "photo.png: does not hold the findings of a board"),
    ("bench --rounds 0", "--rounds"),
    ("bench --json no/a.json", "there is no folder no"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_every_mistake_gets_one_line_and_status_2(photo, tweakconv, words, message):
    status, out, err = tweakconv(*words.split())
    assert (status, out) == (2, "")
    assert err.startswith("tweakconv: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(os.listdir()) == ["photo.png"]


def test_what_is_no_image_gets_one_line_and_status_2(photo, tweakconv):
    whole = Path("photo.png").read_bytes()
    for name, data in {"cut.png": whole[:-40], "empty.jpg": b"", "text.tif": b"hello"}.items():
        Path(name).write_bytes(data)
        status, out, err = tweakconv("run", name, "-k", "blur", "-o", "a.png")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"tweakconv: {name}: ")


def test_jpeg_for_what_jpeg_cannot_hold_is_refused_before_the_work(tmp_path, tweakconv):
    write_image(tmp_path / "deep.png", Picture(np.zeros((3, 4, 1), np.uint16)))
    status, _, err = tweakconv("run", str(tmp_path / "deep.png"), "-k", "blur", "-o", str(tmp_path / "a.jpg"))
    assert status == 2
    assert "JPEG cannot hold 16-bit samples; write .png or .tif instead" in err


def test_numbers_and_paddings_are_read_in_every_way_they_are_written():
    assert [per_axis("N", text) for text in ("3", "2,1", "224x320", "224 X 320", "2, 1", "+4")] == [
        3, (2, 1), (224, 320), (224, 320), (2, 1), 4,
    ]  # fmt: skip
    assert [padding_from(text) for text in ("Same", "same-lower", "0", "-1", "1,2", "1:2", "1:2, 0:3")] == [
        "same", "same_lower", 0, -1, (1, 2), ((1, 2),), ((1, 2), (0, 3)),
    ]  # fmt: skip


# As a process of its own


def test_the_command_runs_as_a_process(photo):
    done = subprocess.run(
        [*COMMAND, "run", "photo.png", "-k", "gaussian:3", "-o", "a.png"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "a.png: 12 wide, 9 high, 8-bit RGB" in done.stdout
    done = subprocess.run([*COMMAND, "size", "28", "-k", "29"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("missing", ["click", "PIL", "imagecodecs"])
def test_without_the_extra_the_command_says_what_to_install(tmp_path, missing):
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from tweakconv.cli import main\n"
        "sys.exit(main(['run', 'photo.png', '-k', 'blur', '-o', 'a.png']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f'tweakconv: {missing} is not installed; run: pip install "tweakconv[cli]", '
        'or from a clone: pip install ".[cli]"\n'
    )


def test_without_tifffile_a_tiff_file_is_not_called_damaged(tmp_path):
    write_image(tmp_path / "a.tif", Picture(np.zeros((3, 4, 1), np.uint8)))
    program = (
        "import sys; sys.modules['tifffile'] = None\n"
        "from tweakconv.cli import main\n"
        "sys.exit(main(['run', 'a.tif', '-k', 'blur', '-o', 'b.png']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "tifffile is not installed" in done.stderr


def test_size_works_without_the_image_libraries():
    program = (
        "import sys; sys.modules.update(PIL=None, imagecodecs=None, tifffile=None)\n"
        "from tweakconv.cli import main\n"
        "sys.exit(main(['size', '28', '--kernel', '3']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["output", "26"])


def test_a_reader_that_stops_listening_is_met_in_silence():
    with subprocess.Popen([*COMMAND, "kernels"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_ends_quietly_with_130(tmp_path):
    program = (
        "import sys, tweakconv.cli.kernels as kernels\n"
        "def wait(name):\n"
        "    print('ready', flush=True); import time; time.sleep(30)\n"
        "kernels.parse_kernel = wait\n"
        "from tweakconv.cli import main\n"
        "sys.exit(main(['kernels', 'blur']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().strip() == ""
    assert process.returncode == 130


def test_a_file_name_that_the_terminal_cannot_show_is_no_obstacle(photo):
    name = "caf\u00e9.png"
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*COMMAND, "run", "photo.png", "-k", "blur", "-o", name], capture_output=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.path.exists(name)


def test_help_mentions_every_range_and_the_library_every_kernel(tweakconv):
    _, out, _ = tweakconv("run", "--help")
    for name in ("auto", "clip", "abs", "stretch", "midgrey"):
        assert f"    {name} " in out
    assert parse_kernel("blur").sum == pytest.approx(1)
