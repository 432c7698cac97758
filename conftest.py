"""Which modules' examples are run: those for Keras and JAX only where a backend has been chosen.

A process has one backend for all its life, so `tests/test_frameworks.py` runs them in processes of their own.
"""

import os

BACKENDS = ("jax", "numpy", "tensorflow", "torch")

_backend = os.environ.get("TWEAKCONV_TEST_BACKEND")
collect_ignore_glob = [
    *(["src/tweakconv/keras/*", "src/tweakconv/bench/in_keras.py"] if _backend is None else []),
    *([] if _backend == "jax" else ["src/tweakconv/jax/*"]),
    *(f"src/tweakconv/keras/on_{name}.py" for name in BACKENDS if name != _backend),
]
