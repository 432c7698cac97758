"""Results are compared before they are timed, and the quickest of a library's right ways counts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest

from tweakconv import reference
from tweakconv.bench import problem as problems
from tweakconv.bench.contender import CannotExpressError, Prepared, Ways
from tweakconv.bench.geometries import Line
from tweakconv.bench.machine import Machine
from tweakconv.bench.measure import Field, measure_line
from tweakconv.bench.problem import Problem
from tweakconv.bench.results import LeftOut

LINE = Line("dense", (5, 7), 3, 2, (3, 3), pad=(1, 1), source="nowhere", batch=2)


@dataclass(frozen=True)
class _Reference:
    """A contender that computes the definition, in ways spoilt as their names say."""

    name: str
    hows: tuple[str, ...] = ("right",)

    def ways(self, problem: Problem) -> Ways:
        if self.name == "unable":
            raise CannotExpressError("has no convolutions")
        if self.name == "absent":
            raise OSError("no such library\nand more")
        return {how: lambda how=how: _spoilt(problem, how) for how in self.hows}


def _spoilt(problem: Problem, how: str) -> Prepared:
    y = reference.conv(problem.x, problem.kernel, problem.bias, padding=problem.line.padding)
    match how:
        case "broken":
            raise MemoryError("too large")
        case "shifted":
            y = np.roll(y, 1, axis=1)
        case "half precision":
            y = y.astype(np.float16)
        case "cropped":
            y = y[:, 1:]
        case "not a number":
            y[0, 0, 0, 0] = np.nan
        case "wrong between":
            y[1, 2, 3, 1] += 1
    return Prepared(lambda: time.sleep(0.001) if how == "slow" else None, lambda _: y)


def test_wrong_and_failing_contenders_are_excluded_with_words(machine: Machine) -> None:
    wrong = ("shifted", "cropped", "not a number")
    peers = [
        _Reference("good"),
        _Reference("unable"),
        _Reference("absent"),
        _Reference("dies", ("broken",)),
        _Reference("imprecise", ("half precision",)),
        *(_Reference(how, (how,)) for how in wrong),
    ]
    calls = [_Reference("our call"), _Reference("their call")]
    result = measure_line(LINE, Field([_Reference("ours")], peers, calls), 1, machine)
    entries = {entry.contender: entry for entry in result.entries}
    timed = [name for name, entry in entries.items() if entry.seconds is not None]
    assert timed == ["ours", "good", "our call", "their call"]
    assert entries["ours"].how == "right"
    assert entries["unable"].note == "has no convolutions"
    assert entries["absent"].note == "failed: OSError: no such library"
    assert entries["dies"].note == "failed: MemoryError: too large"
    assert entries["imprecise"].note.startswith("excluded: its result is not float32, relative error ")
    for name in wrong:
        assert entries[name].note.startswith("excluded: its result is wrong, relative error "), name
    assert result.best() == entries["good"]
    assert (result.name, result.kind, result.source, result.batch) == (LINE.name, "dense", "nowhere", 2)


def test_the_quickest_right_way_counts_and_the_others_are_noted(machine: Machine) -> None:
    hows = ("slow", "right", "half precision", "shifted", "broken")
    result = measure_line(LINE, Field([_Reference("ours")], [_Reference("peer", hows)]), 1, machine)
    (entry,) = result.peers
    assert (entry.how, entry.note) == ("right", "")
    left_out = {way.how: way for way in entry.left_out}
    assert left_out["broken"] == LeftOut("broken", "failed: MemoryError: too large")
    assert left_out["shifted"].seconds is None
    assert left_out["half precision"].seconds is not None
    assert left_out["half precision"].error == pytest.approx(2e-4, rel=0.5)


def test_a_result_that_is_wrong_where_float64_was_not_computed_is_found_by_comparing_with_ours(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "CHECKED_MULTIPLY_ADDS", 1)
    expected = Problem.of(LINE).expected()
    assert 2 not in expected.rows
    result = measure_line(
        LINE, Field([_Reference("ours")], [_Reference("peer", ("wrong between",)), _Reference("good")]), 1, machine
    )
    assert result.peers[0].note.startswith("excluded: its result is wrong")
    assert result.peers[1].seconds is not None


def test_who_is_excused_does_not_prepare(machine: Machine) -> None:
    everybody = Field([_Reference("ours")], [_Reference("absent")])
    result = measure_line(LINE, everybody, 1, machine, excused={"absent": "crashed before"})
    assert result.peers[0].note == "crashed before"
