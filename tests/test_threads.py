"""How many threads a convolution may use, and the helpers that run beside the one that calls."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.conftest import RunPython

from tweakconv import get_num_threads, set_num_threads
from tweakconv.compiler import helpers, threads


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[helpers._Helpers]:
    """Helpers of this test's own, none started."""
    fresh = helpers._Helpers()
    monkeypatch.setattr(helpers, "_helpers", fresh)
    yield fresh
    fresh.stop()


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


class Job:
    """A job for helpers whose part, told its rank, is a function of Python."""

    def __init__(self, part: Callable[[int], object]) -> None:
        pointer = ctypes.c_void_p
        prototype = ctypes.CFUNCTYPE(None, *[pointer] * 7, ctypes.c_int64, ctypes.c_int64)
        self.run = prototype(lambda *arguments: part(arguments[7] or 0) and None)
        self.integers = (ctypes.c_int64 * helpers.Job.COUNT)()
        self.integers[helpers.Job.RUN] = ctypes.cast(self.run, pointer).value or 0
        self.integers[helpers.Job.STEP] = 1  # so that the window's address is the rank

    def share(self, others: int) -> None:
        """Do it here and in as many helpers."""
        helpers.run(self.integers, others)


def test_a_job_runs_once_in_the_caller_and_once_in_each_helper(pool: helpers._Helpers) -> None:
    for number in (2, 4, 3, 2):
        for pause in (0, 0.02):  # helpers that look for work, and helpers that sleep
            time.sleep(pause)
            ran: dict[int, int] = {}
            barrier = threading.Barrier(number)  # passes only where all run at once

            def part(rank: int, ran: dict[int, int] = ran, barrier: threading.Barrier = barrier) -> None:
                barrier.wait(timeout=10)
                ran[rank] = threading.get_ident()

            within_a_minute(lambda part=part, number=number: Job(part).share(number - 1))
            assert sorted(ran) == list(range(number))
            assert len(set(ran.values())) == number


def test_the_caller_waits_for_helpers_that_have_begun(pool: helpers._Helpers) -> None:
    begun, ended = threading.Event(), []

    def part(rank: int) -> None:
        if rank:
            begun.set()
            time.sleep(0.2)
            ended.append(rank)
        else:
            begun.wait(10)

    within_a_minute(lambda: Job(part).share(1))
    assert ended == [1]


def test_what_no_helper_has_begun_is_taken_back(pool: helpers._Helpers) -> None:
    ran: list[int] = []
    for turn in range(200):  # the caller ends at once: helpers come in time or too late
        within = len(ran)
        Job(ran.append).share(3)
        assert ran[within:].count(0) == 1
        assert len(ran) - within <= 4
        time.sleep(0.0005 * (turn % 3))


def test_a_thread_that_cannot_start_is_done_without(pool: helpers._Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(helpers.threading.Thread, "start", refuse)
    ran: list[int] = []
    Job(ran.append).share(2)
    assert ran == [0]


def test_a_call_does_not_wait_for_helpers_that_are_busy_with_another(pool: helpers._Helpers) -> None:
    begin, finish = threading.Event(), threading.Event()

    def long_part(rank: int) -> None:
        if rank:
            begin.set()
            finish.wait(60)
        else:
            begin.wait(60)

    other = threading.Thread(target=lambda: Job(long_part).share(1))
    other.start()
    assert begin.wait(60)
    ran: list[int] = []
    within_a_minute(lambda: Job(ran.append).share(1))
    assert ran == [0]
    assert not finish.is_set()
    finish.set()
    other.join(60)
    assert not other.is_alive()


def test_many_callers_share_the_helpers(pool: helpers._Helpers) -> None:
    rounds, wrong = 200, []

    def call() -> None:
        for _ in range(rounds):
            ran: list[int] = []
            Job(ran.append).share(2)
            if sorted(ran) not in ([0], [0, 1], [0, 2], [0, 1, 2]):
                wrong.append(ran)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()
    assert not wrong


def test_stopped_helpers_run_no_more_and_calls_do_without(pool: helpers._Helpers) -> None:
    ran: list[int] = []
    Job(ran.append).share(2)
    for pause in (0, 0.02):
        time.sleep(pause)
        within_a_minute(pool.stop)
        ran.clear()
        within_a_minute(lambda: Job(ran.append).share(2))
        assert ran == [0]


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


def test_working_space_begins_as_zeros() -> None:
    found: list[bool] = []

    def look() -> None:
        with threads.borrowed(1 << 20) as common:
            found.append(bool(common.memory.any()))
        found.append(bool(threads.workspace(1 << 20).memory.any()))

    threads._spaces.clear()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [False, False]
