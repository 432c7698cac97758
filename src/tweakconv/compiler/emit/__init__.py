"""A small builder of LLVM IR text: integers, pointers, scalars and vectors of one element type.

Pointers know what they point to. Most point to elements; those to arrays that are stored in another type (`elements`)
are read and written through it, by the same loads, stores and copies.

Text is several times faster to make than an object per instruction, and the text is what the cache of
compiled code is keyed by. Values know their builder, so address arithmetic reads as arithmetic
(``row * stride + column``); Python integers are constants and are folded. Loops and conditions take
Python functions as their bodies and hand values on explicitly, so no optimisation pass is needed to
keep accumulators in registers: the IR says it.

`module` has the text, integers and addresses; `flow` loops and conditions; `vectors` arithmetic; `builder` elements in
memory, and is what all others build with.
"""

from tweakconv.compiler.emit.builder import Builder
from tweakconv.compiler.emit.flow import Carry
from tweakconv.compiler.emit.module import Value

__all__ = ["Builder", "Carry", "Value"]
