"""What the tests of the board share: findings with made-up times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tweakconv.bench.machine import Machine
from tweakconv.bench.results import Board, Entry, LeftOut, LineResult, PeerStatus, Section, Setting

LineMaker = Callable[..., LineResult]
EntryMaker = Callable[..., Entry]


@pytest.fixture
def machine() -> Machine:
    return Machine(
        cpu="A processor",
        system="Linux x86_64",
        cpus=2,
        threads=1,
        pinned=(1,),
        target="avx2",
        vector_bits=256,
        fma_gflops=100.0,
        memory_gbytes=10.0,
    )


@pytest.fixture
def timed() -> EntryMaker:
    """An entry from the times of its rounds, in milliseconds; the middle one is its time."""

    def make(contender: str, *rounds: float, **changes: Any) -> Entry:
        seconds = tuple(round(time / 1e3, 9) for time in rounds)
        middle = sorted(seconds)[len(seconds) // 2]
        return Entry(contender, middle, seconds, **{"error": 2e-7, "cpus": 1.0, "how": "plainly"} | changes)

    return make


@pytest.fixture
def line_result(timed: EntryMaker) -> LineMaker:
    """A line on which we take 1 ms, and ncnn 1.2 ms as the best peer."""
    line = LineResult(
        name="3x3 56x56x64->64",
        kind="dense",
        source="ResNet conv2",
        batch=1,
        flops=231_211_008,
        compute_seconds=0.0005,
        traffic_seconds=0.0001,
        ours=(timed("tweakconv NHWC", 1.0, 1.0, 1.0), timed("tweakconv NCHW", 1.08, 1.05, 1.05)),
        peers=(
            timed("PyTorch NHWC", 1.5, 1.6, 1.4),
            timed("PyTorch NCHW", 2.0, 2.0, 2.0),
            timed("ncnn", 1.3, 1.1, 1.2, error=5.7e-7),
            timed("MNN", 3.0, 3.0, 3.0, left_out=(LeftOut("large tiles", "not float32", 1.2e-4, 0.0009),)),
            Entry("SciPy", note="only for images"),
        ),
        functional=(timed("tweakconv conv2d", 2.0, 2.0, 2.0), timed("PyTorch conv2d", 1.8, 1.8, 1.8)),
        waiting=0.01,
    )

    def make(**changes: Any) -> LineResult:
        return replace(line, **changes)

    return make


@pytest.fixture
def setting(machine: Machine) -> Setting:
    peers = (PeerStatus("ncnn", "ncnn", "1.0"), PeerStatus("mnn", "MNN", None, "not installed: pip install MNN"))
    return Setting(machine, {"Python": "3.11.7"}, peers, rounds=3, date="2026-02-03")


@pytest.fixture
def board_of(setting: Setting) -> Callable[[Sequence[LineResult]], Board]:
    """A board of one section."""
    return lambda lines: Board((Section(setting, tuple(lines)),))
