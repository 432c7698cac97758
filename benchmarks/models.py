"""Whole models through ``tweakconv.torch.accelerate`` against PyTorch itself.

Run it as ``python benchmarks/models.py [name ...] [--threads N] [--rounds N] [--compile] [--layers]``. All contenders
run in one process, in turns; a ratio is the median of those of the single rounds. PyTorch's time is that of its faster
memory format. ``--layers`` shows instead, layer by layer, where a model's time goes in both.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

import tweakconv
import tweakconv.torch
from tweakconv.bench.machine import cpu_name
from tweakconv.bench.networks import NETWORKS, Network
from tweakconv.bench.timing import Turns, interleave

Run = Callable[[], object]
ONCE = 1e-9
"""Seconds for a turn that is to be as short as it gets: a model's calls are long."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of the models; all where none is named")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="time torch.compile as well, which needs a C++ compiler")
    parser.add_argument("--layers", action="store_true", help="each convolution of the models by itself")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tweakconv.set_num_threads(options.threads)
    print(f"{cpu_name()}, {options.threads} threads, PyTorch {torch.__version__}, tweakconv {tweakconv.__version__}")
    for network in NETWORKS:
        if options.names and not any(name.lower() in network.name.lower() for name in options.names):
            continue
        if options.layers:
            _print_layers(network, options.rounds)
        else:
            print(_line(network, interleave(_contenders(network, compiled=options.compile), options.rounds, ONCE)))


def _line(network: Network, turns: dict[str, Turns]) -> str:
    times = {name: median(mine.seconds) for name, mine in turns.items()}
    eager = min((name for name in times if name.startswith("eager")), key=times.__getitem__)
    ratio = _ratio(turns, eager)
    shown = ", ".join(f"{name} {1e3 * seconds:.1f} ms" for name, seconds in times.items())
    more = f", {_ratio(turns, 'compiled'):.2f} times torch.compile" if "compiled" in times else ""
    reached = "yes" if ratio >= network.goal else "NO"
    return f"{network.name:20}{ratio:5.2f} times eager{more} (goal {network.goal}: {reached}); {shown}"


def _ratio(turns: dict[str, Turns], other: str) -> float:
    """How many times as long the other takes as we do."""
    return median(theirs / ours for theirs, ours in zip(turns[other].seconds, turns["tweakconv"].seconds, strict=False))


def _contenders(network: Network, *, compiled: bool) -> dict[str, Run]:
    torch.manual_seed(0)
    model, x = network.make(), torch.randn(network.input_shape)
    step = _training_step if network.training else _inference
    last, plain = torch.channels_last, torch.contiguous_format
    runs = {
        "eager": step(copy.deepcopy(model), x),
        "eager channels_last": step(copy.deepcopy(model).to(memory_format=last), x.contiguous(memory_format=last)),
        "tweakconv": step(_ours(model, network), x.contiguous(memory_format=last if network.training else plain)),
    }
    if compiled:
        warnings.simplefilter("ignore")
        runs["compiled"] = step(torch.compile(copy.deepcopy(model)), x)
    if not network.training:
        expected = runs["eager"]()
        for name, run in runs.items():
            torch.testing.assert_close(run(), expected, rtol=1e-3, atol=1e-4, msg=partial("{}: {}".format, name))
    return runs


def _ours(model: nn.Module, network: Network) -> nn.Module:
    ours = tweakconv.torch.accelerate(copy.deepcopy(model))
    return ours.to(memory_format=torch.channels_last) if network.training else ours


def _inference(model: nn.Module, x: Tensor) -> Run:
    model.eval()

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return run


def _training_step(model: nn.Module, x: Tensor) -> Run:
    """Forward, backward and a step of SGD with momentum."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    with torch.no_grad():
        target = torch.randint(0, 2, model(x)[:, 0].shape)

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return run


def _print_layers(network: Network, rounds: int) -> None:
    """Each different convolution of a model, in PyTorch's faster format and in ours, the costliest first."""
    print(network.name)
    lines = []
    for layer, shape, count in _convolutions(network):
        last = torch.channels_last
        x, theirs = torch.randn(shape), copy.deepcopy(layer)
        ours = tweakconv.torch.accelerate(copy.deepcopy(layer))
        runs = {
            "eager": _inference(theirs, x),
            "eager channels_last": _inference(
                copy.deepcopy(theirs).to(memory_format=last), x.contiguous(memory_format=last)
            ),
            "tweakconv": _inference(ours, x.contiguous(memory_format=last)),
            "tweakconv channels_first": _inference(ours, x),
        }
        times = {name: 1e3 * median(mine.seconds) for name, mine in interleave(runs, rounds).items()}
        eager = min(times["eager"], times["eager channels_last"])
        text = "".join(f"{time:9.3f}" for time in times.values())
        size = "x".join(map(str, shape[2:]))
        lines.append(
            (count * times["tweakconv"], f"{eager / times['tweakconv']:6.2f} {text}  {count} x {size:8}{layer}")
        )
    print(f"{'ratio':>6} {'eager':>9}{'..last':>9}{'ours':>9}{'..first':>9}  milliseconds")
    for _, line in sorted(lines, reverse=True):
        print(line)


def _convolutions(network: Network) -> Iterator[tuple[nn.Module, tuple[int, ...], int]]:
    """Each different convolution of a model with its input's shape and how often it comes."""
    found: dict[tuple[str, tuple[int, ...]], list[nn.Module]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.setdefault((repr(module), tuple(inputs[0].shape)), []).append(module)

    model = network.make().eval()
    for module in model.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.randn(network.input_shape))
    for (_, shape), modules in found.items():
        module = modules[0]
        module._forward_hooks.clear()
        yield module, shape, len(modules)


if __name__ == "__main__":
    main()
