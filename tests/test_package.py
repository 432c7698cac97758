"""The package as a whole: what importing it costs, what it offers, and that what it offers is explained."""

from __future__ import annotations

import inspect
import re

import pytest
from tests.conftest import RunPython

import tweakconv

HEAVY = ("llvmlite", "torch", "scipy", "click", "PIL", "matplotlib", "tifffile", "imagecodecs", "hypothesis", "pytest")
#: Everything on offer: what is there at once, and what is loaded when it is asked for.
NAMES = sorted({*tweakconv.__all__, "animate", "explore", "plot_receptive_field"})


def test_importing_it_imports_numpy_and_nothing_else_that_is_heavy(run_python: RunPython) -> None:
    done = run_python("import sys, tweakconv; print(*sorted({name.split('.')[0] for name in sys.modules}))")
    loaded = set(done.stdout.split())
    assert {"numpy", "tweakconv"} <= loaded, done
    assert not loaded & set(HEAVY)


def test_the_geometry_needs_not_even_numpy(run_python: RunPython) -> None:
    program = """
    import sys, types
    from pathlib import Path
    import importlib.util
    folder = Path(importlib.util.find_spec("tweakconv").origin).parent
    package = types.ModuleType("tweakconv"); package.__path__ = [str(folder)]
    sys.modules["tweakconv"] = package  # the package without what its front door imports
    import tweakconv.geometry
    assert "numpy" not in sys.modules
    """
    done = run_python(program)
    assert done.returncode == 0, done


def test_what_is_loaded_late_is_listed_and_what_is_not_there_is_said_not_to_be() -> None:
    assert {"animate", "explore", "plot_receptive_field"} <= set(dir(tweakconv))
    assert not hasattr(tweakconv, "animated")


def test_the_public_names_are_there_and_no_others() -> None:
    assert sorted(set(tweakconv.__all__)) == sorted(tweakconv.__all__)
    for name in ("output_size", "receptive_field", "ConvGeometry", "conv2d", "filter2d", "compile_conv2d"):
        assert name in tweakconv.__all__
    assert all(hasattr(tweakconv, name) for name in tweakconv.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_explained_with_an_example(name: str) -> None:
    doc = inspect.getdoc(getattr(tweakconv, name)) or ""
    assert doc
    assert "Examples\n--------\n>>> " in doc


@pytest.mark.parametrize("name", [n for n in NAMES if inspect.isfunction(getattr(tweakconv, n))])
def test_every_argument_of_a_public_function_is_explained(name: str) -> None:
    explained = arguments_of(name)
    for argument in inspect.signature(getattr(tweakconv, name)).parameters:
        assert argument in explained, argument


def arguments_of(name: str) -> str:
    """What a docstring says of its arguments, itself or by naming functions whose arguments they are."""
    doc = inspect.getdoc(getattr(tweakconv, name)) or ""
    if "the arguments of `" in doc:
        doc += "".join(arguments_of(other) for other in re.findall(r"`(\w+)`", doc.split("\n")[0]))
    return doc.split("Returns\n")[0].split("Parameters\n")[-1]


def test_the_version_is_a_version() -> None:
    assert tweakconv.__version__.split(".")[0].isdecimal()
