"""What compiled convolutions promise besides right numbers: non-finite values, same bits, threads, forks, bounds."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.cases import CASES, DTYPES, FORMATS, Case, by_definition, dtype_of, hand_worked_pads
from tests.conftest import RunPython

from tweakconv import compile_conv2d, conv2d, filter2d, get_num_threads, set_num_threads
from tweakconv.compiler import build as building
from tweakconv.compiler.call import Call
from tweakconv.compiler.choose import choose
from tweakconv.compiler.target import get_target, runnable_targets
from tweakconv.geometry import ConvGeometry

TARGETS = runnable_targets()
INF, NAN = np.inf, np.nan
SMALL = [
    case
    for case in CASES
    if np.prod(case.kernel_shape) < 20_000 and case.activation in (None, "relu", "relu6") and not case.residual
]


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def bits(array: Any) -> Any:
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")


def assert_same_bits(y: Any, expected: Any) -> None:
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(bits(y), bits(expected))


# -- Numbers that are not finite -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_nan_and_infinity_in_the_input_reach_exactly_the_outputs_whose_taps_touch_them(case: Case, target: str) -> None:
    data_format = FORMATS[SMALL.index(case) % 2]
    x, kernel, bias = case.arrays(data_format, dtype_of(case, data_format, target), whole=True)
    rng = np.random.default_rng(7)
    for value in (NAN, INF, -INF):
        x.reshape(-1)[rng.integers(x.size, size=1 + x.size // 200)] = value
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, data_format=data_format, target=target, **case.arguments)
    np.testing.assert_array_equal(conv(x), by_definition(case, x, kernel, bias, data_format))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_padding_is_zero_and_is_multiplied_by_nan_and_infinity_in_the_kernel(case: Case, target: str) -> None:
    data_format = FORMATS[(SMALL.index(case) + 1) % 2]
    x, kernel, bias = case.arrays(data_format, dtype_of(case, data_format, target), whole=True)
    rng = np.random.default_rng(8)
    for value in (NAN, INF, -INF):  # at least one channel of those that there are stays finite
        position = [int(rng.integers(extent)) for extent in (*kernel.shape[:3], max(1, kernel.shape[3] // 2))]
        kernel[tuple(position)] = value
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, data_format=data_format, target=target, **case.arguments)
    np.testing.assert_array_equal(conv(x), by_definition(case, x, kernel, bias, data_format))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("weight", [INF, -INF, NAN])
def test_kernel_rows_wholly_in_the_padding_are_multiplied_by_infinity(weight: float, data_format: str) -> None:
    x = np.ones((1, 2, 2, 1) if data_format == "channels_last" else (1, 1, 2, 2), np.float32)
    kernel = np.zeros((3, 1, 1, 2), np.float32)
    kernel[0, 0, 0, 0] = weight  # tap 0 of output rows 0 to 2 lies above the image, where there are zeros
    kernel[1, 0, 0, 1] = 1
    y = conv2d(x, kernel, padding=((3, 0), (0, 0)), data_format=data_format)
    rows = y[0, :, 0] if data_format == "channels_last" else y[0, :, :, 0].T
    np.testing.assert_array_equal(rows, [[NAN, 0], [NAN, 0], [NAN, 1]])


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("value", [INF, -INF, NAN])
def test_bias_that_is_not_finite_reaches_its_channel_only(value: float, data_format: str) -> None:
    case = Case("bias", (4, 5), (2, 5), padding="same")
    x, kernel, bias = case.arrays(data_format, np.float32, whole=True)
    assert bias is not None
    bias[3] = value
    y = conv2d(x, kernel, bias, padding="same", data_format=data_format)
    np.testing.assert_array_equal(y, by_definition(case, x, kernel, bias, data_format))


def test_weights_too_large_for_float32_become_infinite_and_are_multiplied_by_padding() -> None:
    kernel = np.array([1e300, 1.0]).reshape(2, 1, 1, 1)
    with np.errstate(over="ignore"):
        y = conv2d(np.ones((1, 2, 1, 1), np.float32), kernel, padding=((2, 0), (0, 0)))
    np.testing.assert_array_equal(y.ravel(), [NAN, NAN, INF])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_of_nan_is_nan_and_of_infinities_is_zero_and_infinity(dtype: str, data_format: str, target: str) -> None:
    values = np.array([NAN, -NAN, INF, -INF, -0.0, 0.0, -1.0, 2.0, -1e-45, 1e-45], dtype)
    values = np.concatenate([values, values[::-1]])
    x = values.reshape((1, 1, 20, 1) if data_format == "channels_last" else (1, 1, 1, 20))
    kernel = np.ones((1, 1, 1, 3), dtype)
    conv = compile_conv2d(kernel, input_shape=x.shape, activation="relu", data_format=data_format, target=target)
    y = conv(x).reshape((20, 3) if data_format == "channels_last" else (3, 20))
    y = y if data_format == "channels_last" else y.T
    np.testing.assert_array_equal(y, np.repeat(np.maximum(values, 0)[:, None], 3, axis=1))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
def test_relu_comes_after_all_chunks_of_the_sum(data_format: str, target: str) -> None:
    # The sum's first part is far below zero, its second far above; NaN and infinity in one part stay.
    x = np.ones((1, 1, 4, 1200), np.float32)
    x[..., :600] = -2
    x[..., 600:] = 3
    x[0, 0, 1, 5], x[0, 0, 2, 1190], x[0, 0, 3, 3] = NAN, INF, -INF
    kernel = np.ones((1, 1, 1200, 2), np.float32)
    if data_format == "channels_first":
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    conv = compile_conv2d(kernel, input_shape=x.shape, data_format=data_format, activation="relu", target=target)
    np.testing.assert_array_equal(np.unique(conv(x).reshape(-1)), [0, 600, INF, NAN])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
def test_negative_zero_is_what_the_definition_makes_of_it(data_format: str, target: str) -> None:
    case = Case("zeros", (3, 20), (2, 3), kernel=(2, 2), padding="same", bias=False)
    x, kernel, _ = case.arrays(data_format, np.float32)
    x[...] = -0.0
    conv = compile_conv2d(kernel, input_shape=x.shape, data_format=data_format, padding="same", target=target)
    expected = by_definition(case, x, kernel, None, data_format).astype(np.float32)
    assert_same_bits(conv(x), expected)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_denormal_numbers_are_kept(dtype: str, data_format: str, target: str) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x = (
        (np.arange(1, 41) * tiny)
        .astype(dtype)
        .reshape((1, 1, 20, 2) if data_format == "channels_last" else (1, 2, 1, 20))
    )
    conv = compile_conv2d(np.ones((1, 1, 2, 2), dtype), input_shape=x.shape, data_format=data_format, target=target)
    channel = 3 if data_format == "channels_last" else 1
    expected = np.repeat(x.sum(axis=channel, keepdims=True), 2, axis=channel)
    assert (expected > 0).all()
    assert_same_bits(conv(x), expected)


# -- The same bits -------------------------------------------------------------------------------------------------

HEAVY = [  # enough work for four threads, in one chunk and in several
    Case("one chunk", (40, 41), (24, 72), padding="same", bias=True, activation="relu"),
    Case("several chunks", (17, 19), (130, 70), kernel=(3, 3), padding="same", batch=2),
    Case("groups", (31, 33), (48, 96), groups=2, padding="same", dilation_rate=(2, 2)),
    Case("few rows", (2, 300), (64, 64), padding="same", batch=3),
    Case("stretches", (25, 27), (70, 96), padding="same", dilation_rate=(9, 11), activation="relu"),
]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", HEAVY, ids=lambda case: case.name)
def test_bits_do_not_depend_on_the_number_of_threads(case: Case, data_format: str) -> None:
    x, kernel, bias = case.arrays(data_format, np.float32)
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, data_format=data_format, **case.arguments)
    set_num_threads(1)
    alone = conv(x)
    for threads in (2, 3, 4, 7):
        set_num_threads(threads)
        out = np.full_like(alone, NAN)
        assert_same_bits(conv(x, out=out), alone)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "case",
    [
        Case("plain", (13, 50), (5, 7), kernel=(3, 2)),
        Case("several chunks", (9, 40), (70, 18), kernel=(3, 3)),
        Case("strided and dilated", (15, 61), (4, 33), kernel=(3, 3), strides=(2, 3), dilation_rate=(2, 1)),
        Case("one channel", (12, 90), (1, 1), kernel=(5, 5)),
        Case("groups", (10, 37), (6, 4), groups=2),
    ],
    ids=lambda case: case.name,
)
def test_bits_of_a_pixel_do_not_depend_on_batch_image_size_or_place(case: Case, data_format: str, target: str) -> None:
    three = Case(case.name, case.size, case.channels, case.kernel, case.strides, "valid", case.dilation_rate,
                 case.groups, batch=3)  # fmt: skip
    x, kernel, bias = three.arrays(data_format, np.float32)
    rows, columns = (1, 2) if data_format == "channels_last" else (2, 3)
    more = {"data_format": data_format, "target": target, "algorithm": "direct"}
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, **more, **three.arguments)
    whole = conv(x)
    for n in range(3):
        assert_same_bits(conv(x[n : n + 1]), whole[n : n + 1])
    rng = np.random.default_rng(4)
    (sh, sw), out_h, out_w = case.strides, whole.shape[rows], whole.shape[columns]
    spans = [rate * (k - 1) + 1 for rate, k in zip(case.dilation_rate, case.kernel, strict=True)]
    for _ in range(12):
        top, left = int(rng.integers(out_h)), int(rng.integers(out_w))
        bottom, right = int(rng.integers(top, out_h)) + 1, int(rng.integers(left, out_w)) + 1
        window, wanted = [slice(None)] * 4, [slice(None)] * 4
        window[rows] = slice(top * sh, (bottom - 1) * sh + spans[0])
        window[columns] = slice(left * sw, (right - 1) * sw + spans[1])
        wanted[rows], wanted[columns] = slice(top, bottom), slice(left, right)
        assert_same_bits(conv(x[tuple(window)]), whole[tuple(wanted)])
        assert_same_bits(conv(x[tuple(window)].copy()), whole[tuple(wanted)])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "case",
    [
        Case("padded", (7, 33), (67, 9), kernel=(4, 3), padding=((6, 2), (3, 11)), strides=(1, 2)),
        Case("dilated", (7, 33), (67, 9), kernel=(4, 3), padding=((6, 9), (13, 40)), dilation_rate=(3, 9)),
        Case("dilated in parts", (9, 20), (300, 33), padding="same", dilation_rate=(5, 7)),
    ],
    ids=lambda case: case.name,
)
def test_padding_gives_the_bits_of_an_image_with_zeros_around_it(case: Case, data_format: str, target: str) -> None:
    x, kernel, bias = case.arrays(data_format, np.float32)
    padding = hand_worked_pads(case)
    pads = [(0, 0), *padding, (0, 0)] if data_format == "channels_last" else [(0, 0), (0, 0), *padding]
    bigger = np.pad(x, pads)
    arguments = {"strides": case.strides, "dilation_rate": case.dilation_rate, "algorithm": "direct",
                 "data_format": data_format, "target": target}  # fmt: skip
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, padding=padding, **arguments)
    plain = compile_conv2d(kernel, bias, input_shape=bigger.shape, **arguments)
    assert_same_bits(conv(x), plain(bigger))


def test_the_function_and_the_prepared_convolution_give_the_same_bits_for_every_call() -> None:
    case = HEAVY[0]
    x, kernel, bias = case.arrays("channels_last", np.float32)
    for algorithm in ("direct", "winograd"):
        arguments = {**case.arguments, "algorithm": algorithm}
        conv = compile_conv2d(kernel, bias, input_shape=(1, 9, 9, 24), **arguments)  # made for another size
        first = conv(x)
        assert_same_bits(conv(x), first)
        assert_same_bits(conv2d(x, kernel, bias, **arguments), first)


# -- Threads and forks ---------------------------------------------------------------------------------------------


def together(*works: Any, rounds: int = 1) -> None:
    """Run each of some functions in a thread of its own, at once; what one raises is raised here."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Any) -> None:
        try:
            for _ in range(rounds):
                barrier.wait(timeout=60)
                work()
        except BaseException as error:  # raised in the test's own thread
            errors.append(error)
            barrier.abort()

    running = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=100)
        assert not thread.is_alive(), "a thread waits for ever"
    for error in errors:
        raise error


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("data_format", FORMATS)
def test_python_threads_may_run_one_prepared_convolution_at_once(data_format: str, threads: int) -> None:
    set_num_threads(threads)
    case = HEAVY[0]
    _, kernel, bias = case.arrays(data_format, np.float32)
    conv = compile_conv2d(
        kernel, bias, input_shape=case.x_shape(data_format), data_format=data_format, **case.arguments
    )
    rng = np.random.default_rng(9)
    works = []
    for height in (40, 40, 23, 7):  # shapes that it has met and shapes that it has not
        shape = list(case.x_shape(data_format))
        shape[1 if data_format == "channels_last" else 2] = height
        x = rng.standard_normal(shape).astype(np.float32)
        alone = compile_conv2d(kernel, bias, input_shape=x.shape, data_format=data_format, **case.arguments)(x)
        works.append(lambda x=x, alone=alone: assert_same_bits(conv(x), alone))
    together(*works, rounds=8)


def test_python_threads_may_compile_at_once() -> None:
    rng = np.random.default_rng(10)
    works = []
    for channels in (2, 2, 3, 4):
        x, kernel = rng.integers(-8, 9, (1, 5, 6, channels)), rng.integers(-8, 9, (2, 3, channels, 21))
        expected = by_definition(Case("", (5, 6), (channels, 21), kernel=(2, 3)), x, kernel, None, "channels_last")
        works.append(
            lambda x=x, kernel=kernel, expected=expected: np.testing.assert_array_equal(
                conv2d(x.astype(np.float32), kernel), expected
            )
        )
    building.forget()
    together(*works)


needs_fork = pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork on this system")

FORKING = """
    import os, signal, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # since Python 3.12 of any fork beside threads
    import numpy as np
    import tweakconv as tc

    def child(task):
        # The child's exit status; one that waits for ever is ended by its alarm.
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)
            try:
                task()
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    x = np.random.default_rng(0).standard_normal((1, 60, 60, 32)).astype(np.float32)
    kernel = np.random.default_rng(1).standard_normal((3, 3, 32, 64)).astype(np.float32)
    tc.set_num_threads(3)
    conv = tc.compile_conv2d(kernel, input_shape=x.shape)

    def convolve_and_compile(size=[1]):
        assert np.array_equal(conv(x), expected)
        assert np.array_equal(tc.conv2d(x, kernel), expected)
        size[0] += 1
        new, ones = np.ones((size[0], 1, 1, 1), np.float32), np.ones((1, 40, 3, 1), np.float32)
        assert np.array_equal(tc.conv2d(ones, new), np.full((1, 41 - size[0], 3, 1), size[0]))
"""


@needs_fork
@pytest.mark.parametrize("used", ["False", "True"])
def test_a_forked_child_convolves_whether_or_not_the_parent_has_used_threads(run_python: RunPython, used: str) -> None:
    done = run_python(
        FORKING
        + """
    if sys.argv[1] == "True":
        expected = conv(x)
    else:
        tc.set_num_threads(1); expected = conv(x); tc.set_num_threads(3)
    assert child(convolve_and_compile) == 0
    assert child(lambda: child(convolve_and_compile) == 0 or os._exit(2)) == 0  # a grandchild
    convolve_and_compile()
    print("fine")
    """,
        used,
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done


@needs_fork
def test_a_child_forked_while_another_thread_convolves_can_convolve(run_python: RunPython) -> None:
    done = run_python(
        FORKING
        + """
    expected = conv(x)
    stop = []
    def work():
        while not stop:
            conv(x)
    thread = threading.Thread(target=work); thread.start()
    statuses = [child(convolve_and_compile) for _ in range(8)]
    stop.append(1); thread.join()
    assert statuses == [0] * 8, statuses
    """
    )
    assert done.returncode == 0, done


@needs_fork
def test_a_child_forked_while_another_thread_compiles_can_compile(run_python: RunPython) -> None:
    done = run_python(
        FORKING
        + """
    expected = conv(x)
    stop = []
    def work():
        width = 1
        while not stop:
            width += 1
            tc.conv2d(np.ones((1, 3, 9, 1), np.float32), np.ones((1, 1 + width % 9, 1, width), np.float32))
    thread = threading.Thread(target=work, daemon=True); thread.start()
    statuses = []
    for turn in range(25):
        time.sleep(0.003 * turn % 0.05)
        statuses.append(child(convolve_and_compile))
        if statuses[-1]:
            break
    stop.append(1); thread.join()
    assert not any(statuses), statuses
    """,
        TWEAKCONV_CACHE_DIR="",
    )
    assert done.returncode == 0, done


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
def test_a_signal_handler_may_convolve_while_a_convolution_runs(run_python: RunPython) -> None:
    done = run_python(
        """
    import signal
    import numpy as np
    import tweakconv as tc

    tc.set_num_threads(2)
    rng = np.random.default_rng(0)
    outer = tc.compile_conv2d(rng.standard_normal((3, 3, 32, 64)).astype("f4"), input_shape=(1, 60, 60, 32))
    inner = tc.compile_conv2d(rng.standard_normal((5, 5, 48, 40)).astype("f4"), input_shape=(1, 40, 40, 48))
    x, z = rng.standard_normal((1, 60, 60, 32)).astype("f4"), rng.standard_normal((1, 40, 40, 48)).astype("f4")
    expected, within = outer(x), inner(z)
    wrong = []
    def handler(*_):
        y = inner(z, out=np.full(within.shape, np.nan, "f4"))
        if not np.array_equal(y, within):
            wrong.append("inner")
        signal.setitimer(signal.ITIMER_REAL, 0.004)  # anew each time: on a busy machine handlers must not pile up
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    for _ in range(150):
        if not np.array_equal(outer(x, out=np.full(expected.shape, np.nan, "f4")), expected):
            wrong.append("outer")
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert not wrong, wrong
    """
    )
    assert done.returncode == 0, done


# -- Changed weights, and bounds -----------------------------------------------------------------------------------


def test_a_kernel_changed_in_place_changes_the_function_and_not_what_was_prepared() -> None:
    x, kernel, bias = Case("change", (5, 6), (2, 3)).arrays("channels_last", np.float32, whole=True)
    assert bias is not None
    conv = compile_conv2d(kernel, bias, input_shape=x.shape)
    before, by_function = conv(x), conv2d(x, kernel, bias)
    kernel *= 2
    bias *= 2
    assert_same_bits(conv(x), before)
    np.testing.assert_array_equal(conv2d(x, kernel, bias), 2 * by_function)
    kernel[0, 0, 0, 0] = NAN
    assert_same_bits(conv(x), before)
    assert np.isnan(conv2d(x, kernel, bias)[..., 0]).all()


def test_a_filter_changed_in_place_changes_the_next_result() -> None:
    image, kernel = np.ones((4, 5), np.float32), np.ones((3, 3), np.float32)
    first = filter2d(image, kernel)
    kernel *= 3
    np.testing.assert_array_equal(filter2d(image, kernel), 3 * first)


def test_results_are_new_arrays_that_later_calls_leave_alone() -> None:
    case = Case("results", (5, 6), (2, 3))
    x, kernel, bias = case.arrays("channels_last", np.float32)
    conv = compile_conv2d(kernel, bias, input_shape=x.shape)
    first = conv(x)
    kept = first.copy()
    conv(-x)
    assert_same_bits(first, kept)
    assert first.flags.writeable
    assert first.flags.c_contiguous


def test_compiled_code_kept_in_memory_is_bounded_and_what_is_in_use_outlives_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(building, "MOST_IN_MEMORY", 3)
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 12, 1)
    convs = [compile_conv2d(np.ones((1, width, 1, 1), np.float32), input_shape=x.shape) for width in range(1, 7)]
    assert len(building._built) <= 3
    gc.collect()
    for width, conv in enumerate(convs, 1):
        np.testing.assert_array_equal(conv(x).ravel(), np.convolve(np.arange(12), np.ones(width), "valid"))


def test_code_that_nobody_uses_is_given_back() -> None:
    conv = compile_conv2d(np.ones((1, 2, 1, 2), np.float32), input_shape=(1, 1, 12, 1))
    code = weakref.ref(conv.built.code)
    building.forget()
    gc.collect()
    assert code() is not None
    del conv
    gc.collect()
    assert code() is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("target", TARGETS)
def test_working_space_of_a_thread_is_at_most_8_mb(case: Case, target: str) -> None:
    for data_format in FORMATS:
        spec = case.spec(data_format, "float64")
        choice = choose(spec, get_target(target))
        call = Call(case.batch, ConvGeometry.of((500, 500), (1, 1)), (0, 0, 0), (0, 0, 0), threads=1)
        assert choice.schedule.space(choice.plan, call).own <= 8_000_000


def test_input_shapes_that_a_prepared_convolution_remembers_are_bounded() -> None:
    conv = compile_conv2d(np.ones((1, 2, 1, 2), np.float32), input_shape=(1, 1, 12, 1))
    for width in range(2, 300):
        assert conv(np.ones((1, 1, width, 1), np.float32)).shape == (1, 1, width - 1, 2)
    assert len(conv._launches) <= 64
