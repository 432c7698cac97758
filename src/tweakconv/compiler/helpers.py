"""Threads that help the calling one with a convolution.

Waking a thread takes longer than a small convolution. So a helper that has ended its part first looks for more in
native code, where it needs no interpreter, and only after a moment without any sleeps until Python wakes it. A call
posts its work to helpers that are free and starts at once; a helper that comes late, or never, costs nothing, since
those who are there take its share (`schedules.tasks`). When the calling thread has found no more tasks it takes back
what nobody has begun, and waits for those that have. All this happens within one native call, so that no signal, and
no fork in one, can come between.

Each helper has a *slot* in memory. Measured (2 cores): of a convolution that takes 1.2 ms with two threads, 0.2 ms
went into waking and waiting while helpers slept in Python's queues between calls.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import queue
import sys
import threading
from typing import Any, NamedTuple

import numpy as np

from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.target import get_target, runnable_targets

MOST_HELPERS = 255

_TURNS = 4096
"""Looks for more work before a helper sleeps: 20 to 200 µs, as processors pause for different times."""

_PATIENCE = 500
"""Turns of about a microsecond that a thread waits for another before it sleeps, 50 µs at a time."""

_SLOT_INTEGERS = 8

_FREE, _ASLEEP, _CLAIMED, _POSTED, _RUNNING, _STOPPED = range(6)
"""States of a slot.

The helper looks at it; sleeps, or is on its way; a caller writes to it; its job waits for the helper; the helper is at
it; the process ends.
"""


class Job:
    """Where in the integers of a job what stands: what `call` says ``run`` is handed, and ``run`` itself.

    The windows of a job's threads lie ``STEP`` bytes apart.
    """

    RUN, X, W, BIAS, Y, RESIDUAL, INTEGERS, SHARED, WINDOWS, STEP, FLAGS = range(11)
    COUNT = 11


_CODE = """
target triple = "{triple}"
{declarations}

; One turn of waiting: about a microsecond; lets others have the processor; after many turns sleeps instead.
define internal void @rest(i64 %turn) {{
entry:
  br label %one
one:
  %p = phi i64 [ 0, %entry ], [ %p.next, %one ]
  {pause}
  %p.next = add i64 %p, 1
  %enough = icmp uge i64 %p.next, 16
  br i1 %enough, label %let, label %one
let:
  %late = icmp uge i64 %turn, {_PATIENCE}
  br i1 %late, label %sleep, label %yield
yield:
  {yield_processor}
  ret void
sleep:
  {sleep}
  ret void
}}

; Wait until a shared counter has reached a number, and see all that was written before.
define void @await(ptr %counter, i64 %wanted) {{
entry:
  br label %look
look:
  %turn = phi i64 [ 0, %entry ], [ %next, %wait ]
  %number = load atomic i64, ptr %counter acquire, align 8
  %there = icmp sge i64 %number, %wanted
  br i1 %there, label %done, label %wait
wait:
  call void @rest(i64 %turn)
  %next = add i64 %turn, 1
  br label %look
done:
  ret void
}}

define internal void @part(ptr %job, i64 %rank) {{
  %run.at = getelementptr i64, ptr %job, i64 {Job.RUN}
  %run = load ptr, ptr %run.at
  %x.at = getelementptr i64, ptr %job, i64 {Job.X}
  %x = load ptr, ptr %x.at
  %w.at = getelementptr i64, ptr %job, i64 {Job.W}
  %w = load ptr, ptr %w.at
  %bias.at = getelementptr i64, ptr %job, i64 {Job.BIAS}
  %bias = load ptr, ptr %bias.at
  %y.at = getelementptr i64, ptr %job, i64 {Job.Y}
  %y = load ptr, ptr %y.at
  %residual.at = getelementptr i64, ptr %job, i64 {Job.RESIDUAL}
  %residual = load ptr, ptr %residual.at
  %integers.at = getelementptr i64, ptr %job, i64 {Job.INTEGERS}
  %integers = load ptr, ptr %integers.at
  %shared.at = getelementptr i64, ptr %job, i64 {Job.SHARED}
  %shared = load ptr, ptr %shared.at
  %windows.at = getelementptr i64, ptr %job, i64 {Job.WINDOWS}
  %windows = load ptr, ptr %windows.at
  %step.at = getelementptr i64, ptr %job, i64 {Job.STEP}
  %step = load i64, ptr %step.at
  %flags.at = getelementptr i64, ptr %job, i64 {Job.FLAGS}
  %flags = load i64, ptr %flags.at
  %behind = mul i64 %rank, %step
  %window = getelementptr i8, ptr %windows, i64 %behind
  call void %run(ptr %x, ptr %w, ptr %bias, ptr %y, ptr %residual, ptr %integers, ptr %shared, ptr %window,
                 i64 %flags)
  ret void
}}

; A helper: do what is posted to its slot, until for so many turns nothing has been.
define void @serve(ptr %slot, i64 %turns) {{
entry:
  %job.at = getelementptr i64, ptr %slot, i64 1
  %rank.at = getelementptr i64, ptr %slot, i64 2
  br label %look
look:
  %turn = phi i64 [ 0, %entry ], [ 0, %served ], [ %next, %again ]
  %state = load atomic i64, ptr %slot acquire, align 8
  switch i64 %state, label %wait [ i64 {_POSTED}, label %take
                                   i64 {_ASLEEP}, label %rise
                                   i64 {_STOPPED}, label %leave ]
rise:
  %risen = cmpxchg ptr %slot, i64 {_ASLEEP}, i64 {_FREE} monotonic monotonic
  br label %wait
take:
  %taken = cmpxchg ptr %slot, i64 {_POSTED}, i64 {_RUNNING} acquire monotonic
  %ours = extractvalue {{ i64, i1 }} %taken, 1
  br i1 %ours, label %served, label %wait
served:
  %job = load ptr, ptr %job.at
  %rank = load i64, ptr %rank.at
  call void @part(ptr %job, i64 %rank)
  store atomic i64 0, ptr %job.at release, align 8
  store atomic i64 {_FREE}, ptr %slot release, align 8
  br label %look
wait:
  %next = add i64 %turn, 1
  %late = icmp ugt i64 %next, %turns
  br i1 %late, label %sleep, label %idle
idle:
  {pause}
  %some = and i64 %next, 63
  %yields = icmp eq i64 %some, 0
  br i1 %yields, label %yield, label %again
yield:
  call void @rest(i64 0)
  br label %again
again:
  br label %look
sleep:
  %slept = cmpxchg ptr %slot, i64 {_FREE}, i64 {_ASLEEP} monotonic monotonic
  %sleeps = extractvalue {{ i64, i1 }} %slept, 1
  br i1 %sleeps, label %leave, label %again
leave:
  ret void
}}

; A caller: post a job to free helpers, do a part of it, take back what none has begun, wait for those that have.
define void @lead(ptr %job, ptr %slots, i64 %count, i64 %wanted) {{
entry:
  %number = ptrtoint ptr %job to i64
  br label %post
post:
  %i = phi i64 [ 0, %entry ], [ %i.next, %post.next ]
  %posted = phi i64 [ 0, %entry ], [ %posted.next, %post.next ]
  %in = icmp ult i64 %i, %count
  %few = icmp ult i64 %posted, %wanted
  %go = and i1 %in, %few
  br i1 %go, label %try, label %begin
try:
  %offset = mul i64 %i, {_SLOT_INTEGERS}
  %slot = getelementptr i64, ptr %slots, i64 %offset
  %state = load atomic i64, ptr %slot monotonic, align 8
  %free = icmp ule i64 %state, {_ASLEEP}
  br i1 %free, label %claim, label %post.next
claim:
  %claimed = cmpxchg ptr %slot, i64 %state, i64 {_CLAIMED} acquire monotonic
  %ours = extractvalue {{ i64, i1 }} %claimed, 1
  br i1 %ours, label %write, label %post.next
write:
  %one.more = add i64 %posted, 1
  %rank.at = getelementptr i64, ptr %slot, i64 2
  store i64 %one.more, ptr %rank.at
  %was.at = getelementptr i64, ptr %slot, i64 3
  store i64 %state, ptr %was.at
  %job.at = getelementptr i64, ptr %slot, i64 1
  store atomic i64 %number, ptr %job.at monotonic, align 8
  store atomic i64 {_POSTED}, ptr %slot release, align 8
  br label %post.next
post.next:
  %posted.next = phi i64 [ %posted, %try ], [ %posted, %claim ], [ %one.more, %write ]
  %i.next = add i64 %i, 1
  br label %post
begin:
  call void @part(ptr %job, i64 0)
  br label %end
end:
  %k = phi i64 [ 0, %begin ], [ %k.next, %end.next ]
  %more = icmp ult i64 %k, %i
  br i1 %more, label %look, label %done
look:
  %k.offset = mul i64 %k, {_SLOT_INTEGERS}
  %k.slot = getelementptr i64, ptr %slots, i64 %k.offset
  %k.job.at = getelementptr i64, ptr %k.slot, i64 1
  br label %check
check:
  %turn = phi i64 [ 0, %look ], [ %turn.next, %wait ]
  %its = load atomic i64, ptr %k.job.at acquire, align 8
  %still = icmp eq i64 %its, %number
  br i1 %still, label %take.back, label %end.next
take.back:
  %back = cmpxchg ptr %k.slot, i64 {_POSTED}, i64 {_CLAIMED} acquire monotonic
  %unbegun = extractvalue {{ i64, i1 }} %back, 1
  br i1 %unbegun, label %restore, label %wait
restore:
  %k.was.at = getelementptr i64, ptr %k.slot, i64 3
  %was = load i64, ptr %k.was.at
  store atomic i64 0, ptr %k.job.at monotonic, align 8
  store atomic i64 %was, ptr %k.slot release, align 8
  br label %end.next
wait:
  call void @rest(i64 %turn)
  %turn.next = add i64 %turn, 1
  br label %check
end.next:
  %k.next = add i64 %k, 1
  br label %end
done:
  ret void
}}

; The end of the process: no helper is to be in this code, nor to come back.
define void @stop(ptr %slots, i64 %count) {{
entry:
  br label %one
one:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %slot, label %done
slot:
  %offset = mul i64 %i, {_SLOT_INTEGERS}
  %at = getelementptr i64, ptr %slots, i64 %offset
  br label %try
try:
  %turn = phi i64 [ 0, %slot ], [ %turn.next, %let ]
  %state = load atomic i64, ptr %at monotonic, align 8
  %free = icmp ule i64 %state, {_ASLEEP}
  br i1 %free, label %set, label %let
set:
  %stopped = cmpxchg ptr %at, i64 %state, i64 {_STOPPED} acq_rel monotonic
  %ok = extractvalue {{ i64, i1 }} %stopped, 1
  br i1 %ok, label %next, label %let
let:
  call void @rest(i64 %turn)
  %turn.next = add i64 %turn, 1
  br label %try
next:
  %i.next = add i64 %i, 1
  br label %one
done:
  ret void
}}
"""


def run(integers: ctypes.Array[ctypes.c_int64], helpers: int) -> None:
    """Do a job in the calling thread and in as many helpers, or as are free; returns when it is done.

    `integers` are those of `Job`.
    """
    _helpers.run(ctypes.addressof(integers), helpers)


def await_address() -> int:
    """Address of the function by which code waits for other threads: ``await(counter, number)``."""
    return _code().await_address


class _Code(NamedTuple):
    """The native functions, and what keeps them in memory."""

    serve: Any
    lead: Any
    stop: Any
    await_address: int
    loaded: object


def _code() -> _Code:
    """The native functions, made once: what they are called through must not outlive them."""
    global _loaded  # noqa: PLW0603
    if _loaded is None:
        with llvm_lock:
            if _loaded is None:
                _loaded = _load()
    return _loaded


def _load() -> _Code:
    from tweakconv.compiler import build  # noqa: PLC0415 - LLVM is loaded when code is first needed

    target = get_target(runnable_targets()[-1])  # any that the processor runs would do
    loaded = build.load(_text(target.triple), ("serve", "lead", "stop", "await"), target)
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    return _Code(
        serve=loaded.function("serve", pointer, integer),
        lead=loaded.function("lead", pointer, pointer, integer, integer),
        stop=loaded.function("stop", pointer, integer),
        await_address=loaded.address("await"),
        loaded=loaded,
    )


class _Helpers:
    """Helpers and their slots; helpers are started when first needed, as many as any one call has needed."""

    def __init__(self) -> None:
        self._memory = np.zeros((MOST_HELPERS + 1) * _SLOT_INTEGERS, np.int64)
        first = -self._memory.ctypes.data // 8 % _SLOT_INTEGERS
        self._slots = self._memory[first:]  # each in a cache line of its own
        self._address = self._slots.ctypes.data
        self._wake: list[queue.SimpleQueue[None]] = []
        self._lock = threading.Lock()
        self._most = MOST_HELPERS

    def run(self, job: int, helpers: int) -> None:
        count = len(self._wake)
        if count < helpers and count < self._most:
            count = self._start(helpers)
        for number in range(min(count, helpers)):
            if self._slots[number * _SLOT_INTEGERS] == _ASLEEP and (wake := self._wake[number]).empty():
                wake.put(None)
        _code().lead(job, self._address, count, helpers)

    def stop(self) -> None:
        """Have no helper run any more; later calls do without."""
        with self._lock:
            self._most = 0
            if self._wake:
                _code().stop(self._address, len(self._wake))
                self._wake = []

    def _start(self, wanted: int) -> int:
        """Start helpers until there are as many as wanted, or the system refuses; returns how many there are."""
        with self._lock:
            while len(self._wake) < min(wanted, self._most):
                number = len(self._wake)
                wake: queue.SimpleQueue[None] = queue.SimpleQueue()
                arguments = (self._address + 8 * _SLOT_INTEGERS * number, wake)
                helper = threading.Thread(target=_help, args=arguments, name=f"tweakconv-{number + 1}", daemon=True)
                try:
                    helper.start()
                except RuntimeError:  # no more threads to be had: those there are do the work
                    self._most = number
                    break
                self._wake.append(wake)
            return len(self._wake)


def _help(slot: int, wake: queue.SimpleQueue[None]) -> None:
    while True:
        _code().serve(slot, _TURNS)
        wake.get()


def _text(triple: str) -> str:
    x86, windows = triple.startswith("x86_64"), sys.platform == "win32"
    words = {
        "pause": "call void @llvm.x86.sse2.pause()" if x86 else "call void @llvm.aarch64.hint(i32 1)",
        "yield_processor": f"call i32 @{'SwitchToThread' if windows else 'sched_yield'}()",
        "sleep": "call void @Sleep(i32 1)" if windows else "call i32 @usleep(i32 50)",
    }
    declared = [
        "declare void @llvm.x86.sse2.pause()" if x86 else "declare void @llvm.aarch64.hint(i32)",
        f"declare i32 @{'SwitchToThread' if windows else 'sched_yield'}()",
        "declare void @Sleep(i32)" if windows else "declare i32 @usleep(i32)",
    ]
    return _CODE.format(triple=triple, declarations="\n".join(declared), **words, **globals())


def _start_over() -> None:
    """In a forked child only the forking thread exists."""
    global _helpers  # noqa: PLW0603
    _helpers = _Helpers()


def _stop() -> None:
    """At the end of the process: nobody is to run code that is about to go."""
    _helpers.stop()


_loaded: _Code | None = None
_helpers = _Helpers()
atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
