"""Compiled code touches only the arrays it was given, wherever they lie and however they are laid out.

Arrays stand against pages that may not be touched, once at their end and once at their start. A stray access kills
the process, so that a child does the work: this file, run as a program. It says what it is about to do, and its
last words name the convolution that went astray.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

if __name__ == "__main__":  # so that the program, too, finds what lies beside it
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.cases import CASES, DTYPES, FORMATS, Case, by_definition, dtype_of
from tests.packed import packed

from tweakconv import compile_conv2d, conv2d, filter2d
from tweakconv.compiler import helpers
from tweakconv.compiler.build import build
from tweakconv.compiler.call import FINITE, Border, Call, Shared
from tweakconv.compiler.choose import choose, ways
from tweakconv.compiler.schedules import SCHEDULES
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import get_target, runnable_targets
from tweakconv.geometry import PADDING_MODES, ConvGeometry
from tweakconv.geometry.padding import border

needs_mprotect = pytest.mark.skipif(
    sys.platform == "win32", reason="pages are protected with mprotect, which Windows does not have"
)
PAGE = mmap.PAGESIZE
RANDOM_CASES = 12


class Guarded:
    """Memory between two pages that may not be touched."""

    def __init__(self, nbytes: int) -> None:
        self.room = -(-max(nbytes, 1) // PAGE) * PAGE
        self.memory = mmap.mmap(-1, self.room + 2 * PAGE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory)) + PAGE
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for page in (self.start - PAGE, self.start + self.room):
            if libc.mprotect(page, PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect")

    def array(self, shape: tuple[int, ...], dtype: Any, side: str) -> NDArray[Any]:
        """An array that begins at the first page's end or ends at the last page's start."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        offset = PAGE + (self.room - size if side == "end" else 0)
        return np.ndarray(shape, dtype, self.memory, offset)


def guarded(values: NDArray[Any], side: str) -> NDArray[Any]:
    """A copy of an array, against a protected page."""
    copy = Guarded(values.nbytes).array(values.shape, values.dtype, side)
    copy[...] = values
    return copy


def run_between_guards(case: Case, data_format: str, dtype: str, target: str, side: str) -> None:
    """Everything that the code is handed, its working space too, stands against protected pages."""
    x, kernel, bias = case.arrays(data_format, dtype, whole=True)
    last = data_format == "channels_last"
    geometry = ConvGeometry.of(
        case.size, case.kernel, strides=case.strides, padding=case.padding, dilation_rate=case.dilation_rate
    )
    spec = case.spec(data_format, dtype)
    added = case.added(data_format, dtype)
    compiled_for = get_target(target)
    choices = [choose(spec, compiled_for)]
    if case.channels != (1, 1):  # which the front door takes for channels_first
        choices += [way for name in SCHEDULES for way in ways(name, spec, compiled_for)]
    for choice in choices:
        algorithm, built = choice.algorithm, build(choice)
        plan, schedule = built.choice.plan, built.choice.schedule
        out, channels = geometry.output_size, case.channels[1]
        y_shape = (case.batch, *out, channels) if last else (case.batch, channels, *out)
        y = guarded(np.full(y_shape, np.nan, dtype), side)
        x_strides, y_strides = (
            tuple(a.strides[axis] // a.itemsize for axis in ((0, 1, 3) if last else (0, 2, 1))) for a in (x, y)
        )
        axes = zip(case.size, geometry.pads, strict=True)
        held = tuple(border(size, *pads, case.padding_mode) for size, pads in axes)
        padding = Border(case.constant_value, dtype == "float64", held) if spec.mapped_padding else None
        addends = np.zeros(channels, dtype) if bias is None else bias
        handed = [
            guarded(x, side),
            guarded(packed(choice, kernel), side),
            guarded(schedule.pack_bias(plan, addends), side),
            y,
            guarded(np.zeros(0) if added is None else added, side),
        ]
        expected = by_definition(case, x, kernel, bias, data_format)
        exact = algorithm not in ("fft", "separable", "winograd") and case.activation in (
            None,
            "relu",
            "relu6",
            "leaky_relu",
        )
        plain = replace(case, activation=None, negative_slope=None, residual=False)
        rounding = 0 if exact else 1e-5 * abs(by_definition(plain, x, kernel, bias, data_format)).max()
        for flags, threads in ((FINITE, 1), (0, 1), (FINITE, 3)):
            call = Call(case.batch, geometry, x_strides, y_strides, threads, padding)
            space = schedule.space(plan, call)
            common = guarded(np.zeros(space.shared, np.uint8), side)
            shared = guarded(np.zeros(Shared.COUNT, np.int64), side)
            shared[Shared.SPACE], shared[Shared.AWAIT] = common.ctypes.data, helpers.await_address()
            integers = guarded(np.array(schedule.integers(plan, call), np.int64), side)
            own = guarded(np.zeros(space.own, np.uint8), side)
            y[...] = np.nan
            built.code.run(*(a.ctypes.data for a in (*handed, integers, shared, own)), flags)
            np.testing.assert_allclose(y, expected, rtol=0, atol=rounding)
        # And through the front door, where only input and output can be placed.
        arguments = {**case.arguments, "data_format": data_format, "algorithm": built.choice.algorithm}
        y[...] = np.nan
        conv = compile_conv2d(kernel, bias, input_shape=x.shape, target=target, residual=added is not None, **arguments)
        conv(handed[0], out=y, residual=None if added is None else handed[4])
        np.testing.assert_allclose(y, expected, rtol=0, atol=rounding)


def random_case(rng: random.Random) -> Case:
    """Any geometry; small, since only the edges matter here."""

    def pair(least: int, most: int) -> tuple[int, int]:
        return rng.randint(least, most), rng.randint(least, most)

    kernel, rates, pads = pair(1, 5), rng.choice((pair(1, 3), pair(1, 11))), (pair(-2, 8), pair(-3, 20))
    spans = [rate * (k - 1) + 1 - sum(lo_hi) for rate, k, lo_hi in zip(rates, kernel, pads, strict=True)]
    groups = rng.choice((1, 1, 2, 3))
    return Case(
        "random",
        (max(1, spans[0]) + rng.randint(0, 7), max(1, spans[1]) + rng.randint(0, 30)),
        (rng.choice((1, 2, 3, 5, 16, 33)) * groups, rng.choice((1, 3, 7, 8, 17, 40, 66)) * groups),
        kernel=kernel,
        strides=(rng.randint(1, 3), rng.choice((1, 1, 2, 3, 9, 18))),
        padding=pads,
        dilation_rate=rates,
        groups=groups,
        batch=rng.randint(1, 2),
        activation=rng.choice((None, "relu", "silu")),
        residual=rng.choice((False, True)),
        padding_mode=rng.choice(("zeros", *PADDING_MODES)),
    )


def child(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", __file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@needs_mprotect
def test_the_guards_kill_who_touches_them() -> None:
    for side in ("start", "end"):
        done = child("touch", side)
        assert done.returncode in (-signal.SIGSEGV, -signal.SIGBUS), done
        assert done.stdout.splitlines() == ["inside", "outside"]


@needs_mprotect
@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("work", ["table", "random"])
def test_nothing_outside_of_the_arrays_is_touched(work: str, target: str) -> None:
    seed = random.randrange(10**9) if os.environ.get("HYPOTHESIS_PROFILE") != "ci" else 0
    done = child(work, target, str(seed))
    last_words = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"seed {seed}: ended with {done.returncode} in {last_words}\n{done.stderr[-3000:]}"
    assert last_words == ["all done"]


# -- Layouts of the input ------------------------------------------------------------------------------------------


def _unaligned(x: NDArray[Any]) -> NDArray[Any]:
    memory = np.empty(x.nbytes + 1, np.uint8)
    moved = np.ndarray(x.shape, x.dtype, memory, 1)
    moved[...] = x
    assert not moved.flags.aligned
    return moved


def _read_only(x: NDArray[Any]) -> NDArray[Any]:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


def _field_of_records(x: NDArray[Any]) -> NDArray[Any]:
    records = np.zeros(x.shape, np.dtype([("byte", "u1"), ("value", x.dtype)]))
    records["value"] = x
    return records["value"]


def _memory_map(x: NDArray[Any]) -> NDArray[Any]:
    with tempfile.TemporaryFile() as file:
        file.write(x.tobytes())
        file.flush()
        return np.memmap(file, x.dtype, "r", shape=x.shape)


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": _unaligned,
    "read-only": _read_only,
    "reversed rows": lambda x: x[:, ::-1].copy()[:, ::-1],
    "reversed columns": lambda x: x[:, :, ::-1].copy()[:, :, ::-1],
    "reversed last axis": lambda x: x[..., ::-1].copy()[..., ::-1],
    "reversed batch": lambda x: x[::-1].copy()[::-1],
    "reversed everything": lambda x: x[::-1, ::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1, ::-1],
    "every other row": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "every other column": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "every other of the last axis": lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    "part of a larger array": lambda x: np.pad(x, 2, constant_values=np.nan)[2:-2, 2:-2, 2:-2, 2:-2],
    "rows of a larger array": lambda x: np.pad(x, ((0, 0), (2, 1), (0, 0), (0, 0)), constant_values=np.nan)[:, 2:-1],
    "axes transposed": lambda x: x.transpose(3, 1, 0, 2).copy().transpose(2, 1, 3, 0),
    "steps of no whole element": _field_of_records,
    "a memory map": _memory_map,
    "nested lists": lambda x: x.astype(np.float64).tolist(),
}


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_input_of_any_layout_gives_the_same_bits(channels: int, layout: str, data_format: str) -> None:
    dtype = np.float64 if layout == "nested lists" else np.float32
    case = Case("layouts", (7, 9), (channels, 4), kernel=(3, 2), padding="same", batch=2)
    x, kernel, bias = case.arrays(data_format, dtype)
    view: Any = LAYOUTS[layout](x)
    np.testing.assert_array_equal(np.asarray(view), x)
    arguments = {**case.arguments, "data_format": data_format}
    prepared = compile_conv2d(kernel, bias, input_shape=x.shape, **arguments)
    expected = prepared(x)
    np.testing.assert_allclose(expected, by_definition(case, x, kernel, bias, data_format), rtol=1e-4, atol=1e-5)
    for _ in range(2):  # the second call meets what the first remembered
        np.testing.assert_array_equal(prepared(view), expected)
    np.testing.assert_array_equal(conv2d(view, kernel, bias, **arguments), expected)
    np.testing.assert_array_equal(prepared(x), expected)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1), (1, 2), (2, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("data_format", FORMATS)
def test_input_repeated_by_zero_strides_gives_the_same_bits(data_format: str, axes: tuple[int, ...]) -> None:
    case = Case("broadcast", (6, 8), (3, 4), padding="same", batch=2)
    x, kernel, bias = case.arrays(data_format, np.float32)
    start = x[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(4))]
    view = np.broadcast_to(start, x.shape)
    arguments = {**case.arguments, "data_format": data_format}
    np.testing.assert_array_equal(
        conv2d(view, kernel, bias, **arguments), conv2d(view.copy(), kernel, bias, **arguments)
    )


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("nested lists", "a memory map")])
def test_kernel_and_bias_of_any_layout_give_the_same_bits(layout: str) -> None:
    case = Case("layouts", (7, 9), (3, 4), kernel=(3, 2), padding="same")
    x, kernel, bias = case.arrays("channels_last", np.float32)
    assert bias is not None
    reversed_bias = bias[::-1].copy()[::-1]
    expected = conv2d(x, kernel, bias, padding="same")
    np.testing.assert_array_equal(conv2d(x, LAYOUTS[layout](kernel), reversed_bias, padding="same"), expected)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "batch" not in name and name != "axes transposed"])
def test_images_of_any_layout_are_filtered_to_the_same_bits(layout: str) -> None:
    dtype = np.float64 if layout == "nested lists" else np.float32
    rng = np.random.default_rng(5)
    image, kernel = rng.standard_normal((8, 9, 3)).astype(dtype), rng.standard_normal((3, 2))
    view: Any = LAYOUTS[layout](image[None])
    view = view[0]
    for strides in (1, 2):
        np.testing.assert_array_equal(filter2d(view, kernel, strides), filter2d(image, kernel, strides))


# -- Offsets beyond 32 bits ----------------------------------------------------------------------------------------

sparse_memory = pytest.mark.skipif(
    not sys.platform.startswith("linux") or sys.maxsize < 2**32, reason="needs memory that is reserved but not there"
)


def sparse(elements: int) -> NDArray[np.float32]:
    """So many zeros, of which only those pages take memory that something is written to."""
    no_reserve = getattr(mmap, "MAP_NORESERVE", 0x4000)  # named since Python 3.13
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve
    return np.frombuffer(mmap.mmap(-1, 4 * elements, flags=flags), np.float32)


# Axes along which memory may be stepped freely; with channels_last, channels always lie side by side.
FAR = [
    ("channels_last", "image"),
    ("channels_last", "row"),
    *(("channels_first", a) for a in ("image", "row", "channel")),
]


@sparse_memory
@pytest.mark.parametrize(("data_format", "axis"), FAR)
def test_input_offsets_beyond_2_to_the_32_elements_are_right(data_format: str, axis: str) -> None:
    # A view with steps so long that its few elements lie up to 2**32 + 2**31 elements apart.
    case = Case("far", (4, 19), (3, 5), padding="same", batch=4)
    x, kernel, bias = case.arrays(data_format, np.float32, whole=True)
    steps = [step // 4 for step in x.strides]
    far = {"image": 0, "row": 1 if data_format == "channels_last" else 2, "channel": 1}[axis]
    steps[far] = (2**32 + 2**31) // (x.shape[far] - 1)
    memory = sparse(sum((extent - 1) * step for extent, step in zip(x.shape, steps, strict=True)) + 1)
    view = np.lib.stride_tricks.as_strided(memory, x.shape, [4 * step for step in steps])
    view[...] = x
    y = conv2d(view, kernel, bias, data_format=data_format, **case.arguments)
    np.testing.assert_array_equal(y, by_definition(case, x, kernel, bias, data_format))


@sparse_memory
@pytest.mark.parametrize("data_format", FORMATS)
def test_a_whole_image_of_more_than_2_to_the_32_elements_is_right(data_format: str) -> None:
    size, stride = (66_000, 66_000), 16_000  # 4.36e9 elements, 17 GB of addresses, 5 x 5 outputs
    memory = sparse(size[0] * size[1])
    image = memory.reshape(1, *size, 1) if data_format == "channels_last" else memory.reshape(1, 1, *size)
    kernel = np.arange(1, 10, dtype=np.float32).reshape(3, 3, 1, 1)
    plane, expected = image.reshape(size), np.zeros((5, 5))
    for i in range(5):
        for j in range(5):
            plane[i * stride + 2, j * stride + 1] = 10 * i + j + 1  # under tap (2, 1) of output (i, j)
            expected[i, j] = 8 * (10 * i + j + 1)
    y = conv2d(image, kernel, strides=stride, data_format=data_format)
    np.testing.assert_array_equal(y.reshape(5, 5), expected)


@pytest.mark.parametrize("data_format", FORMATS)
def test_an_input_of_more_than_2_to_the_32_elements_without_memory_is_right(data_format: str) -> None:
    row = np.random.default_rng(1).standard_normal(70_000).astype(np.float32)
    shape = (1, 70_000, 70_000, 1) if data_format == "channels_last" else (1, 1, 70_000, 70_000)
    steps = (0, 0, 4, 0) if data_format == "channels_last" else (0, 0, 0, 4)
    view = np.lib.stride_tricks.as_strided(row, shape, steps, writeable=False)
    kernel = np.random.default_rng(2).standard_normal((2, 3, 1, 1)).astype(np.float32)
    arguments = {"padding": ((1, 0), (1, 1)), "data_format": data_format, "algorithm": "direct"}
    y = conv2d(view, kernel, strides=(7_000, 10_000), **arguments)
    few = conv2d(
        view[:, :2] if data_format == "channels_last" else view[:, :, :2], kernel, strides=(1, 10_000), **arguments
    )
    y, few = y.reshape(10, 7), few.reshape(2, 7)
    np.testing.assert_array_equal(y[0], few[0])
    np.testing.assert_array_equal(y[1:], np.broadcast_to(few[1], (9, 7)))


@sparse_memory
@pytest.mark.parametrize(("data_format", "axis"), FAR)
def test_output_offsets_beyond_2_to_the_32_elements_are_right(data_format: str, axis: str) -> None:
    # `out` has to be in one piece, so that the compiled code itself is asked to write to places far apart.
    channels_last = data_format == "channels_last"
    case = Case("far", (4, 19), (3, 5), padding="same", batch=4)
    x, kernel, bias = case.arrays(data_format, np.float32, whole=True)
    expected = by_definition(case, x, kernel, bias, data_format)
    spec = ConvSpec((3, 3), (1, 1), (1, 1), 3, 5, 1, channels_last, double=False)
    built = build(choose(spec, get_target()))
    plan, schedule = built.choice.plan, built.choice.schedule
    axes = (0, 1, 3) if channels_last else (0, 2, 1)
    steps = [step // 8 for step in np.empty(expected.shape).strides]
    far = axes[("image", "row", "channel").index(axis)]
    steps[far] = (2**32 + 2**31) // (expected.shape[far] - 1)
    memory = sparse(sum((extent - 1) * step for extent, step in zip(expected.shape, steps, strict=True)) + 64)
    y = np.lib.stride_tricks.as_strided(memory, expected.shape, [4 * step for step in steps])
    x_strides = tuple(x.strides[a] // 4 for a in axes)
    geometry = ConvGeometry.of(case.size, case.kernel, padding="same")
    call = Call(case.batch, geometry, x_strides, tuple(steps[a] for a in axes), threads=1)
    handed = [
        x,
        packed(built.choice, kernel),
        schedule.pack_bias(plan, bias),
        y,
        y,  # in the place of a residual, which there is not
        np.array(schedule.integers(plan, call), np.int64),
        np.zeros(Shared.COUNT, np.int64),
        np.zeros(schedule.space(plan, call).own, np.uint8),
    ]
    built.code.run(*(a.ctypes.data for a in handed), FINITE)
    np.testing.assert_array_equal(y, expected)


def main(work: str, *arguments: str) -> None:
    """What a child does: touch a guard, or run the convolutions of the table, or random ones."""
    if work == "touch":
        side = arguments[0]
        array = guarded(np.arange(5.0), side)
        inside = array.ctypes.data + (32 if side == "end" else 0)
        for place, address in (("inside", inside), ("outside", inside + (8 if side == "end" else -8))):
            print(place, flush=True)
            _ = ctypes.c_double.from_address(address).value
        return
    target, seed = arguments
    rng = random.Random(int(seed))
    cases = CASES if work == "table" else [random_case(rng) for _ in range(RANDOM_CASES)]
    for turn, case in enumerate(cases):
        data_format = FORMATS[(turn + runnable_targets().index(target)) % 2]
        dtype = dtype_of(case, data_format, target) if work == "table" else rng.choice(DTYPES)
        for side in ("start", "end"):
            print(f"{case} {data_format} {dtype} {target}, arrays at the {side} of their pages", flush=True)
            run_between_guards(case, data_format, dtype, target, side)
    print("all done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
