"""Compiled convolutions of every kind touch only the arrays they were given: the table, between protected pages.

As in `test_memory_safety`, a child does the work, since a stray access kills it; its last words name the convolution.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if __name__ == "__main__":  # so that the program, too, finds what lies beside it
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.cases import DTYPES, FORMATS
from tests.family import FAMILY, Kin, by_definition
from tests.test_memory_safety import guarded, needs_mprotect

from tweakconv.compiler.call import ALONE, Shared
from tweakconv.compiler.target import runnable_targets
from tweakconv.prepared import PreparedConv

EXACT = (None, "relu", "relu6")


@needs_mprotect
@pytest.mark.parametrize("target", runnable_targets())
def test_nothing_outside_of_the_arrays_is_touched_by_any_kind(target: str) -> None:
    command = [sys.executable, "-X", "faulthandler", __file__, target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    last_words = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"ended with {done.returncode} in {last_words}\n{done.stderr[-3000:]}"
    assert last_words == ["all done"]


def run_between_guards(kin: Kin, data_format: str, dtype: str, target: str, side: str, *, finite: bool) -> None:
    """Everything that the code is handed, its working space too, stands against protected pages."""
    x, kernels, bias = kin.arrays(data_format, dtype, whole=True)
    if not finite:  # code of its own, which leaves out taps in the padding one by one
        kernels[0].reshape(-1)[kernels[0].size // 2] = np.inf
    x = guarded(x, side)
    arguments = {**kin.tweaks, "data_format": data_format, "residual": kin.residual, "dtype": dtype, "target": target}
    conv: Any = kin.prepare(*kernels, bias, input_shape=x.shape, **arguments)
    expected = by_definition(kin, x, kernels, bias, data_format)
    residual = kin.added(expected.shape, dtype)
    expected = by_definition(kin, x, kernels, bias, data_format, residual)
    if kin.kind == "separable":
        between = guarded(np.empty(conv.depthwise(x).shape, dtype), side)
        run(conv.depthwise, x, between, None, side)
        conv, x = conv.pointwise, between
    y = guarded(np.full(expected.shape, np.nan, dtype), side)
    run(conv, x, y, residual, side)
    exact = kin.activation in EXACT
    np.testing.assert_allclose(y, expected, rtol=0, atol=0 if exact else 1e-5 * np.nanmax(abs(expected)))


def run(conv: PreparedConv, x: Any, y: Any, residual: Any, side: str) -> None:
    """One call of the code of a prepared convolution, with copies of all that it keeps."""
    _, launch = conv._prepare(x)
    handed = [
        x,
        guarded(conv._weights, side),
        guarded(conv._bias, side),
        y,
        guarded(np.zeros(0) if residual is None else residual, side),
        guarded(launch.integers, side),
        guarded(np.zeros(Shared.COUNT, np.int64), side),
        guarded(np.zeros(launch.space.own, np.uint8), side),
    ]
    conv._run(*(array.ctypes.data for array in handed), conv._flags | ALONE)


def main(target: str) -> None:
    """What a child does: run the table."""
    for turn, kin in enumerate(FAMILY):
        data_format, dtype = FORMATS[(turn + runnable_targets().index(target)) % 2], DTYPES[turn // 2 % 2]
        for side in ("start", "end"):
            finite = side == "start" or kin.activation not in EXACT
            print(f"{kin} {data_format} {dtype} {target}, arrays at the {side} of their pages", flush=True)
            run_between_guards(kin, data_format, dtype, target, side, finite=finite)
    print("all done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
