"""The board's measurements measure what they say."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from tweakconv.bench import limits, timing
from tweakconv.bench.contender import Prepared, race
from tweakconv.bench.machine import best_cpus, busy_seconds, measure_machine
from tweakconv.compiler.target import get_target, runnable_targets


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


@pytest.mark.parametrize("works", [1, 3])
def test_a_sample_runs_every_work_as_often_as_it_says_and_long_enough(
    works: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[list[int]] = [[] for _ in range(works)]
    wanted = limits.SAMPLE_SECONDS_TOGETHER if works > 1 else limits.SAMPLE_SECONDS

    def seconds(run: Callable[[], object]) -> float:
        run()
        return done[0][-1] * wanted / 8

    monkeypatch.setattr(limits, "_seconds", seconds)
    run, repeats = limits._call([mine.append for mine in done])
    run()
    assert repeats == 8
    assert done == [[1, 2, 4, 8, 8]] * works


def test_a_sample_tells_how_often_it_does_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def call(works: list[Callable[[int], None]]) -> tuple[Callable[[], None], int]:
        asked.append(len(works))
        return lambda: None, 6

    monkeypatch.setattr(limits, "_call", call)
    operations = limits._operations(get_target())
    assert limits.fma_sample(operations, threads=2).times == 12
    assert limits.fma_sample(4 * operations).times == 1.5
    assert limits.stream_sample(1 << 12, 1 << 10, threads=3).times == 6
    assert asked == [2, 1, 3]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_machine_is_measured_and_plausible(threads: int) -> None:
    machine = measure_machine(threads, cpus=2, pinned=())
    assert machine.cpu
    assert 0.1 < machine.fma_gflops < 1e5
    assert 0.01 < machine.memory_gbytes < 1e4
    assert (machine.target, machine.vector_bits) in {
        (name, get_target(name).vector_bits) for name in runnable_targets()
    }


def test_best_cpus_are_all_that_this_process_may_use() -> None:
    cpus = best_cpus()
    assert len(set(cpus)) == len(cpus) >= 1


def test_busy_cpus_are_counted_with_everybodys_time() -> None:
    cpus = best_cpus()
    before, own = busy_seconds(cpus), time.process_time()
    while time.process_time() < own + 0.2:
        pass
    after = busy_seconds(cpus)
    if sys.platform == "linux":
        assert before is not None
        assert after is not None
        assert after - before > 0.1
    else:
        assert (before, after) == (None, None)
    assert busy_seconds((10**6,)) is None


def _recorder(order: list[str], name: str) -> Callable[[], object]:
    return lambda: order.append(name)


def test_contenders_take_turns_and_warm_up_before_they_are_timed() -> None:
    order: list[str] = []
    turns = timing.interleave({name: _recorder(order, name) for name in "abc"}, 3, 1e-4)
    visits = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert "".join(visits) == "abc" + "bca" + "cab"
    for name in "abc":
        assert len(turns[name].seconds) == len(turns[name].cpus) == 3
        assert order.count(name) >= 3 * (timing.WARMUPS + timing.MIN_SAMPLES)


def test_a_long_call_counts_at_once_and_a_slow_contender_has_fewer_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(timing, "BUDGET_SECONDS", 0.0)
    order: list[str] = []
    turns = timing.interleave({"slow": _recorder(order, "slow")}, rounds=9)
    assert order == ["slow"] * timing.MIN_TURNS
    assert len(turns["slow"].seconds) == timing.MIN_TURNS


@pytest.mark.parametrize(("busy_readings", "quiet"), [(0, True), (30, True), (10**9, False)])
def test_the_next_turn_waits_for_threads_that_spin(
    monkeypatch: pytest.MonkeyPatch, busy_readings: int, quiet: bool
) -> None:
    clock = _Clock(busy_readings)
    monkeypatch.setattr(timing.time, "process_time", clock)
    monkeypatch.setattr(timing, "SETTLE_SECONDS", 60.0 if quiet else 0.02)
    turns = timing.interleave({"spinner": lambda: None}, rounds=2, visit_seconds=1e-4, settling=True)
    assert turns["spinner"].restless == (0 if quiet else 2)
    assert not quiet or clock.left == 0


class _Clock:
    """A processor's time that goes on for a number of readings, and then stands still."""

    def __init__(self, readings: int) -> None:
        self.left = readings
        self.seconds = 0.0

    def __call__(self) -> float:
        if self.left > 0:
            self.left -= 1
            self.seconds += 1.0
        return self.seconds


def test_a_race_times_every_way_and_the_quickest_wins() -> None:
    ways = {
        "slow": Prepared(lambda: time.sleep(0.004), np.asarray),
        "quick": Prepared(lambda: None, np.asarray),
        "middling": Prepared(lambda: time.sleep(0.001), np.asarray),
    }
    times = race(ways)
    assert sorted(times, key=times.__getitem__) == ["quick", "middling", "slow"]
    assert race({}) == {}
