"""The report, the page, the chart and the stored findings say what was found, legibly."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tweakconv.bench import chart as charts
from tweakconv.bench import report
from tweakconv.bench.chart import chart
from tweakconv.bench.lines import LINES
from tweakconv.bench.markdown import page
from tweakconv.bench.publish import FILES, check_can_publish, publish
from tweakconv.bench.results import Board, Entry, LineResult, Setting
from tweakconv.bench.stored import read_boards, to_json

Maker = Callable[..., LineResult]
BoardMaker = Callable[[Sequence[LineResult]], Board]


def test_a_row_states_time_speed_limit_best_peer_and_ratios(line_result: Maker) -> None:
    assert report.row(line_result()).split() == (
        ["3x3", "56x56x64->64", "1.000", "231.2", "50%", "f", "ncnn", "1.20", "-", "1.50", "1.05", "0.90"]
    )


def test_a_row_with_rounds_enough_has_an_interval_and_one_that_memory_binds_says_so(
    line_result: Maker, timed: Callable[..., Entry]
) -> None:
    line = line_result(
        ours=(timed("tweakconv NHWC", *[1.0] * 7),),
        peers=(timed("ncnn", 1.3, 1.1, 1.2, 1.25, 1.15, 1.12, 1.22),),
        traffic_seconds=0.0008,
    )
    assert "80% b" in report.row(line)
    assert "1.20  [1.10, 1.30]" in report.row(line)


def test_a_row_without_us_or_peers_has_dashes(line_result: Maker) -> None:
    unmeasured = line_result(ours=(Entry("tweakconv NHWC", note="failed: ..."),), functional=())
    assert report.row(unmeasured).split()[2:] == ["-", "-", "-", "ncnn", "-", "-", "-", "-", "-"]
    alone = line_result(peers=(), functional=())
    assert report.row(alone).split()[2:] == ["1.000", "231.2", "50%", "f", "-", "-", "-", "-", "1.05", "-"]


def test_the_summary_has_means_goals_everybody_and_reasons(
    line_result: Maker, timed: Callable[..., Entry], board_of: BoardMaker
) -> None:
    faster = line_result(name="other", ours=(timed("tweakconv NHWC", 0.3, 0.3, 0.3),), waiting=0.25)
    text = report.summary(board_of([line_result(), faster]))
    (best,) = (line for line in text if line.startswith("  best peer"))
    assert best.startswith("  best peer 2.19 [")
    assert "PyTorch 2.74 [" in best
    assert best.endswith("lowest 1.20 (3x3 56x56x64->64)")
    assert "  goal: best peer 1.25, PyTorch 3; 1 of 2 lines" in text
    assert "SciPy: only for images (2 lines)" in text
    assert (
        "MNN with large tiles: not float32 on 2 lines, relative error up to 1e-04; "
        "it would be the quickest peer on 3x3 56x56x64->64 0.900 ms, other 0.900 ms" in text
    )
    assert "other programs had the CPU for up to 25% of the time (1 line): measure in peace" in text


def test_threads_that_do_not_rest_are_named(line_result: Maker, board_of: BoardMaker) -> None:
    text = report.disturbances(board_of([line_result(restless=("ncnn",))]))
    assert text == ["threads that went on spinning into the next turn: ncnn"]


def test_every_row_and_heading_fits_120_columns(
    line_result: Maker, setting: Setting, timed: Callable[..., Entry], board_of: BoardMaker
) -> None:
    slow = timed("PyTorch NHWC", *[12345.678] * 9)
    lines = [line_result(name=line.name, kind=line.kind, peers=(slow, *line_result().peers[1:])) for line in LINES]
    rows = [report.row(line) for line in lines]
    tables = [text for text in report.summary(board_of(lines)) if re.search(r"\d  +\d", text)]
    assert len(tables) > len(lines)
    assert max(map(len, [*report.header(setting), *report.column_titles(8, 2), *rows, *tables])) <= 120


def test_findings_come_back_from_json_as_they_were(
    line_result: Maker, timed: Callable[..., Entry], board_of: BoardMaker, tmp_path: Path
) -> None:
    board = board_of([line_result(), line_result(name="other", restless=("ncnn",), waiting=None)])
    path, more = tmp_path / "board.json", tmp_path / "more.json"
    path.write_text(to_json(board), encoding="utf-8")
    more.write_text(to_json(board_of([line_result(batch=8)])), encoding="utf-8")
    assert read_boards([path]) == board
    assert [section.batches for section in read_boards([path, more]).sections] == [(1,), (8,)]


@pytest.mark.parametrize("text", ["", "[]", '{"sections": [1]}', '{"sections": [{"setting": {}, "lines": []}]}'])
def test_a_file_without_findings_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"other\.json: does not hold the findings of a board"):
        read_boards([path])


def _whole(line_result: Maker, board_of: BoardMaker) -> Board:
    lines = [
        line_result(name=line.name, kind=line.kind, source=line.source, batch=batch)
        for batch in (1, 8)
        for line in LINES
    ]
    return board_of(lines)


def test_the_page_has_every_line_in_whole_tables(line_result: Maker, board_of: BoardMaker) -> None:
    text = page(_whole(line_result, board_of))
    for line in LINES:
        assert text.count(f"| {line.name} | {line.source} | 1.000 | 50% f | ncnn | 1.200 |") == 2
    tables = re.findall(r"(?:^\|.*\|$\n)+", text, re.MULTILINE)
    assert len(tables) == 2 * (1 + 9)
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1
    assert "A processor, avx2, 2 CPUs, Linux x86_64, 2026-02-03; measured with 1 thread, pinned to CPU 1:" in text
    assert "MNN: not installed: pip install MNN" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_the_chart_is_svg_with_every_line_and_library_and_the_same_each_time(
    line_result: Maker, board_of: BoardMaker
) -> None:
    board = _whole(line_result, board_of)
    light, dark = chart(board), chart(board, dark=True)
    words = [element.text for element in ElementTree.fromstring(light).iter("{http://www.w3.org/2000/svg}text")]
    for name in [line.name for line in LINES] + ["PyTorch", "ncnn", "MNN", "1.20  ncnn"]:
        assert name in words
    assert not any("OpenVINO" in (word or "") for word in words)
    assert any("A processor, avx2, 1 thread, batch 1" in (word or "") for word in words)
    assert chart(board) == light
    assert charts._LIGHT.page in light
    assert charts._DARK.page in dark
    assert charts._DARK.page not in light


@pytest.mark.parametrize("palette", [charts._LIGHT, charts._DARK])
def test_the_charts_colours_stand_out_from_the_page(palette: charts._Palette) -> None:
    for colour in (*(colour for colour, _ in charts._LIBRARIES.values()), palette.ahead, palette.behind):
        assert _contrast(colour, palette.page) >= 3, colour
    for text in (palette.ink, palette.faint):
        assert min(_contrast(text, palette.page), _contrast(text, palette.band)) >= 4.5, text


def _contrast(one: str, other: str) -> float:
    """As the Web Content Accessibility Guidelines 2.2 define it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def test_a_board_is_published_as_all_its_files(line_result: Maker, board_of: BoardMaker, tmp_path: Path) -> None:
    board = board_of([line_result()])
    check_can_publish(tmp_path)
    publish(board, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert read_boards([tmp_path / "board.json"]) == board
    for name in re.findall(r'(?:srcset|src)="(.*?)"', (tmp_path / "board.md").read_text(encoding="utf-8")):
        assert name in FILES


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder: there is no folder '.*nowhere'"):
        check_can_publish(tmp_path / "nowhere")
