"""A CNN trained on handwritten digits, once with PyTorch's layers and once with tweakconv's: same curve, two times.

    pip install "tweakconv[examples]"
    python examples/digits_torch.py -o digits_torch.png

Both models start from the same weights and see the same batches in the same order; the only line that differs between
them is the one that says where `Conv2d` comes from. Epochs of the two take turns, so that both meet the same machine.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import tweakconv.torch
from digits_data import Digits, Training, example


def cnn(layers: Any) -> nn.Module:
    """The model, with the convolutions of a module."""
    torch.manual_seed(0)
    model = nn.Sequential(
        layers.Conv2d(1, 32, 3, padding="same"),
        nn.ReLU(),
        layers.Conv2d(32, 64, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        layers.Conv2d(64, 128, 3, padding="same"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    return model.to(memory_format=torch.channels_last)


def train(data: Digits, epochs: int, batch_size: int = 64) -> list[Training]:
    """Train both models, epoch by epoch in turns."""
    models = {"torch.nn": cnn(nn), "tweakconv.torch": cnn(tweakconv.torch)}
    optimizers = {name: torch.optim.Adam(model.parameters(), 1e-3) for name, model in models.items()}
    losses: dict[str, list[float]] = {name: [] for name in models}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    x, y = pictures(data.train_x), torch.from_numpy(data.train_y)
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(y)))
        for name, model in models.items():
            start = time.perf_counter()
            losses[name].append(
                one_epoch(model, optimizers[name], x[order].split(batch_size), y[order].split(batch_size))
            )
            seconds[name].append(time.perf_counter() - start)
    return [Training(name, losses[name], seconds[name], accuracy(model, data)) for name, model in models.items()]


def one_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, pictures: tuple[Tensor, ...], labels: tuple[Tensor, ...]
) -> float:
    """A step for each batch; the mean loss."""
    model.train()
    total, count = 0.0, 0
    for x, y in zip(pictures, labels, strict=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(y), count + len(y)
    return total / count


def accuracy(model: nn.Module, data: Digits) -> float:
    """The part of the test pictures that are told right."""
    model.eval()
    with torch.inference_mode():
        told = model(pictures(data.test_x)).argmax(1)
    return float((told == torch.from_numpy(data.test_y)).float().mean())


def pictures(x: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
    """Arrays (count, 8, 8) as images of one channel."""
    return torch.from_numpy(x)[:, None]


if __name__ == "__main__":
    example(__doc__ or "", "digits_torch.png", f"digits, PyTorch {torch.__version__.partition('+')[0]}", train)
