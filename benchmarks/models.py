"""Whole models and training steps through tweakconv's adapters, against PyTorch, torch.compile and Keras.

Run it as ``python benchmarks/models.py [name ...] [--threads N] [--rounds N] [--keras BACKEND] [--no-compile]
[--write FILE] [--layers]``. The contenders of a line run in one process, in turns, on as many CPUs as there are
threads; a ratio is the median of those of the single rounds. PyTorch's time is that of its faster memory format. Keras
has one backend for all the life of a process, so each has a process of its own, in which PyTorch and tweakconv run as
well. ``--write docs/models.md`` makes the table (``make models``). ``--layers`` shows instead, layer by layer, where a
model's time goes in PyTorch and here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

import tweakconv
from model_contenders import contenders
from model_layers import print_layers
from model_table import Timed, line, page
from tweakconv.bench.machine import best_cpus, cpu_name, pin
from tweakconv.bench.networks import NETWORKS, Network
from tweakconv.bench.timing import interleave

BACKENDS = [name for name in ("torch", "jax") if find_spec("keras") and find_spec(name)]
ONCE = 1e-9
"""Seconds for a turn that is to be as short as it gets: a model's calls are long."""


def main() -> None:
    """Measure and print, and write the table where that is asked for."""
    options = _options()
    chosen = [network for network in NETWORKS if _is_named(network, options.names)]
    if not chosen:
        sys.exit(f"no model is named so; there are {', '.join(network.name for network in NETWORKS)}")
    if options.write is not None and options.write.exists() and not options.force:
        sys.exit(f"{options.write} exists; --force replaces it")
    pin(best_cpus()[: options.threads])
    torch.set_num_threads(options.threads)
    tweakconv.set_num_threads(options.threads)
    if options.child:
        for network in chosen:
            runs = contenders(network, options.child, compiled=options.compile)
            turns = interleave(runs, options.rounds, ONCE, settling=True)
            print(json.dumps([network.name, {name: mine.seconds for name, mine in turns.items()}]), flush=True)
        return
    setting = _setting(options)
    print(setting)
    if options.layers:
        for network in chosen:
            print_layers(network, options.rounds)
        return
    found: list[Timed] = []
    for network in chosen:
        for timed in _in_processes(network, options):
            found.append(timed)
            print(line(timed), flush=True)
    if options.write is not None:
        options.write.write_text(page(found, setting), encoding="utf-8")
        print(f"the table is in {options.write}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of the models; all where none is named")
    parser.add_argument("--threads", type=_positive, default=min(torch.get_num_threads(), len(best_cpus())))
    parser.add_argument("--rounds", type=_positive, default=15)
    parser.add_argument("--keras", choices=[*BACKENDS, "none"], action="append", help="Keras' backends; all installed")
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="leave out torch.compile (needs C++)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page in Markdown")
    parser.add_argument("--force", action="store_true", help="replace the file")
    parser.add_argument("--layers", action="store_true", help="each convolution of the models by itself")
    parser.add_argument("--child", choices=[*BACKENDS, "none"], help=argparse.SUPPRESS)
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"received {text!r}; a whole number of at least 1 is needed")
    return int(text)


def _is_named(network: Network, names: list[str]) -> bool:
    return not names or any(name.lower() in network.name.lower() for name in names)


def _in_processes(network: Network, options: argparse.Namespace) -> Iterator[Timed]:
    """One model's times, from a process for each of Keras' backends; torch.compile's from the first alone."""
    compiles = options.compile and any(map(shutil.which, ("c++", "g++", "clang++")))
    for number, backend in enumerate(options.keras or BACKENDS or ["none"]):
        command = [sys.executable, __file__, network.name, "--child", backend, "--rounds", str(options.rounds)]
        command += ["--threads", str(options.threads), *([] if compiles and not number else ["--no-compile"])]
        environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        for text in done.stdout.splitlines():
            name, seconds = json.loads(text)
            if name == network.name:
                yield Timed(network, backend, seconds)


def _setting(options: argparse.Namespace) -> str:
    parts = [f"{cpu_name()}, {options.threads} thread{'s' * (options.threads > 1)}"]
    for package in ("torch", "keras", "jax"):
        parts += [f"{package} {version(package)}"] if find_spec(package) else []
    return ", ".join([*parts, f"tweakconv {tweakconv.__version__}"])


if __name__ == "__main__":
    main()
