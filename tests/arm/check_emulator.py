"""The emulation can be trusted: what goes astray ends, what a processor lacks is missed, what is absent is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.arm import emulator
from tests.arm.emulator import Array, Code, EmulatorEnded, Work
from tests.test_targets import undefined_symbols

from tweakconv.compiler import helpers, jit
from tweakconv.compiler.call import Space
from tweakconv.compiler.target import TARGETS

ELEMENTS = 5
PACKAGES = "apt-get install --no-install-recommends qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross"


def code_of(body: str, features: str = "+neon") -> Code:
    """Code whose one function has this body; elements are 64-bit integers."""
    names = ("x", "weights", "bias", "y", "residual", "integers", "shared", "own")
    text = f"""
    target triple = "{TARGETS["aarch64"].triple}"
    define void @run({", ".join(f"ptr %{name}" for name in names)}, i64 %flags) "target-features"="{features}" {{
    {body}
      ret void
    }}
    declare i64 @llvm.read_register.i64(metadata)
    !0 = !{{!"ID_AA64ISAR0_EL1"}}"""
    return Code(jit.compile_module(text, TARGETS["aarch64"]))


def run(code: Code, space: Space = Space(64, 64)) -> tuple[Array, Array]:  # noqa: B008 - it never changes
    """Input and output of a call."""
    x, y = np.arange(1, ELEMENTS + 1), np.zeros(ELEMENTS, np.int64)
    emulator.run(code, Work((x, None, None, y, None), np.zeros(1, np.int64), space, threads=1, flags=0))
    return x, y


def touching(what: str, element: int, *, writes: bool) -> str:
    access = "store volatile i64 0, ptr %at" if writes else "%value = load volatile i64, ptr %at"
    return f"%at = getelementptr i64, ptr %{what}, i64 {element}\n{access}"


COPYING = "\n".join(
    f"""%from{i} = getelementptr i64, ptr %x, i64 {i}
    %to{i} = getelementptr i64, ptr %y, i64 {i}
    %value{i} = load i64, ptr %from{i}
    store i64 %value{i}, ptr %to{i}"""
    for i in range(ELEMENTS)
)


def test_arrays_go_to_the_code_and_back() -> None:
    x, y = run(code_of(COPYING))
    np.testing.assert_array_equal(y, x)


def test_an_output_that_is_not_written_is_not_a_number() -> None:
    _, y = run(code_of(""))
    assert np.isnan(y.view(np.float64)).all()


@pytest.mark.parametrize("side", [-1, ELEMENTS])
@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("what", ["x", "y"])
def test_what_touches_memory_outside_of_an_array_ends(what: str, writes: bool, side: int) -> None:
    with pytest.raises(EmulatorEnded, match="Segmentation fault"):
        run(code_of(touching(what, side, writes=writes)))
    x, y = run(code_of(COPYING))  # another process has taken its place
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("what", ["x", "integers"])
def test_what_writes_to_an_input_ends(what: str) -> None:
    with pytest.raises(EmulatorEnded, match="Segmentation fault"):
        run(code_of(touching(what, 0, writes=True)))


@pytest.mark.parametrize("side", [-1, 8])
@pytest.mark.parametrize("what", ["own", "shared"])
def test_what_touches_memory_outside_of_its_working_space_ends(what: str, side: int) -> None:
    with pytest.raises(EmulatorEnded, match="Segmentation fault"):
        run(code_of(touching(what, side, writes=True)))


def test_instructions_that_came_later_are_missing_on_the_first_processor() -> None:
    with pytest.raises(EmulatorEnded, match=r"cortex-a57.*Illegal instruction"):
        run(code_of("%old = atomicrmw add ptr %y, i64 1 monotonic", features="+lse"))


def test_results_that_differ_between_processors_are_noticed() -> None:
    with pytest.raises(AssertionError, match="cortex-a57 and max computed different bits"):
        run(code_of("%features = call i64 @llvm.read_register.i64(metadata !0)\nstore i64 %features, ptr %y"))


def test_helpers_call_nothing_but_what_lets_others_run() -> None:
    target = TARGETS["aarch64"]
    assert sorted(undefined_symbols(jit.compile_module(helpers._text(target.triple), target))) == [
        "sched_yield",
        "usleep",
    ]


def test_what_is_not_installed_is_named_with_the_packages_that_bring_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "tests.arm.processor", __file__]
    root = Path(__file__).parents[2]
    (tmp_path / "qemu-aarch64").symlink_to("/bin/true")  # there is an emulator, but no compiler
    for path, missing in ((tmp_path / "nothing", "qemu-aarch64"), (tmp_path, "aarch64-linux-gnu-gcc")):
        environment = {**os.environ, "PATH": str(path)}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert f"{missing} is not installed" in done.stderr
        assert PACKAGES in done.stderr
