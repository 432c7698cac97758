"""The program that measures what surrounds the arithmetic."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

import tweakconv


@pytest.fixture(scope="module")
def overheads() -> Iterator[ModuleType]:
    path = Path(__file__).parents[2] / "benchmarks" / "overheads.py"
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
