"""`tweakconv.keras` and `tweakconv.jax`, each backend in a process of its own.

Keras has one backend for all the life of a process, so a pytest of its own runs what is in ``tests/keras``, with the
examples in the layers' docstrings, for each; JAX' runs what is in ``tests/jax`` as well. Nothing in there is skipped:
a run that skips a test fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import RunPython

ROOT = Path(__file__).parents[1]

NEEDED = ("jax", "numpy", "torch")
INSTALLED = (*NEEDED, *(["tensorflow"] if find_spec("tensorflow") else []))

PARTS = {
    "again": ["tests/keras/check_again.py"],
    "networks": ["tests/keras/check_networks.py", "src/tweakconv/bench/in_keras.py"],
    "definitions": ["tests/keras/check_definitions.py"],
    "layers": ["tests/keras/check_layers.py"],
    "models": [
        *("tests/keras/check_models.py", "tests/keras/check_accelerate.py", "tests/keras/check_documentation.py"),
        "src/tweakconv/keras",
    ],
    "jax": [
        *("tests/jax/check_lax.py", "tests/jax/check_transforms.py", "tests/jax/check_documentation.py"),
        "src/tweakconv/jax",
    ],
}

#: Parts that run on one backend alone.
ONLY = {"again": "torch", "networks": "torch", "definitions": "jax", "jax": "jax"}

#: What NumPy tells Keras about its way from variables to arrays.
THEIR_WARNINGS = ["ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"]

#: XLA compiles a program for nearly every test, and none of them runs long enough to be worth optimising.
QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def run_checks(backend: str, paths: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest on one backend."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TWEAKCONV_TEST_BACKEND": backend,
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": QUICKLY,
    }
    for name in [name for name in environment if name.startswith(("PYTEST_", "TWEAKCONV_CACHE"))]:
        del environment[name]
    warnings = [option for warning in THEIR_WARNINGS for option in ("-W", warning)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *warnings, *options]
    return subprocess.run(
        [*command, *paths], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize(
    ("backend", "part"),
    [(backend, part) for part in PARTS for backend in INSTALLED if ONLY.get(part, backend) == backend],
)
def test_everything_holds_on(backend: str, part: str) -> None:
    done = run_checks(backend, PARTS[part])
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    last = done.stdout.rstrip().splitlines()[-1]
    assert re.fullmatch(r"=*\s*\d+ passed(, \d+ warnings?)? in .*", last), done.stdout


@pytest.mark.parametrize(("package", "extra"), [("keras", "keras"), ("jax", "jax")])
def test_a_framework_that_is_missing_is_named_with_the_extra_that_brings_it(
    package: str, extra: str, run_python: RunPython
) -> None:
    program = f"""
    import sys
    sys.modules["{package}"] = None  # as if it were not installed
    import tweakconv
    try:
        import tweakconv.{package}
    except ModuleNotFoundError as error:
        print(error)
    """
    done = run_python(program)
    assert done.stdout.strip() == f'{package} is not installed; run: pip install "tweakconv[{extra}]"', done


def test_a_backend_that_is_not_computed_on_is_named(run_python: RunPython) -> None:
    program = """
    import keras
    keras.backend.backend = lambda: "openvino"
    try:
        import tweakconv.keras
    except ImportError as error:
        print(error)
    """
    done = run_python(program, KERAS_BACKEND="numpy")
    says = "KERAS_BACKEND: Keras runs on 'openvino'; tweakconv.keras computes on 'jax', 'numpy', 'tensorflow', 'torch'"
    assert done.stdout.strip() == says, done


def test_importing_tweakconv_imports_no_framework(run_python: RunPython) -> None:
    program = """
    import sys, tweakconv
    print([name for name in ("jax", "keras", "tensorflow", "torch") if name in sys.modules])
    """
    assert run_python(program).stdout.strip() == "[]"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_example_trains_both_models_alike_and_draws_them(backend: str, tmp_path: Path) -> None:
    picture = tmp_path / "digits.png"
    command = [sys.executable, "examples/digits_keras.py", "--epochs", "2", "--pictures", "256", "-o", str(picture)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    theirs, ours = (
        float(re.findall(rf"{name} +([\d.]+) +[\d.]+% ", done.stdout)[0])
        for name in ("keras.layers", "tweakconv.keras")
    )
    assert theirs == pytest.approx(ours, rel=1e-3)
    assert picture.read_bytes().startswith(b"\x89PNG")
