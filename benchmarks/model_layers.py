"""Where the time of a model goes, convolution by convolution, in PyTorch and here."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from statistics import median

import torch
from torch import Tensor, nn

import tweakconv.torch
from model_contenders import inference
from tweakconv.bench.networks import Network
from tweakconv.bench.timing import interleave


def print_layers(network: Network, rounds: int) -> None:
    """Each different convolution of a model, in PyTorch's faster format and in ours, the costliest first."""
    print(network.name)
    lines = []
    for layer, shape, count in _convolutions(network):
        last = torch.channels_last
        x, theirs = torch.randn(shape), copy.deepcopy(layer)
        ours = tweakconv.torch.accelerate(copy.deepcopy(layer))
        runs = {
            "eager": inference(theirs, x),
            "eager channels_last": inference(
                copy.deepcopy(theirs).to(memory_format=last), x.contiguous(memory_format=last)
            ),
            "tweakconv": inference(ours, x.contiguous(memory_format=last)),
            "tweakconv channels_first": inference(ours, x),
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
