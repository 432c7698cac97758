"""From LLVM assembly to machine code, and from machine code to a function Python can call."""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import threading
from typing import Any

import llvmlite.binding as llvm

from tweakconv.compiler.target import Target

_lock = threading.Lock()
_names = itertools.count()


def compile_module(text: str, target: Target) -> bytes:
    """The object file of a module of LLVM assembly."""
    with _lock:
        module = llvm.parse_assembly(text)
        module.verify()
        return bytes(_machine(target).emit_object(module))


def assembly(text: str, target: Target) -> str:
    """The machine code of a module as assembly text, to read."""
    with _lock:
        module = llvm.parse_assembly(text)
        module.verify()
        return str(_machine(target).emit_assembly(module))


class Loaded:
    """Machine code in memory, and its function ``run``; it stays as long as this object."""

    def __init__(self, code: bytes) -> None:
        with _lock:
            builder = llvm.JITLibraryBuilder().add_object_img(code).export_symbol("run")
            self._tracker = builder.link(_linker(), f"tweakconv{next(_names)}")
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 7, ctypes.c_int64)
        self.run: Any = prototype(self._tracker["run"])


@functools.cache
def _machine(target: Target) -> Any:
    if target.triple.startswith("x86_64") and llvm.get_process_triple().startswith("x86_64"):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    chosen = llvm.Target.from_triple(target.triple)
    return chosen.create_target_machine(cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small")


@functools.cache
def _linker() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler(use_jit_link=True)


def _renew_lock() -> None:
    """In a forked child the thread that held the lock may not exist."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
