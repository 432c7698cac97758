"""Modules are PyTorch's in all but the arithmetic: saved, loaded, copied, shared, trained, and mixed with others."""

from __future__ import annotations

import copy
import gc
import io
import itertools
import pickle
import threading
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import RunPython
from tests.torch.layers import LAYERS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

import tweakconv.torch as tt
from tweakconv.torch import weights

LAYER = LAYERS["padded"]


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.fixture
def x() -> Tensor:
    return LAYER.input()


def test_modules_are_pytorchs_and_share_their_constructors() -> None:
    for name in ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"):
        ours, theirs = getattr(tt, name)(4, 6, 3, 2, 1), getattr(nn, name)(4, 6, 3, 2, 1)
        assert isinstance(ours, getattr(nn, name))
        assert repr(ours) == repr(theirs)
        assert ours.__dict__.keys() == theirs.__dict__.keys()
        assert ours.padding == theirs.padding
        assert {name: t.shape for name, t in ours.state_dict().items()} == {
            name: t.shape for name, t in theirs.state_dict().items()
        }
    assert tt.Conv2d(2, 2, 3, device="meta", dtype=torch.float64).weight.dtype is torch.float64
    reflecting = {"padding": (1, 2), "padding_mode": "reflect"}
    ours, theirs = tt.Conv2d(2, 2, 3, **reflecting), nn.Conv2d(2, 2, 3, **reflecting)
    assert ours._reversed_padding_repeated_twice == list(theirs._reversed_padding_repeated_twice)


@pytest.mark.parametrize("name", LAYERS)
def test_copies_and_pickles_compute_the_same(name: str) -> None:
    _, ours = LAYERS[name].pair()
    given = LAYERS[name].input()
    file = io.BytesIO()
    with torch.no_grad():
        y = ours(given)
        torch.save(ours, file)
        file.seek(0)
        for again in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), torch.load(file, weights_only=False)):
            assert torch.equal(again(given), y)
            again.weight.add_(1)
        assert torch.equal(ours(given), y)


def test_a_loaded_state_is_used_at_once(x: Tensor) -> None:
    theirs, ours = LAYER.pair()
    with torch.no_grad():
        ours(x)
        theirs.reset_parameters()
        ours.load_state_dict(theirs.state_dict())
        same(ours(x), theirs(x))
        theirs.reset_parameters()
        ours.load_state_dict(theirs.state_dict(), assign=True)
        same(ours(x), theirs(x))


CHANGES: dict[str, Any] = {
    "in place": lambda m: m.weight.mul_(2),
    "a part, in place": lambda m: m.weight[1, 2].zero_(),
    "the bias, in place": lambda m: m.bias.add_(1),
    "by initialisation": lambda m: nn.init.constant_(m.weight, 0.5),
    "by assigning data": lambda m: setattr(m.weight, "data", m.weight.data * 2),
    "by assigning data twice": lambda m: [setattr(m.weight, "data", m.weight.data * 2) for _ in range(2)],
    "by assigning data of the same memory": lambda m: setattr(m.weight, "data", m.weight.data.transpose(2, 3)),
    "a new parameter": lambda m: setattr(m, "weight", nn.Parameter(m.weight + 1)),
    "no bias any more": lambda m: setattr(m, "bias", None),
    "another memory format": lambda m: m.to(memory_format=torch.channels_last),
    "another stride": lambda m: setattr(m, "stride", [2, 1]),
    "another type and back": lambda m: m.double().float(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_changed_weight_is_noticed(how: str, x: Tensor) -> None:
    theirs, ours = LAYER.pair()
    with torch.no_grad():
        before = ours(x)
        for _ in range(2):
            for module in (theirs, ours):
                CHANGES[how](module)
            same(ours(x), theirs(x))
        changed = ours(x)
        harmless = how in ("by assigning data of the same memory", "another memory format", "another type and back")
        assert (changed.shape == before.shape and torch.allclose(changed, before, rtol=1e-4, atol=1e-4)) == harmless


def test_an_optimiser_step_is_noticed_in_evaluation(x: Tensor) -> None:
    theirs, ours = LAYER.pair()
    for module in (theirs, ours):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()
            with torch.no_grad():
                module(x)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-3, atol=1e-3)


def test_a_change_of_all_weights_is_noticed_though_pytorch_does_not_count_it(x: Tensor) -> None:
    theirs, ours = LAYER.pair()
    for order in (torch.contiguous_format, torch.channels_last):
        ours.to(memory_format=order)
        with torch.no_grad():
            same(ours(x), theirs(x))
            for module in (ours, theirs):
                module.weight.data.mul_(2)  # as moving averages of weights are often written
            same(ours(x), theirs(x))
    shared = ours.weight.detach().numpy()
    with torch.no_grad():
        ours(x)
        shared += 1
        theirs.weight.add_(1)
        same(ours(x), theirs(x))


def test_a_change_of_a_few_numbers_that_pytorch_does_not_count_is_seen_once_it_is_forgotten(x: Tensor) -> None:
    _, ours = LAYER.pair()
    with torch.no_grad():
        before = ours(x)
        ours.bias.data.mul_(2)
        assert torch.equal(ours(x), before)  # as the documentation says
        tt.forget(nn.Sequential(ours))
        assert not torch.equal(ours(x), before)
        same(tt.restore(copy.deepcopy(ours))(x), ours(x))


def test_memory_that_was_given_back_is_not_taken_for_the_weights_that_lay_there(x: Tensor) -> None:
    theirs, ours = LAYER.pair()
    images = (x, x.contiguous(memory_format=torch.channels_last))
    for turn in range(20):
        for module in (theirs, ours):
            module.weight.data = torch.full_like(module.weight, turn + 0.5)
        image = images[turn % 3 > 0]  # two ways in which the weights are kept, in turns
        with torch.no_grad():
            same(ours(image), theirs(image))


def test_weights_that_begin_at_zero_are_computed_with_as_others_are_once_they_are_others() -> None:
    image = torch.randn(1, 32, 20, 20, requires_grad=True)
    conv = tt.Conv2d(32, 32, 3, padding=1, bias=False)
    nn.init.zeros_(conv.weight)
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            conv(image)
    with torch.no_grad():
        conv.weight.normal_()
    expected = nn.functional.conv2d(image, conv.weight, padding=1)
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            torch.testing.assert_close(conv(image), expected, rtol=1e-4, atol=1e-4)
    kept = weights.packed(conv.weight, None)._entries.values()
    assert [entry.conv.built.choice.algorithm for entry in kept] == ["winograd"]


def test_weights_made_in_inference_mode_are_looked_at_in_every_call(x: Tensor) -> None:
    with torch.inference_mode():
        theirs, ours = LAYER.pair()
        same(ours(x), theirs(x))
        for module in (theirs, ours):
            module.weight.mul_(3)
        same(ours(x), theirs(x))


def test_what_is_kept_goes_with_the_weight(x: Tensor) -> None:
    _, ours = LAYER.pair()
    gc.collect()
    known = len(weights._known)
    with torch.no_grad():
        ours(x)
        tt.conv2d(x, torch.randn(4, 6, 3, 3))
        assert len(weights._known) == known + 1
    del ours
    assert len(weights._known) == known


def test_modules_may_share_a_weight(x: Tensor) -> None:
    first, second = tt.Conv2d(6, 6, 3, padding=1), tt.Conv2d(6, 6, 3, padding=1, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    expected = F.conv2d(F.conv2d(x, first.weight, first.bias, padding=1), first.weight, padding=1)
    same(model(x), expected)
    (ours,) = torch.autograd.grad(model(x).square().sum(), first.weight)
    (theirs,) = torch.autograd.grad(expected.square().sum(), first.weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-1)
    with torch.no_grad():
        first.weight.mul_(2)
        same(model(x), F.conv2d(F.conv2d(x, first.weight, first.bias, padding=1), first.weight, padding=1))


def test_computed_weights_work_as_pytorchs(x: Tensor) -> None:
    for tweak in (
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        lambda m: prune.l1_unstructured(m, "weight", 0.5),
    ):
        theirs, ours = LAYER.pair()
        torch.manual_seed(5)
        tweak(theirs)
        torch.manual_seed(5)
        tweak(ours)
        ours.load_state_dict(theirs.state_dict())
        for module in (theirs, ours):
            module.eval()
        same(ours(x), theirs(x))
        with torch.no_grad():
            same(ours(x), theirs(x))


class Standardised(tt.Conv2d):
    """A layer around ours that works out its weight."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(input, weight, self.bias)


def test_custom_layers_build_on_ours(x: Tensor) -> None:
    layer = Standardised(6, 4, 3, padding=1)
    plain = F.conv2d(x, layer.weight - layer.weight.mean((1, 2, 3), keepdim=True), layer.bias, padding=1)
    same(layer(x), plain)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        same(layer(x), plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_by_pytorch(dtype: torch.dtype, x: Tensor) -> None:
    theirs, ours = (module.to(dtype) for module in LAYER.pair())
    assert torch.equal(ours(x.to(dtype)), theirs(x.to(dtype)))
    with torch.no_grad():
        assert torch.equal(ours(x.to(dtype)), theirs(x.to(dtype)))


def test_mixed_precision_is_pytorchs(x: Tensor) -> None:
    theirs, ours = LAYER.pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for context in (torch.enable_grad(), torch.no_grad()):
            with context:
                assert ours(x).dtype is torch.bfloat16
                assert torch.equal(ours(x), theirs(x))
        ours(x).float().sum().backward()
    assert ours.weight.grad is not None
    assert ours.weight.grad.dtype is torch.float32


def test_complex_numbers_are_computed_by_pytorch() -> None:
    x, weight = torch.randn(1, 2, 5, 5, dtype=torch.complex64), torch.randn(3, 2, 3, 3, dtype=torch.complex64)
    assert torch.equal(tt.conv2d(x, weight, padding=((1, 1), (1, 1))), F.conv2d(x, weight, padding=1))


def test_several_threads_may_use_a_module_while_its_weights_change(x: Tensor) -> None:
    _, ours = LAYER.pair()
    shapes = [x[:, :, : 4 + size] for size in range(5)]
    expected: list[Tensor] = []
    wrong: list[object] = []

    def work(turn: int) -> None:
        try:
            with torch.no_grad():
                for step in range(30):
                    place = (turn + step) % 5
                    if not torch.equal(ours(shapes[place]), expected[place]):
                        wrong.append((turn, step))
        except Exception as error:
            wrong.append(error)

    for _ in range(3):
        with torch.no_grad():
            ours.weight.mul_(1.5)
            expected[:] = [copy.deepcopy(ours)(shape) for shape in shapes]
        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_gradients_come_from_several_threads_at_once(x: Tensor) -> None:
    _, ours = LAYER.pair()
    (expected,) = torch.autograd.grad(ours(x).square().sum(), ours.weight)
    found: list[Tensor] = []

    def work() -> None:
        for _ in range(10):
            found.append(torch.autograd.grad(ours(x).square().sum(), ours.weight)[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert all(torch.equal(gradient, expected) for gradient in found)


def test_mistakes_are_told_with_the_numbers_that_show_them() -> None:
    conv = tt.Conv2d(6, 8, 3)
    for grad, (call, words) in itertools.product(
        (False, True),
        (
            (lambda: conv(torch.zeros(2, 5, 9, 9)), r"input: .*\(2, 5, 9, 9\).* 5 channels; .*takes 6 with groups=1"),
            (lambda: conv(torch.zeros(9, 9)), "4 axes are needed"),
            (lambda: tt.conv2d(torch.zeros(1, 6, 2, 2), conv.weight), "no output"),
        ),
    ):
        with torch.set_grad_enabled(grad), pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError, match=r"input: received ndarray; a torch\.Tensor is needed"):
        conv(np.zeros((1, 6, 9, 9), np.float32))
    with pytest.raises(ValueError, match="stride must be at least 1, received 0"):
        tt.Conv2d(6, 8, 3, stride=0)
    with pytest.raises(ValueError, match="dilation must be at least 1, received -1"):
        tt.ConvTranspose1d(6, 8, 3, dilation=-1)
    with pytest.raises(TypeError, match=r"stride must be an integer, received 1\.5"):
        tt.conv2d(torch.zeros(1, 6, 9, 9), conv.weight, stride=1.5)
    with pytest.raises(ValueError, match=r"padding_mode: received 'mirror'; choose one of 'zeros'"):
        tt.Conv2d(6, 8, 3, padding_mode="mirror")
    with pytest.raises(ValueError, match=r"padding must be one of 'valid', 'same'.*received 'some'"):
        tt.Conv2d(6, 8, 3, padding="some")
    with pytest.raises(ValueError, match=r"padding_mode: received 'reflect'; a transposed"):
        tt.ConvTranspose2d(6, 8, 3, padding_mode="reflect")
    with pytest.raises(ValueError, match=r"output_size: received .* say output_padding"):
        tt.ConvTranspose2d(6, 8, 3, stride=2, padding="same")(torch.zeros(1, 6, 4, 4), output_size=[8, 8])


def test_importing_tweakconv_does_not_import_torch_and_its_absence_is_told_with_the_remedy(
    run_python: RunPython,
) -> None:
    program = """
    import sys
    import tweakconv
    assert "torch" not in sys.modules
    sys.modules["torch"] = None
    try:
        import tweakconv.torch
    except ModuleNotFoundError as error:
        print(error)
    """
    done = run_python(program)
    assert 'pip install "tweakconv[torch]"' in done.stdout, done
