"""The board runs, survives what its contenders do, and refuses what it cannot measure with words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tweakconv.bench import run_board
from tweakconv.bench.__main__ import main
from tweakconv.bench.peers import PEERS, select_peers
from tweakconv.bench.results import Finding, LineResult, Setting
from tweakconv.bench.stored import read_boards


def test_a_board_prints_a_table_that_fits_and_writes_its_findings(tmp_path: Path) -> None:
    text: list[str] = []
    path = tmp_path / "board.json"
    board = run_board(
        ["5x5x16"],
        peers=[],
        rounds=1,
        batches=[1, 3],
        data_formats=["channels_first"],
        json_path=path,
        echo=text.append,
    )
    assert max(map(len, text)) <= 120
    assert len([line for line in text if line.startswith("3x3 5x5x16->16") and "%" in line]) == 2
    assert [line for line in text if line.startswith("batch ") and "ours ms" in line][1].startswith(
        "batch 3, 1 thread "
    )
    (section,) = read_boards([path]).sections
    assert section.batches == (1, 3)
    assert [[entry.contender for entry in line.ours] for line in board.lines] == [["tweakconv NCHW"]] * 2
    assert section.lines[0].seconds == pytest.approx(board.lines[0].seconds, rel=1e-4)
    assert board.lines[0].limit_seconds > 0


def test_a_library_that_ends_the_process_at_its_import_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install_ncnn(tmp_path, monkeypatch, "import os; os._exit(7)")
    with pytest.raises(RuntimeError, match=r"ended with exit status 7 at the import of ncnn"):
        run_board(["5x5x"], peers=["ncnn"], rounds=1, echo=lambda text: None)


def test_a_library_that_crashes_on_a_line_is_excused_from_it_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first line asks it for one net, the second, in another process, for its first one again.
    _install_ncnn(tmp_path, monkeypatch, "import os\nclass Net:\n    def __init__(self): os._exit(7)")
    board = run_board(
        ["5x5x16", "8x8x384"], peers=["ncnn"], rounds=1, data_formats=["channels_last"], echo=lambda _: None
    )
    assert [line.name for line in board.lines] == ["1x3 8x8x384->384", "3x3 5x5x16->16"]
    for line in board.lines:
        assert line.seconds is not None
        assert [entry.note for entry in line.peers] == ["crashed: its process ended with exit status 7"]


def _install_ncnn(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (folder / "ncnn.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )
    monkeypatch.syspath_prepend(folder)


def test_a_run_that_breaks_off_leaves_its_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: Setting, line_result: Callable[..., LineResult]
) -> None:
    def found(*_: object) -> Iterator[Finding]:
        yield setting
        yield line_result()
        raise RuntimeError("the measuring process ended")

    monkeypatch.setattr("tweakconv.bench.board.findings", found)
    path = tmp_path / "board.json"
    with pytest.raises(RuntimeError, match="ended"):
        run_board(json_path=path, echo=lambda text: None)
    assert read_boards([path]).lines == (line_result(),)
    assert [file.name for file in tmp_path.iterdir()] == ["board.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lines": ["9x9"]}, r"lines: .*'9x9'.*'foundation'.*7x7 stride 2 224x224x3->64"),
        ({"lines": ["9x9"], "classes": ["wide"]}, r"lines: nothing in wide matches '9x9'"),
        ({"classes": ["huge"]}, r"classes: .*'huge'.*dense, dilated, wide"),
        ({"peers": ["tensorflow"]}, r"peers: .*'tensorflow'.*torch, onnxruntime, openvino, ncnn, mnn, opencv, scipy"),
        ({"rounds": 0}, r"rounds: expected at least 1, got 0"),
        ({"threads": [-1]}, r"threads: expected at least 1, got -1"),
        ({"threads": []}, r"threads: expected at least one number, got none"),
        ({"threads": [1, 100_000]}, r"threads: this process may use \d+ CPUs, got 100000 threads"),
        ({"batches": [0]}, r"batches: expected at least 1, got 0"),
        ({"lines": ["31x31 1080"], "batches": [8]}, r"batch: 31x31 1080.* is measured with batch 1 only, received 8"),
        ({"data_formats": ["NHWC"]}, r"data_formats: expected 'channels_last' or 'channels_first', got 'NHWC'"),
        ({"data_formats": []}, r"data_formats: expected at least one of 'channels_last', 'channels_first', got none"),
        ({"folder": "/no/such/folder"}, r"folder: there is no folder '/no/such/folder'"),
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
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "9x9"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nothing on the board matches '9x9'" in capsys.readouterr().err


def test_the_module_turns_a_board_that_broke_off_into_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def died(*_: object, **__: object) -> None:
        raise RuntimeError("the measuring process ended")

    monkeypatch.setattr("tweakconv.bench.__main__.run_board", died)
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit, match=r"^tweakconv bench: the measuring process ended$"):
        main()
