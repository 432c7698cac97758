"""The board: its measurements measure what they say, every adapter computes the right thing, the report is legible."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tweakconv
from tweakconv import reference
from tweakconv.bench import limits, report, run_board, timing
from tweakconv.bench.__main__ import main
from tweakconv.bench.board import findings
from tweakconv.bench.contender import CannotExpressError, Prepared, fastest
from tweakconv.bench.geometries import LINES, Line, select_lines
from tweakconv.bench.machine import Machine, best_cpus, measure_machine
from tweakconv.bench.measure import Request, measure_line
from tweakconv.bench.peers import PEERS, Peer, select_peers
from tweakconv.bench.problem import Problem, relative_rms_error
from tweakconv.bench.results import Board, Entry, LineResult, PeerStatus, Setting
from tweakconv.compiler.target import get_target, runnable_targets

MACHINE = Machine(
    cpu="A processor", cpus=2, threads=1, pinned=(1,), vector_bits=256, fma_gflops=100.0, memory_gbytes=10.0
)

# Nothing about these is symmetric, so that an adapter that exchanges axes, or pads the wrong side, computes otherwise.
ODD_LINES = (
    Line("odd", (9, 12), 6, 4, (3, 2), strides=(2, 1), dilation_rate=(1, 2), pad=(2, 1)),
    Line("odd", (12, 7), 16, 32, (1, 3), strides=(1, 2), pad=(0, 1)),
    Line("odd", (8, 11), 4, 6, (2, 3), groups=2, pad=(1, 0)),
    Line("odd", (10, 7), 16, 16, (3, 5), pad=(1, 2), groups=16, bias=False),
    Line("odd", (7, 10), 8, 8, (3, 3), pad=(1, 1), data_format="channels_first"),
    Line("image", (13, 11), 1, 1, (5, 3), pad=(2, 1), bias=False),
)


# -- what is measured ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", runnable_targets())
def test_the_peak_loop_does_the_multiply_adds_that_are_counted(target: str) -> None:
    chosen = get_target(target)
    numbers, sums = np.array([0.5, 1.0], np.float32), np.zeros(chosen.lanes(4), np.float32)
    limits._peak_loop(chosen)(numbers.ctypes.data, sums.ctypes.data, 5)
    # Each chain starts at 1 and becomes half of itself and 1: 2 - 0.5**n after n steps.
    np.testing.assert_array_equal(sums, np.full_like(sums, limits._chains(chosen) * (2 - 0.5**5)))


@pytest.mark.parametrize(("reads", "writes"), [(384, 384), (640, 256), (128, 512)])
def test_the_stream_loop_reads_and_writes_every_element(reads: int, writes: int) -> None:
    target = get_target()
    source = np.arange(1, reads + 1, dtype=np.float32)
    copy, sums = np.full(writes + 16, -1, np.float32), np.full(target.lanes(4), -1, np.float32)
    limits._stream_loop(target)(source.ctypes.data, copy.ctypes.data, sums.ctypes.data, reads, writes, 2)
    both = min(reads, writes)
    np.testing.assert_array_equal(copy[:both], source[:both])
    np.testing.assert_array_equal(copy[both:writes], 0)
    np.testing.assert_array_equal(copy[writes:], -1)
    assert sums.sum() == source[both:].sum()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_machine_is_measured_and_plausible(threads: int) -> None:
    machine = measure_machine(threads, cpus=2, pinned=())
    assert machine.cpu
    assert 0.1 < machine.fma_gflops < 1e5
    assert 0.01 < machine.memory_gbytes < 1e4
    assert machine.vector_bits in {128, 256, 512}


def test_best_cpus_are_all_that_this_process_may_use() -> None:
    cpus = best_cpus()
    assert len(set(cpus)) == len(cpus) >= 1


def test_contenders_take_turns_and_warm_up_before_they_are_timed() -> None:
    order: list[str] = []
    samples = timing.interleave({name: lambda name=name: order.append(name) for name in "abc"}, 3, 1e-4)
    visits = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert "".join(visits) == "abc" + "bca" + "cab"
    for name in "abc":
        assert order.count(name) >= 3 * timing.WARMUPS + len(samples[name])


def test_fastest_keeps_the_quickest_way_and_says_which() -> None:
    ways = {
        "slow": Prepared(lambda: time.sleep(0.004), np.asarray),
        "quick": Prepared(lambda: None, np.asarray),
        "middling": Prepared(lambda: time.sleep(0.001), np.asarray),
    }
    best = fastest(ways)
    assert (best.how, best.run) == ("quick", ways["quick"].run)


# -- the lines -------------------------------------------------------------------------------------


def test_the_foundation_is_the_eight_known_layers() -> None:
    assert [line.name for line in select_lines(["foundation"])] == [
        "3x3 56x56x64->64",
        "3x3 28x28x128->128",
        "3x3 stride 2 56x56x128->128",
        "3x3 dilation 2 28x28x256->256",
        "7x7 stride 2 224x224x3->64",
        "1x1 56x56x64->256",
        "1x1 14x14x256->1024",
        "5x5 28x28x64->64",
    ]


def test_names_of_lines_are_unique() -> None:
    assert max(Counter(line.name for line in LINES).values()) == 1


def test_lines_count_operations_and_bytes() -> None:
    (line,) = select_lines(["7x7 stride 2"])
    assert line.geometry.output_size == (112, 112)
    assert line.flops == 2 * 112 * 112 * 64 * 7 * 7 * 3
    assert line.read_bytes == 4 * (224 * 224 * 3 + 7 * 7 * 3 * 64 + 64)
    assert line.write_bytes == 4 * 112 * 112 * 64


def test_lines_are_chosen_by_kind_or_part_of_the_name_in_the_order_of_the_board() -> None:
    assert [line.name for line in select_lines(["15x15", "tiny", "stride 2 56"])] == [
        "3x3 stride 2 56x56x128->128",
        "15x15 1080x1920x1->1",
        "3x3 5x5x1->1",
        "3x3 5x5x16->16",
    ]


# -- results are compared before they are timed -----------------------------------------------------


class _Reference:
    """A contender that computes the definition, spoilt in the way its name says."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self, problem: Problem) -> Prepared:
        if self.name == "unable":
            raise CannotExpressError("has no convolutions")
        if self.name == "broken":
            raise OSError("no such library\nand more")
        y = reference.conv(problem.x, problem.kernel, problem.bias, padding=problem.line.padding)
        if self.name == "shifted":
            y = np.roll(y, 1, axis=1)
        if self.name == "half precision":
            y = y.astype(np.float16)
        if self.name == "cropped":
            y = y[:, 1:]
        if self.name == "not a number":
            y[0, 0, 0, 0] = np.nan
        return Prepared(lambda: y, lambda result: result, how="by definition")


def test_wrong_and_failing_contenders_are_excluded_with_words() -> None:
    wrong = ("shifted", "half precision", "cropped", "not a number")
    peers = [_Reference(name) for name in ("right", "unable", "broken", *wrong)]
    line = Line("odd", (5, 7), 3, 2, (3, 3), pad=(1, 1))
    result = measure_line(line, _Reference("ours"), peers, rounds=1, machine=MACHINE)
    entries = {entry.contender: entry for entry in result.entries}
    assert [name for name, entry in entries.items() if entry.seconds is not None] == ["ours", "right"]
    assert entries["ours"].how == "by definition"
    assert entries["unable"].note == "has no convolutions"
    assert entries["broken"].note == "failed: OSError: no such library"
    for name in wrong:
        assert entries[name].note.startswith("excluded: its result is wrong, relative error"), name
    assert result.best() == entries["right"]


def test_relative_rms_error_is_that_of_the_whole_array() -> None:
    expected = np.array([3.0, 4.0, 0.0])
    assert relative_rms_error(np.array([3.0, 4.0, 1.0]), expected) == pytest.approx(0.2)
    assert relative_rms_error(np.array([3.0, 4.0]), expected) == float("inf")


# -- the adapters ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed() -> tuple[Peer, ...]:
    return tuple(peer for peer in PEERS if not peer.missing)


@pytest.fixture(scope="module")
def odd_results(installed: Sequence[Peer]) -> list[LineResult]:
    found = findings(Request(lines=ODD_LINES, peers=installed, rounds=1, threads=1))
    return [finding for finding in found if isinstance(finding, LineResult)]


def test_we_and_every_installed_peer_compute_the_definition(
    odd_results: Sequence[LineResult], installed: Sequence[Peer]
) -> None:
    assert [result.name for result in odd_results] == [line.name for line in ODD_LINES]
    titles = {"tweakconv", *(peer.title for peer in installed)}
    for result in odd_results:
        assert {entry.contender.removesuffix(" NHWC").removesuffix(" NCHW") for entry in result.entries} == titles
        for entry in result.entries:
            only_images = entry.contender == "SciPy" and result.kind != "image"
            assert entry.note == ("only for images of one channel, unstrided" if only_images else "")
            assert only_images or (entry.error is not None and entry.error < 1e-6), (entry, result.name)


def test_the_libraries_of_the_test_extra_take_part(installed: Sequence[Peer]) -> None:
    assert {"torch", "scipy"} <= {peer.key for peer in installed}


def test_a_missing_library_is_listed_with_the_way_to_install_it() -> None:
    absent = Peer("absent", "Absent", "absent", ("no_such_module_anywhere",), ("absent-dist", "and-more"))
    setting = next(
        finding
        for finding in findings(Request(lines=(), peers=(absent,), rounds=1, threads=1))
        if isinstance(finding, Setting)
    )
    assert setting.peers == (PeerStatus("absent", "Absent", None, "not installed: pip install absent-dist and-more"),)
    assert "Absent: not installed: pip install absent-dist and-more" in report.header(setting)


def test_a_library_that_ends_the_process_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ncnn.py").write_text("import os; os._exit(7)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"ended with exit status 7 at the import of ncnn"):
        run_board(["tiny"], peers=["ncnn"], rounds=1, echo=lambda text: None)


# -- the report ------------------------------------------------------------------------------------


def _line_result(**changes: object) -> LineResult:
    return replace(
        LineResult(
            name="3x3 56x56x64->64",
            kind="foundation",
            flops=231_211_008,
            compute_seconds=0.0005,
            traffic_seconds=0.0001,
            ours=Entry("tweakconv", 0.001, error=2e-7),
            peers=(
                Entry("PyTorch NHWC", 0.0015, error=3e-7),
                Entry("PyTorch NCHW", 0.002, error=3e-7),
                Entry("ncnn", 0.0012, error=5.7e-7),
                Entry("SciPy", note="only for images"),
            ),
        ),
        **changes,
    )


def test_a_row_states_time_speed_limit_best_peer_ratios_and_errors() -> None:
    assert report.row(_line_result()).split() == (
        ["3x3", "56x56x64->64", "1.000", "231.2", "50%", "ncnn", "1.200", "1.20", "1.50", "2.0e-07", "5.7e-07"]
    )


def test_a_row_without_us_or_peers_has_dashes() -> None:
    assert report.row(_line_result(ours=Entry("tweakconv", note="failed: ..."))).split()[2:] == (
        ["-", "-", "-", "ncnn", "1.200", "-", "-", "-", "5.7e-07"]
    )
    assert report.row(_line_result(peers=())).split()[2:] == [
        "1.000",
        "231.2",
        "50%",
        "-",
        "-",
        "-",
        "-",
        "2.0e-07",
        "-",
    ]


def test_the_summary_has_means_everybody_and_reasons() -> None:
    setting = Setting(MACHINE, {"Python": "3"}, (PeerStatus("ncnn", "ncnn", "1.0"),), rounds=7)
    faster = _line_result(name="other", ours=Entry("tweakconv", 0.0003, error=1e-7), waiting=0.25)
    text = report.summary(Board(setting, (_line_result(), faster)))
    assert "  ratio to the best peer: geometric mean 2.19, lowest 1.20 (3x3 56x56x64->64)" in text
    assert "  ratio to PyTorch: geometric mean 2.74, lowest 1.50 (3x3 56x56x64->64)" in text
    assert "SciPy: only for images (2 lines)" in text
    assert "other programs had the CPU for up to 25% of the time (1 line): measure again in peace" in text


def test_a_board_prints_a_table_that_fits_and_writes_its_findings(tmp_path: Path) -> None:
    text: list[str] = []
    path = tmp_path / "board.json"
    board = run_board(["5x5x16"], peers=[], rounds=1, data_format="channels_first", json_path=path, echo=text.append)
    assert max(map(len, text)) <= 120
    assert any(line.startswith("3x3 5x5x16->16 NCHW") for line in text)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["setting"]["machine"]["fma_gflops"] == board.setting.machine.fma_gflops
    assert written["lines"][0]["ours"]["seconds"] == board.lines[0].ours.seconds > 0
    assert written["lines"][0]["limit_seconds"] == board.lines[0].limit_seconds > 0


def test_every_row_and_heading_fits_120_columns() -> None:
    setting = Setting(MACHINE, {"Python": "3.11.7"}, (), rounds=7)
    rows = [report.row(_line_result(name=line.name)) for line in LINES]
    assert max(len(line) for line in (*report.header(setting), *rows)) <= 120


# -- bad arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lines": ["9x9"]}, r"lines: .*'9x9'.*foundation.*7x7 stride 2 224x224x3->64"),
        ({"peers": ["tensorflow"]}, r"peers: .*'tensorflow'.*torch, onnxruntime, openvino, ncnn, opencv, scipy"),
        ({"rounds": 0}, r"rounds: expected at least 1, got 0"),
        ({"threads": -1}, r"threads: expected at least 1, got -1"),
        ({"threads": 100_000}, r"threads: this process may use \d+ CPUs, got 100000 threads"),
        ({"data_format": "NHWC"}, r"data_format: expected 'channels_last' or 'channels_first', got 'NHWC'"),
    ],
)
def test_a_bad_argument_is_named_with_what_there_is(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run_board(**arguments)


def test_all_peers_are_the_default_and_an_empty_choice_is_none() -> None:
    assert select_peers() == PEERS
    assert select_peers([]) == ()


def test_the_module_turns_a_bad_argument_into_exit_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--line", "9x9"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nothing on the board matches '9x9'" in capsys.readouterr().err


def test_the_module_turns_a_board_that_broke_off_into_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def died(*_: object, **__: object) -> None:
        raise RuntimeError("the measuring process ended")

    monkeypatch.setattr("tweakconv.bench.__main__.run_board", died)
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit, match=r"^tweakconv bench: the measuring process ended$"):
        main()


# -- the program for what surrounds the arithmetic ---------------------------------------------------


@pytest.fixture(scope="module")
def overheads() -> Iterator[ModuleType]:
    path = Path(__file__).parent.parent / "benchmarks" / "overheads.py"
    spec = importlib.util.spec_from_file_location("overheads", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["overheads"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    threads = tweakconv.get_num_threads()
    yield module
    tweakconv.set_num_threads(threads)
    del sys.modules["overheads"]


def test_a_finding_says_whether_it_keeps_its_limit(overheads: ModuleType) -> None:
    finding = overheads.Finding("a call", 4.25, "µs", 5)
    assert str(finding).split() == ["a", "call", "4.25", "µs", "at", "most", "5", "µs:", "yes"]
    assert str(replace(finding, value=6.0)).endswith("at most 5 µs: NO")
    assert str(replace(finding, at_least=True)).endswith("at least 5 µs: NO")


def test_a_call_costs_something_over_its_native_code(overheads: ModuleType) -> None:
    native, new, out = overheads.calling()
    assert native.value > 0
    assert new.value > 0
    assert out.value > 0
