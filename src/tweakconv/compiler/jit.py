"""From LLVM assembly to machine code, and from machine code to a function Python can call."""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.target import Target

_names = itertools.count()


def compile_module(text: str, target: Target) -> bytes:
    """The object file of a module of LLVM assembly."""
    with llvm_lock:
        module = llvm.parse_assembly(text)
        module.verify()
        return bytes(_machine(target).emit_object(module))


def assembly(text: str, target: Target) -> str:
    """The machine code of a module as assembly text, to read."""
    with llvm_lock:
        module = llvm.parse_assembly(text)
        module.verify()
        return str(_machine(target).emit_assembly(module))


class Loaded:
    """Machine code in memory, and some of its functions; it stays as long as this object."""

    def __init__(self, code: bytes, functions: tuple[str, ...] = ("run",)) -> None:
        with llvm_lock:
            builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name in functions:
                builder.export_symbol(name)
            self._tracker = builder.link(_linker(), f"tweakconv{next(_names)}")

    def __del__(self, at_the_end: Callable[[], bool] = sys.is_finalizing) -> None:
        """At the end of the process LLVM may be gone already, and the memory is given back without it."""
        if at_the_end() and "_tracker" in vars(self):
            self._tracker.detach()

    def address(self, name: str = "run") -> int:
        """Where a function begins."""
        return int(self._tracker[name])

    def function(self, name: str, *types: Any) -> Any:
        """A function that takes arguments of some types and returns nothing, which Python can call."""
        return ctypes.CFUNCTYPE(None, *types)(self.address(name))

    @functools.cached_property
    def run(self) -> Any:
        """The function that `call` tells of."""
        return self.function("run", *[ctypes.c_void_p] * 8, ctypes.c_int64)


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
