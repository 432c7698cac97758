"""The code of kernel gradients touches only the arrays it was given: they stand against pages that may not be touched.

A stray access kills the process, so that a child does the work: this file, run as a program. Its last words name the
convolution that went astray.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if __name__ == "__main__":  # so that the program, too, finds what lies beside it
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.cases import FORMATS, Case
from tests.gradient_cases import GRADS, Grad
from tests.test_gradients import dtype_of
from tests.test_memory_safety import guarded, needs_mprotect

from tweakconv.compiler import helpers, kernel_grad
from tweakconv.compiler.call import Shared
from tweakconv.compiler.target import runnable_targets
from tweakconv.gradients import PreparedKernelGrad
from tweakconv.gradients.layers import pad
from tweakconv.lowering import contiguous_strides

WINOGRAD = tuple(
    Grad(f"winograd, {name}", case)
    for name, case in (
        ("cut tiles", Case("", (9, 14), (17, 40), padding="same", batch=3, bias=False)),
        ("cut rows", Case("", (6, 230), (16, 33), padding=((0, 2), (3, -1)), bias=False)),
        ("groups", Case("", (10, 11), (48, 64), groups=2, padding="same", bias=False)),
    )
)


def run_between_guards(grad: Grad, data_format: str, target: str, side: str) -> None:
    """Everything that the code is handed, its working space too, stands against protected pages."""
    algorithm, dtype = ("winograd", "float32") if grad in WINOGRAD else ("direct", dtype_of(grad, data_format, target))
    x, kernel, dy = grad.arrays(data_format, dtype, whole=True)
    gradient: PreparedKernelGrad = grad.operation("kernel", prepared=True)(
        kernel.shape, input_shape=x.shape, data_format=data_format, dtype=dtype, target=target, algorithm=algorithm,
        **grad.kernel_tweaks,
    )  # fmt: skip
    expected = grad.by_definition(x, kernel, dy, data_format)[1]
    first, second = (dy, x) if grad.transposed else (x, dy)
    if gradient._extends:
        first = pad(first, gradient.layer, gradient.geometry)
    last = data_format == "channels_last"
    _, way, plan = gradient._choice
    call = kernel_grad.KernelGradCall(
        len(x), gradient._geometry, contiguous_strides(first.shape, last), contiguous_strides(second.shape, last)
    )
    integers = guarded(np.array(way.integers(plan, call), np.int64), side)
    space = way.space(plan, call)
    shared, common = guarded(np.zeros(Shared.COUNT, np.int64), side), guarded(np.zeros(space.shared, np.uint8), side)
    shared[Shared.SPACE], shared[Shared.AWAIT] = common.ctypes.data, helpers.await_address()
    own, dw = guarded(np.full(space.own, 255, np.uint8), side), guarded(np.full(kernel.shape, np.nan, dtype), side)
    first, second = guarded(first, side), guarded(second, side)
    handed = (first.ctypes.data, second.ctypes.data, 0, dw.ctypes.data, 0)
    gradient._code.run(*handed, *(array.ctypes.data for array in (integers, shared, own)), 0)
    np.testing.assert_allclose(dw, expected, rtol=0, atol=1e-5 * abs(expected).max() if algorithm == "winograd" else 0)


@needs_mprotect
@pytest.mark.parametrize("target", runnable_targets())
def test_nothing_outside_of_the_arrays_is_touched(target: str) -> None:
    command = [sys.executable, "-X", "faulthandler", __file__, target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    last_words = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"ended with {done.returncode} in {last_words}\n{done.stderr[-3000:]}"
    assert last_words == ["all done"]


def main(target: str) -> None:
    here = runnable_targets()
    for number, grad in enumerate((*WINOGRAD, *GRADS)):
        if number % (2 if target == here[0] else 4) and grad not in WINOGRAD:
            continue
        for data_format in FORMATS if target == here[0] else (FORMATS[(number + here.index(target)) % 2],):
            for side in ("start", "end"):
                print(grad.name, data_format, side, flush=True)
                run_between_guards(grad, data_format, target, side)
    print("all done")


if __name__ == "__main__":
    main(sys.argv[1])
