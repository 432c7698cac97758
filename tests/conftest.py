"""What all tests share: a cache of compiled code of their own, and a word about targets that could not run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from typing import Protocol

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled code in a folder that ends with the run; pytest-xdist's workers inherit it.

    Keras has one backend for all the life of a process, and tests come in any order: so it is chosen here, once, and
    what needs another one runs in a process of its own (`tests/test_frameworks.py`).

    A shell has what it runs in the background ignore Ctrl-C, and so would the programs that tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["KERAS_BACKEND"] = os.environ.get("TWEAKCONV_TEST_BACKEND", "torch")
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="tweakconv-tests-")
        os.environ["TWEAKCONV_CACHE_DIR"] = folder
        for variable in ("TWEAKCONV_NUM_THREADS", "TWEAKCONV_TARGET"):
            os.environ.pop(variable, None)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


class RunPython(Protocol):
    """Run a program in a process of its own."""

    def __call__(self, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run_python() -> RunPython:
    """A function that runs a program, given as text, with variables added to the environment."""

    def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


_WINOGRAD_PLANS = {
    "the usual form": (0, False),
    "the usual form, late weights": (0, True),
    "the next form": (1, False),
    "the last form, late weights": (-1, True),
}


@pytest.fixture(params=_WINOGRAD_PLANS.values(), ids=_WINOGRAD_PLANS.keys())
def winograd_plans(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every Winograd plan of a test one of a kind: by its form, and when weights are brought to the points."""
    from tweakconv.compiler.schedules import winograd  # noqa: PLC0415 - not for tests of what loads without it
    from tweakconv.compiler.schedules.winograd_forms import forms  # noqa: PLC0415
    from tweakconv.compiler.spec import ConvSpec  # noqa: PLC0415
    from tweakconv.compiler.target import Target  # noqa: PLC0415

    number, late = request.param

    def plans(spec: ConvSpec, target: Target, *, in_bands: bool = False) -> list[winograd.WinogradPlan]:
        possible = forms(spec.kernel, 512, spec.strides)
        if not possible:
            return []
        form = possible[min(number, len(possible) - 1)]
        return [winograd.plan(spec, target, form, late=late)]

    monkeypatch.setattr(winograd, "plans", plans)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which targets' code ran here, and which was only compiled and inspected."""
    from tweakconv.compiler.target import (  # noqa: PLC0415 - starts LLVM
        TARGETS,
        TILE_TARGETS,
        runnable_targets,
        runnable_tile_targets,
    )

    ran = (*runnable_tile_targets(), *runnable_targets())
    terminalreporter.write_line(f"targets whose code this processor runs: {', '.join(ran) or 'none'}")
    if rest := [name for name in (*TILE_TARGETS, *TARGETS) if name not in ran]:
        hint = "; `make test-arm` runs aarch64 in an emulator" if "aarch64" in rest else ""
        terminalreporter.write_line(
            f"targets compiled and inspected, NOT RUN here: {', '.join(rest)}{hint}", yellow=True
        )
