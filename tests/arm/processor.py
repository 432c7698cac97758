"""A pytest plugin that makes this process one on AArch64, as far as tweakconv can tell: an emulator runs its code.

LLVM is made to say that it is on AArch64, and what calls compiled code hands it to `emulator`. So tests run here as
they are written: those for each target that this processor runs find one, AArch64.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
import torch
from tests.arm import emulator
from tests.arm.emulator import Array, Code, Work

from tweakconv.activations import Activation
from tweakconv.compiler import activation_grad, door, jit, target, threads
from tweakconv.compiler.call import ALONE, Space
from tweakconv.gradients import activation
from tweakconv.gradients.kernel_gradient import PreparedKernelGrad
from tweakconv.packing import Packer
from tweakconv.prepared import PreparedConv
from tweakconv.torch import pooling

EVERY = {
    "test_table_of_gradients": 8,
    "test_table_of_cases_in_float16_and_bfloat16": 4,
    "test_table_of_the_family_in_float16_and_bfloat16": 4,
    "test_table_of_the_family_in_float32_and_float64": 4,
    "test_bands_and_strips_compute_what_channels_last_does": 4,
    "test_errors_of_winograds_kernel_gradients": 2,
    "test_results_are_right_to_a_few_roundings": 2,
    "test_what_is_not_finite_reaches_exactly_the_outputs_whose_taps_touch_it": 3,
}
"""Of these tests one of so many is run: the others are much like them, and emulation takes its time."""


def pytest_configure(config: pytest.Config) -> None:
    """Say what is missing, or be on AArch64 until the end."""
    try:
        emulator.prepare()
    except emulator.ToolMissing as missing:
        raise pytest.UsageError(str(missing)) from None
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(llvm, "get_process_triple", lambda: target.TARGETS["aarch64"].triple)
    target.runnable_targets.cache_clear()
    patch.setattr(jit, "Loaded", Code)
    patch.setattr(PreparedConv, "_launch_arrays", _launch_arrays)
    patch.setattr(door, "_are_possible", lambda: False)
    patch.setattr(Packer, "pack", _pack)
    patch.setattr(PreparedKernelGrad, "_run", _run_kernel_grad)
    patch.setattr(activation, "_run", _run_activation_grad)
    patch.setattr(pooling._Way, "run", _run_pooling)
    for least in ("_PRODUCTS_PER_THREAD", "_BYTES_PER_THREAD"):
        patch.setattr(threads, least, 1)


@pytest.fixture(autouse=True)
def _numbers_of_threads_take_turns(request: pytest.FixtureRequest) -> Iterator[None]:
    """One to three threads share a call, even the smallest, unless the test says how many."""
    before = threads.get_num_threads()
    threads.set_num_threads(1 + zlib.crc32(request.node.nodeid.encode()) % 3)
    yield
    threads.set_num_threads(before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a sample of the largest tables."""

    def is_kept(item: pytest.Item) -> bool:
        every = EVERY.get(getattr(item, "originalname", ""), 1)
        return zlib.crc32(item.name.encode()) % every == 0

    config.hook.pytest_deselected(items=[item for item in items if not is_kept(item)])
    items[:] = filter(is_kept, items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that skips a test fails."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what ran the code."""
    terminalreporter.write_line(f"AArch64 code ran in qemu on {' and '.join(emulator.PROCESSORS)}, to the same bits")


def _launch_arrays(
    self: PreparedConv, launch: Any, x: Array, y: Array, residual: Array | None, weights: int, bias: int
) -> None:
    """In the place of `PreparedConv._launch_arrays`."""
    dtype = self._packer.dtype
    packed = _elements(weights, self._packer.elements, dtype), _elements(bias, self._bias.size, dtype)
    flags = self._flags | (ALONE if launch.threads == 1 else 0)
    work = Work((x, *packed, y, residual), launch.integers, launch.space, launch.threads, flags)
    emulator.run(self.built.code, work)


def _pack(self: Packer, kernel: Array, room: int) -> float:
    """In the place of `Packer.pack`."""
    if not hasattr(self._choice.schedule, "parts"):
        return self._computed(kernel, room)
    if not kernel.flags.aligned or any(stride % kernel.itemsize for stride in kernel.strides):
        kernel = kernel.copy()
    way, source = self._new_way(kernel), kernel
    if way.copy is not None:
        source = np.empty(way.copied // kernel.itemsize, kernel.dtype)
        _step(way.copy, kernel, source)
    return _step(way.last, source, _elements(room, self.elements, self.dtype))


def _step(step: Any, source: Array, target: Array) -> float:
    """One step of packing; returns the largest magnitude, whose bits the code notes in an integer."""
    used, bits = threads.get_num_threads(), np.zeros(1, np.int64)
    arrays = source, None, None, target, bits
    work = Work(arrays, step.integers, Space(0), used, ALONE if used == 1 else 0, notes=True)
    emulator.run(step.code, work, emulator.PROCESSORS[:1])  # on one: there is a packing to each of the other calls
    return float(bits.view(step.found)[0])


def _elements(start: int, count: int, dtype: np.dtype[Any]) -> Array:
    """What lies in memory from an address on."""
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(start), dtype)


def _run_kernel_grad(self: PreparedKernelGrad, x: Array, grad: Array, out: Array) -> None:
    """In the place of `PreparedKernelGrad._run`."""
    x, grad = np.ascontiguousarray(x), np.ascontiguousarray(grad)
    launch = self._new_launch(x.shape, x.strides, threads.get_num_threads())
    arrays = (x, grad, None, out, None)
    emulator.run(self._code, Work(arrays, launch.integers, launch.space, launch.threads, 0))


def _run_activation_grad(chosen: Activation, grad: Array, kept: Array, out: Array) -> None:
    """In the place of `tweakconv.gradients.activation._run`."""
    code = activation_grad.code(
        activation_grad.ActivationGradPlan(chosen, grad.dtype == np.float64, target.get_target())
    )
    used = threads.worth(threads.get_num_threads(), 0, grad.nbytes)
    integers = np.array([grad.size], np.int64)
    emulator.run(code, Work((grad, kept, None, out, None), integers, Space(0), used, 0))


def _run_pooling(self: Any, x: torch.Tensor) -> torch.Tensor:
    """In the place of `tweakconv.torch.pooling._Way.run`."""
    y = self.room.empty()
    pixels, out = (tensor.permute(0, 2, 3, 1).numpy() for tensor in (x, y))
    used = threads.worth(threads.get_num_threads(), 0, self.moved)
    emulator.run(self.code, Work((pixels, None, None, out, None), self.integers, Space(0), used, 0))
    return y
