"""The demonstration, ``python -m tweakconv.demo``: tweaked convolutions of a photograph, beside SciPy."""
