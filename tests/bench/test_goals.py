"""A goal is reached where its numbers say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tweakconv.bench.classes import CLASSES, line_class
from tweakconv.bench.goals import class_summaries, keeps, thread_verdicts, verdicts
from tweakconv.bench.results import Board, Entry, LineResult, Section, Setting


def test_the_ratio_is_that_of_the_rounds_and_of_the_best_format(line_result: Callable[..., LineResult]) -> None:
    line = line_result()
    assert line.ratios() == pytest.approx((1.3, 1.1, 1.2))
    assert line.best("PyTorch") == line.peers[0]
    ratio, layouts, calls = line.ratio("PyTorch"), line.layouts_ratio, line.functional_ratio
    assert ratio is not None
    assert layouts is not None
    assert calls is not None
    assert (ratio.value, layouts.value, calls.value) == pytest.approx((1.5, 1.05, 0.9))


def test_a_slow_contenders_rounds_are_compared_with_ours_of_the_same_rounds(
    line_result: Callable[..., LineResult], timed: Callable[..., Entry]
) -> None:
    line = line_result(ours=(timed("tweakconv NHWC", 1.0, 2.0, 4.0, 8.0),), peers=(timed("SciPy", 9.0, 9.0, 9.0),))
    assert line.ratios() == pytest.approx((9.0, 4.5, 2.25))


@pytest.mark.parametrize(
    ("kind", "changes", "kept"),
    [
        ("strided", {}, True),  # 1.2 of 1.1
        ("wide", {}, False),  # 1.2 of 1.3
        ("dense", {}, False),  # PyTorch 1.5 of 3
        ("pointwise", {}, False),  # half of the peak
        ("pointwise", {"compute_seconds": 0.00093}, True),
        ("pointwise", {"traffic_seconds": 0.0007}, True),  # memory binds: the peak does not count
        ("depthwise", {}, True),
        ("depthwise", {"peers": "slower"}, False),
        ("depthwise", {"peers": "slower", "traffic_seconds": 0.0009}, True),  # 90% of the bandwidth will do
        ("depthwise", {"peers": "slower", "compute_seconds": 0.0009}, False),
        ("small", {"peers": ()}, None),
        ("images", {}, False),  # PyTorch 1.5 of 8
        ("dilated", {}, None),
    ],
)
def test_a_line_keeps_its_classs_goals(
    line_result: Callable[..., LineResult],
    timed: Callable[..., Entry],
    kind: str,
    changes: dict[str, Any],
    kept: bool | None,
) -> None:
    if changes.get("peers") == "slower":
        changes = changes | {"peers": (timed("ncnn", 0.9, 0.9, 0.9),)}
    assert keeps(line_class(kind), line_result(kind=kind, **changes)) is kept


def test_classes_are_summed_up_in_the_boards_order(line_result: Callable[..., LineResult]) -> None:
    lines = [line_result(kind=known.key) for known in reversed(CLASSES)]
    assert [found.line_class for found in class_summaries(lines)] == [*CLASSES]


def test_a_classs_mean_lowest_and_kept_lines(
    line_result: Callable[..., LineResult], timed: Callable[..., Entry]
) -> None:
    faster = line_result(kind="small", name="other", ours=(timed("tweakconv NHWC", 0.3, 0.3, 0.3),))
    (found,) = class_summaries([line_result(kind="small"), faster])
    assert found.best is not None
    assert found.best.value == pytest.approx((1.2 * 4.0) ** 0.5)
    assert found.lowest is not None
    assert found.lowest.name == "3x3 56x56x64->64"
    assert (found.kept, found.judged) == (2, 2)


def test_verdicts_name_the_lines_that_miss_the_worst_first(
    line_result: Callable[..., LineResult], timed: Callable[..., Entry]
) -> None:
    calls = (timed("tweakconv conv2d", 2.0), timed("PyTorch conv2d", 1.0))
    slow = line_result(name="slow", functional=calls, peers=(timed("ncnn", 0.9, 0.8, 0.7),))
    short = line_result(name="short", ours=(timed("tweakconv NHWC", 0.1), timed("tweakconv NCHW", 0.2)))
    behind, call, layouts = verdicts([line_result(), slow, short])
    assert (behind.reached, behind.missed) == (2, ("slow (0.80)",))
    assert (call.reached, call.missed) == (0, ("slow (0.50)", "3x3 56x56x64->64 (0.90)"))
    assert (layouts.reached, layouts.missed) == (2, ("short (2.00)",))


def test_two_threads_are_compared_with_one_and_with_the_bandwidth(
    line_result: Callable[..., LineResult],
    timed: Callable[..., Entry],
    setting: Setting,
    board_of: Callable[[Sequence[LineResult]], Board],
) -> None:
    def measured(**milliseconds: float) -> list[LineResult]:
        return [line_result(name=name, ours=(timed("tweakconv NHWC", t),)) for name, t in milliseconds.items()]

    alone = measured(long=4.0, stuck=4.0, short=1.0)
    together = measured(long=2.1, stuck=3.2, short=1.0)
    streaming = line_result(name="streaming", traffic_seconds=0.0009)
    two = Section(
        replace(setting, machine=replace(setting.machine, threads=2)),
        (*together, streaming, replace(streaming, name="dawdling", traffic_seconds=0.0008)),
    )
    scaling, bandwidth = thread_verdicts(Board((*board_of(alone).sections, two)))
    assert scaling.goal.startswith("2 threads at least 1.8 times as fast as one")
    assert (scaling.reached, scaling.missed) == (1, ("stuck (1.25)",))
    assert (bandwidth.reached, bandwidth.missed) == (1, ("dawdling (0.80)",))
    assert thread_verdicts(board_of(alone)) == []
