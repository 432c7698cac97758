"""How kernels are packed: which weights go where, as the schedules say it, and the native code that brings them there.

`parts` is what a schedule says. `moves` is code that follows it for kernels that lie in memory in any order, one for
every plan; `points` is code that writes a kernel's values at the points of Winograd's products. Both are called as
convolutions are: several threads may share the work.
"""
