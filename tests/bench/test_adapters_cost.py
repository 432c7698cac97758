"""The program that measures what the adapters' layers cost."""

from __future__ import annotations

import math
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import tweakconv


def test_what_is_left_of_each_call_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    threads, of_torch = tweakconv.get_num_threads(), torch.get_num_threads()
    adapters = import_module("adapters")
    try:
        found = list(adapters.findings(adapters.of_torch(), rounds=1))
    finally:
        tweakconv.set_num_threads(threads)
        torch.set_num_threads(of_torch)
        for name in ("adapters", "overheads"):
            sys.modules.pop(name, None)
    assert [finding.limit for finding in found] == [15, 15, 15, 15, 15, 45]
    assert all(math.isfinite(finding.value) for finding in found)
