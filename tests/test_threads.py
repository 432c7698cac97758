"""How many threads a convolution may use, and the helpers that run beside the one that calls."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.conftest import RunPython

from tweakconv import get_num_threads, set_num_threads
from tweakconv.compiler import threads


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> threads._Helpers:
    """Helpers of this test's own, none started."""
    fresh = threads._Helpers()
    monkeypatch.setattr(threads, "_helpers", fresh)
    return fresh


def within_a_minute(work: Callable[[], object]) -> None:
    """Run something that would wait for ever where it is wrong."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # raised in the test's own thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive(), "waits for ever"
    for error in errors:
        raise error


@pytest.mark.parametrize("number", [1, 2, 17, np.int64(3)])
def test_the_number_that_was_set_is_the_number_that_is_got(number: int) -> None:
    set_num_threads(number)
    assert get_num_threads() == number
    assert type(get_num_threads()) is int


@pytest.mark.parametrize("number", [0, -1, -(2**40)])
def test_less_than_one_thread_is_refused(number: int) -> None:
    before = get_num_threads()
    with pytest.raises(ValueError, match=rf"threads.*at least 1.*{number}"):
        set_num_threads(number)
    assert get_num_threads() == before


@pytest.mark.parametrize("number", [1.0, "2", None, True, [1], np.float32(2)])
def test_what_is_no_integer_is_refused(number: Any) -> None:
    with pytest.raises(TypeError, match=r"threads.*integer.*received"):
        set_num_threads(number)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("3", 3), (" 12 ", 12)])
def test_the_environment_says_how_many(run_python: RunPython, text: str, number: int) -> None:
    done = run_python("import tweakconv; print(tweakconv.get_num_threads())", TWEAKCONV_NUM_THREADS=text)
    assert done.stdout == f"{number}\n", done


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processors are not assigned on this system")
def test_without_a_word_from_the_environment_there_is_one_for_each_processor_allowed(run_python: RunPython) -> None:
    program = """
    import os
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    import tweakconv
    print(tweakconv.get_num_threads())
    """
    done = run_python(program, TWEAKCONV_NUM_THREADS="")
    assert done.stdout == "1\n", done


def test_a_number_that_was_set_goes_before_the_environment(run_python: RunPython) -> None:
    program = "import tweakconv; tweakconv.set_num_threads(2); print(tweakconv.get_num_threads())"
    assert run_python(program, TWEAKCONV_NUM_THREADS="5").stdout == "2\n"
    assert run_python(program, TWEAKCONV_NUM_THREADS="nonsense").stdout == "2\n"


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5", "1e3", "0x2", "²"])
def test_nonsense_in_the_environment_is_refused_in_words_when_it_matters(run_python: RunPython, text: str) -> None:
    program = """
    import numpy as np, tweakconv
    try:
        tweakconv.conv2d(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)))
    except ValueError as error:
        print(error)
    """
    done = run_python(program, TWEAKCONV_NUM_THREADS=text, PYTHONUTF8="1")
    assert done.returncode == 0, done
    assert "TWEAKCONV_NUM_THREADS" in done.stdout
    assert repr(text) in done.stdout
    assert "at least 1" in done.stdout


def test_work_runs_once_in_the_caller_and_once_in_each_helper(helpers: threads._Helpers) -> None:
    for number in (1, 2, 4, 3):
        ran: list[int] = []
        barrier = threading.Barrier(number)  # passes only where all run at once

        def work(ran: list[int] = ran, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(timeout=10)
            ran.append(threading.get_ident())

        within_a_minute(lambda work=work, number=number: threads.run(work, number))
        assert len(set(ran)) == len(ran) == number


@pytest.mark.parametrize("place", ["caller", "helper"])
def test_an_error_in_any_thread_is_raised_in_the_caller_after_all_have_ended(
    helpers: threads._Helpers, place: str
) -> None:
    caller: list[int] = []
    ended: list[int] = []
    both = threading.Barrier(2)

    def work() -> None:
        both.wait(timeout=10)
        here = "caller" if threading.get_ident() == caller[0] else "helper"
        if here == place:
            raise ZeroDivisionError(place)
        time.sleep(0.05)
        ended.append(1)

    def call() -> None:
        caller.append(threading.get_ident())
        threads.run(work, 2)

    with pytest.raises(ZeroDivisionError, match=place):
        within_a_minute(call)
    assert ended == [1]
    within_a_minute(lambda: threads.run(lambda: None, 2))  # and the helpers live on


def test_a_thread_that_cannot_start_is_an_error_or_done_without_and_not_a_wait_for_ever(
    helpers: threads._Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as no_more_threads:
        no_more_threads.setattr(threads.threading.Thread, "start", refuse)
        with contextlib.suppress(RuntimeError):
            threads.run(lambda: None, 2)
    within_a_minute(lambda: threads.run(lambda: None, 2))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
def test_an_interrupt_waits_for_the_helpers_which_still_use_the_arrays(helpers: threads._Helpers) -> None:
    ended: list[int] = []
    both = threading.Barrier(2)

    def work() -> None:
        both.wait(timeout=10)
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.6)
            ended.append(1)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            threads.run(work, 2)
        assert ended == [1], "the call ended while a helper was still at work"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_helpers_hold_on_to_nothing_while_they_wait(helpers: threads._Helpers) -> None:
    import gc  # noqa: PLC0415
    import weakref  # noqa: PLC0415

    class Work:
        def __call__(self) -> None:
            pass

    work = Work()
    gone = weakref.ref(work)
    threads.run(work, 3)
    del work
    deadline = time.monotonic() + 10
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert gone() is None


def test_working_space_is_aligned_grows_and_is_each_threads_own() -> None:
    here = threads.workspace(100)
    assert here.address % 64 == 0
    assert threads.workspace(50).address == here.address
    elsewhere: list[threads.Workspace] = []
    thread = threading.Thread(target=lambda: elsewhere.append(threads.workspace(100)))
    thread.start()
    thread.join()
    assert elsewhere[0].address % 64 == 0
    assert elsewhere[0].address != here.address
    larger = threads.workspace(1 << 20)
    assert larger.address % 64 == 0
    assert larger.address + (1 << 20) <= larger.memory.ctypes.data + larger.memory.nbytes


def test_the_process_ends_while_helpers_wait_and_may_convolve_at_its_end(run_python: RunPython) -> None:
    program = """
    import atexit
    import numpy as np, tweakconv
    tweakconv.set_num_threads(3)
    x, kernel = np.ones((1, 60, 60, 32), np.float32), np.ones((3, 3, 32, 64), np.float32)
    def convolve():
        return tweakconv.conv2d(x, kernel, algorithm="direct")
    atexit.register(lambda: print(convolve()[0, 1, 1, 1]))
    """
    for first in ("", "convolve()"):
        done = run_python(program + first)
        assert (done.returncode, done.stdout, done.stderr) == (0, "288.0\n", ""), done


def test_a_call_does_not_wait_for_helpers_that_are_busy_with_another() -> None:
    begin, finish = threading.Event(), threading.Event()

    def long_work() -> None:
        begin.set()
        finish.wait(60)

    helpers = threads._Helpers()
    other = threading.Thread(target=lambda: helpers.run(long_work, 1))
    other.start()
    assert begin.wait(60)
    while not helpers._shares.empty():  # until the one helper is at work on the other call
        time.sleep(0.001)
    done: list[int] = []
    helpers.run(lambda: done.append(1), 1)  # would wait for a minute
    assert done == [1]
    assert not finish.is_set()
    finish.set()
    other.join(60)
    assert not other.is_alive()
