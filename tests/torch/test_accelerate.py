"""Accelerated models compute what they did, notice every change, and are themselves again afterwards."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tweakconv.torch as tt
from tweakconv.bench.networks import UNet, mobilenet_v2, resnet, vgg
from tweakconv.torch.fused import FusedConv


def unlike_new(model: nn.Module) -> nn.Module:
    """A model in evaluation whose every number matters: statistics and scales as after some training."""
    torch.manual_seed(11)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.running_mean, module.weight, module.bias):
                if tensor is not None:
                    nn.init.normal_(tensor, 0.5, 0.3)
            if module.running_var is not None:
                nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def same(ours: Tensor, theirs: Tensor) -> None:
    scale = theirs.abs().max().item()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * max(scale, 1))


def fused(model: nn.Module) -> list[FusedConv]:
    """The fused convolutions of a model that has run."""
    plans = [part.__dict__["forward"] for part in model.modules() if "forward" in part.__dict__]
    traces = [trace for plan in plans for trace in plan._traces.values() if trace is not None]
    return [module for trace in traces for module in trace.graph.modules() if isinstance(module, FusedConv)]


class Block(nn.Module):
    """As people write residual blocks: in place wherever that goes."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        other = nn.Sequential(nn.Conv2d(channels, out, 1, stride), nn.BatchNorm2d(out))
        self.downsample = None if stride == 1 and channels == out else other

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            x = self.downsample(x)
        out += x
        return self.relu(out)


class Net(nn.Module):
    """A stem, two blocks and a head, with a switch among its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(True), nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.ModuleList([Block(8, 8, 1), Block(8, 12, 2)])
        self.dropout, self.head = nn.Dropout(), nn.Linear(12, 5)

    def forward(self, x: Tensor, *, features: bool = False) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        if features:
            return x
        return self.head(self.dropout(x.mean((2, 3)).view(x.size(0), -1)))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "net": (Net, (2, 3, 33, 32)),
    "resnet": (lambda: resnet((1, 1, 1, 1), bottleneck=False), (1, 3, 65, 64)),
    "bottlenecks": (lambda: resnet((1, 1, 1, 1), bottleneck=True), (1, 3, 64, 64)),
    "mobilenet": (mobilenet_v2, (1, 3, 64, 64)),
    "vgg": (lambda: vgg((8, 8, "M", 12, "M"), 10, side=4, hidden=20), (3, 3, 16, 16)),
    "unet": (lambda: UNet(3, 2, width=4), (1, 3, 32, 48)),
    "one axis": (lambda: nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.GELU()), (2, 4, 20)),
    "three axes": (
        lambda: nn.Sequential(nn.Conv3d(2, 4, 3, 2, 1), nn.BatchNorm3d(4), nn.SiLU(), nn.Conv3d(4, 3, 1)),
        (1, 2, 7, 8, 9),
    ),
    "transposed in groups": (
        lambda: nn.Sequential(nn.ConvTranspose2d(6, 4, 3, 2, groups=2), nn.BatchNorm2d(4), nn.ReLU6()),
        (2, 6, 5, 6),
    ),
}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    make, shape = MODELS[request.param]
    torch.manual_seed(7)
    return unlike_new(make()), torch.randn(shape)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(7)
    return unlike_new(Net())


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, 33, 32), generator=torch.Generator().manual_seed(5))


def test_the_result_is_the_models(case: tuple[nn.Module, Tensor]) -> None:
    model, x = case
    ours = copy.deepcopy(model)
    assert tt.accelerate(ours) is ours
    with torch.inference_mode():
        for given in (x, x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x + 1, x[:1]):
            y, expected = ours(given), model(given)
            same(y, expected)
            assert given is not x or y.is_contiguous()
    assert not any(conv.norm is None and conv.after.activation is None for conv in fused(ours)[:1])
    same(ours(x), model(x))  # and with gradients


def test_every_batchnorm_activation_and_residual_is_folded_where_it_may_be(net: nn.Module, x: Tensor) -> None:
    tt.accelerate(net)
    with torch.no_grad():
        net(x)
    convs = fused(net)
    assert len(convs) == 6
    assert all(conv.norm is not None for conv in convs)
    assert sum(conv.after.residual for conv in convs) == 2
    assert sum(conv.after.activation == "relu" for conv in convs) == 5


def test_arguments_that_are_no_tensors_are_told_apart(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net))
    with torch.no_grad():
        for _ in range(2):
            same(ours(x), net(x))
            same(ours(x, features=True), net(x, features=True))
            assert ours(x, features=True).stride() == net(x, features=True).stride()


class Optional_(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y: Tensor = self.conv(x)
        return y if mask is None else y * mask


def test_an_argument_that_may_be_missing_is_missing_where_it_is(x: Tensor) -> None:
    model = Optional_()
    ours = tt.accelerate(nn.Sequential(copy.deepcopy(model)))[0]
    tt.accelerate(ours)
    image, mask = x[:, :2], torch.rand(33, 32)
    with torch.no_grad():
        same(ours(image), model(image))
        same(ours(image, mask), model(image, mask))
        same(ours(image, mask=mask), model(image, mask))
        same(ours(image, None), model(image))


CHANGES: dict[str, Callable[[Any], object]] = {
    "weights in place": lambda m: m.blocks[0].conv1.weight.mul_(1.5),
    "a loaded state": lambda m: m.load_state_dict(
        {k: v * 1.1 if v.is_floating_point() else v for k, v in m.state_dict().items()}
    ),
    "statistics in place": lambda m: m.blocks[1].bn2.running_var.mul_(2),
    "all weights, uncounted": lambda m: [weight.data.mul_(1.5) for weight in m.parameters()],
    "the scale of a BatchNorm": lambda m: m.stem[1].weight.add_(1),
    "a hook on what is fused": lambda m: m.stem[1].register_forward_hook(lambda *a: a[2] * 2),
    "a hook before what is fused": lambda m: m.blocks[0].conv2.register_forward_pre_hook(lambda _, a: (a[0] + 1,)),
    "a hook on a part": lambda m: m.blocks[1].register_forward_hook(lambda *a: a[2] * 2),
    "a hook on what is not fused": lambda m: m.stem[3].register_forward_hook(lambda *a: a[2] * 2),
    "a BatchNorm in training": lambda m: m.blocks[0].bn1.train(),
    "another layer": lambda m: setattr(m.blocks[0], "conv1", copy.deepcopy(m.blocks[0].conv2)),
    "a layer less": lambda m: m.stem.__setitem__(2, nn.Identity()),
    "another BatchNorm": lambda m: setattr(m.blocks[0], "bn1", copy.deepcopy(m.blocks[0].bn2)),
    "another parameter": lambda m: setattr(m.stem[0], "weight", nn.Parameter(m.stem[0].weight * 2)),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_change_is_noticed(how: str, net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net))
    with torch.no_grad():
        before = ours(x)
        for model in (net, ours):
            CHANGES[how](model)
        after = ours(x)
        same(after, net(x))
        assert not torch.allclose(after, before, rtol=1e-3, atol=1e-3)


def test_training_goes_on_and_its_statistics_are_noticed(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net))
    for model in (net, ours):
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    for _ in range(2):
        results = []
        for model in (net, ours):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            model.train()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            model.eval()
            with torch.no_grad():
                results.append((loss.detach(), model(x)))
        torch.testing.assert_close(results[1], results[0], rtol=1e-3, atol=1e-3)


def test_the_state_keeps_its_names_and_tensors_and_restoring_leaves_the_model_as_it_was(
    net: nn.Module, x: Tensor
) -> None:
    state, classes = net.state_dict(keep_vars=True), [type(module) for module in net.modules()]
    with torch.no_grad():
        expected = net(x)
        tt.accelerate(net)(x)
        assert isinstance(net.stem[0], tt.Conv2d)
        assert net.state_dict(keep_vars=True).keys() == state.keys()
        assert all(tensor is state[name] for name, tensor in net.state_dict(keep_vars=True).items())
        assert tt.restore(net) is net
        assert [type(module) for module in net.modules()] == classes
        assert all("forward" not in module.__dict__ for module in net.modules())
        assert torch.equal(net(x), expected)


def test_accelerating_twice_is_accelerating_once(net: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        y = tt.accelerate(net)(x)
        assert torch.equal(tt.accelerate(net)(x), y)


def test_copies_and_pickles_of_accelerated_models_are_accelerated(net: nn.Module, x: Tensor) -> None:
    tt.accelerate(net)
    file = io.BytesIO()
    with torch.no_grad():
        expected = net(x)
        torch.save(net, file)
        file.seek(0)
        again = copy.deepcopy(net), pickle.loads(pickle.dumps(net)), torch.load(file, weights_only=False)
        for model in again:
            assert torch.equal(model(x), expected)
            assert fused(model)
            model.stem[0].weight.zero_()
        assert torch.equal(net(x), expected)


class Untraceable(nn.Module):
    """Looks at numbers before it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.listed = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sigmoid())])
        self.alone = nn.Conv2d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            x = -x
        y: Tensor = self.alone(self.listed[0](self.body(x)))
        return y


def test_a_model_that_cannot_be_traced_is_accelerated_part_by_part(x: Tensor) -> None:
    model = unlike_new(Untraceable())
    ours = tt.accelerate(copy.deepcopy(model))
    with torch.no_grad():
        for given in (x, -x):
            for _ in range(2):
                same(ours(given), model(given))
    assert sorted(str(conv.after.activation) for conv in fused(ours)) == ["relu", "sigmoid"]
    assert isinstance(ours.alone, tt.Conv2d)
    assert not any("forward" in module.__dict__ for module in tt.restore(ours).modules())


class Tricky(nn.Module):
    """What looks as if it could be fused, and could not."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv, self.other = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.relu, self.norm = nn.ReLU(inplace=True), nn.BatchNorm2d(3)
        self.shift = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1))

    def forward(self, x: Tensor) -> Any:  # noqa: PLR0911
        x = x * 1
        y = self.conv(x)
        match self.how:
            case "read twice":
                return self.relu(self.norm(y)) + self.other(y)
            case "changed in place under another name":
                z = y
                self.relu(y)
                return z * 2
            case "the input changes before the addition":
                x.relu_()
                return y + x
            case "the residual changes before the addition":
                z = x + 1
                z.mul_(3)
                return y + z
            case "the other operand is the one that changes":
                x += y
                return x * 2
            case "a residual of another shape":
                return F.relu(y + self.shift)
            case "a number for a residual":
                return F.relu(y + 1)
            case "added with a factor":
                return torch.add(y, x, alpha=2)
            case "added to itself":
                return F.relu(y + y)
            case "a norm that is used twice":
                return self.norm(y) + self.norm(x)
            case "a convolution that is used twice":
                return self.conv(self.relu(y))
            case "gelu of the other kind":
                return F.gelu(y, approximate="tanh")
            case "elu of another scale":
                return F.elu(y, alpha=0.5)
            case "in a structure":
                return {"y": y, "more": (F.leaky_relu(self.other(y), 0.2), [x])}
            case "a view of the result":
                return y.view(x.size(0), -1)
            case "a question for strides":
                return y * y.stride(1)
            case "a part changed in place":
                y[:, 0] = 0
                return y
            case _:
                raise AssertionError


TRICKS = (
    "read twice", "changed in place under another name", "the input changes before the addition",
    "the residual changes before the addition", "the other operand is the one that changes",
    "a residual of another shape", "a number for a residual", "added with a factor", "added to itself",
    "a norm that is used twice", "a convolution that is used twice", "gelu of the other kind", "elu of another scale",
    "in a structure", "a view of the result", "a question for strides", "a part changed in place",
)  # fmt: skip


@pytest.mark.parametrize("how", TRICKS)
def test_nothing_is_fused_that_would_change_the_result(how: str, x: Tensor) -> None:
    torch.manual_seed(3)
    model = unlike_new(Tricky(how))
    ours = tt.accelerate(copy.deepcopy(model))
    with torch.no_grad():
        torch.testing.assert_close(ours(x.clone()), model(x.clone()), rtol=1e-4, atol=1e-4)
    assert ours.__dict__["forward"]._traces


@pytest.mark.parametrize(
    "activation",
    [nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.1), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(), nn.Hardsigmoid(),
     nn.Hardswish(), nn.ELU(), nn.LeakyReLU(), nn.GELU(approximate="tanh"), nn.ELU(0.5), nn.Softplus()],
    ids=str,
)  # fmt: skip
def test_every_activation_is_pytorchs(activation: nn.Module, x: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), activation).eval()
    with torch.no_grad():
        expected = model(10 * x)
        same(tt.accelerate(model)(10 * x), expected)
    known = not isinstance(activation, nn.Softplus) and "tanh'" not in str(activation) and "0.5" not in str(activation)
    assert (fused(model)[0].after.activation is not None) == known


def test_half_precision_and_other_devices_are_left_to_pytorch(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net)).bfloat16()
    net.bfloat16()
    with torch.no_grad():
        torch.testing.assert_close(ours(x.bfloat16()), net(x.bfloat16()), rtol=0.1, atol=0.2)
        assert tt.accelerate(Net().to("meta").eval())(x.to("meta")).shape == (2, 5)


def test_mixed_precision_is_pytorchs(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ours(x), net(x))


def test_gradients_flow_in_evaluation_too(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net))
    for model in (net, ours):
        model(x).square().sum().backward()
    for mine, yours in zip(ours.parameters(), net.parameters(), strict=True):
        assert mine.grad is not None
        assert yours.grad is not None
        same(mine.grad, yours.grad)


def test_a_frozen_model_is_fused_whatever_the_grad_mode(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net)).requires_grad_(False)
    same(ours(x), net(x).detach())
    assert fused(ours)


def test_several_threads_may_call_an_accelerated_model(net: nn.Module, x: Tensor) -> None:
    tt.accelerate(net)
    images = [x[..., : 20 + size] for size in range(4)]
    with torch.no_grad():
        expected = [copy.deepcopy(net)(image) for image in images]
    found: list[bool] = []

    def work(turn: int) -> None:
        with torch.no_grad():
            for step in range(12):
                place = (turn + step) % 4
                # The size that comes first decides how a layer is computed, and that is another one in each turn.
                found.append(torch.allclose(net(images[place]), expected[place], rtol=1e-4, atol=1e-5))

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 48
    assert all(found)


def test_modules_that_other_threads_call_while_a_model_is_traced_stay_out_of_it(x: Tensor) -> None:
    reached, done = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            if isinstance(x, torch.fx.Proxy):
                reached.set()
                assert done.wait(60)
            return self.conv(x).relu()

    slow, other = Slow().eval(), nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU()).eval()
    results: list[Tensor] = []
    with torch.no_grad():
        expected, others = slow(x), other(x)
    tt.accelerate(slow)

    def work() -> None:
        with torch.no_grad():
            results.append(slow(x))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert reached.wait(60)
        with torch.no_grad():
            meanwhile = other(x), other[0].weight
    finally:
        done.set()
        thread.join()
    assert type(meanwhile[0]) is Tensor
    same(meanwhile[0], others)
    assert meanwhile[1] is dict(other.named_parameters())["0.weight"]
    same(results[0], expected)
    assert len(fused(slow)) == 1


@pytest.mark.parametrize("fuse", [False, True])
def test_an_accelerated_model_can_be_compiled_and_exported(fuse: bool, net: nn.Module, x: Tensor) -> None:
    torch._dynamo.reset()
    ours = tt.accelerate(copy.deepcopy(net), fuse=fuse)
    with torch.no_grad():
        same(torch.compile(ours, backend="aot_eager", fullgraph=True)(x), net(x))
        same(torch.export.export(ours, (x,)).module()(x), net(x))


def test_without_fusing_only_convolutions_are_swapped(net: nn.Module, x: Tensor) -> None:
    ours = tt.accelerate(copy.deepcopy(net), fuse=False)
    assert "forward" not in ours.__dict__
    with torch.no_grad():
        same(ours(x), net(x))


def test_layers_of_somebody_elses_are_left_alone(x: Tensor) -> None:
    class Doubled(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    model = nn.Sequential(Doubled(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    with torch.no_grad():
        expected = model(x)
        same(tt.accelerate(model)(x), expected)
    assert type(model[0]) is Doubled
    assert type(model[2]) is tt.Conv2d


def test_an_uncounted_change_beside_the_weights_is_seen_once_it_is_forgotten(net: nn.Module, x: Tensor) -> None:
    tt.accelerate(net)
    with torch.no_grad():
        before = net(x)
        net.stem[1].weight.data.zero_()
        assert torch.equal(net(x), before)  # as the documentation says
        tt.forget(net)
        expected = tt.restore(copy.deepcopy(net))(x)
        same(net(x), expected)
        assert not torch.allclose(before, expected)


def test_mistakes_are_told() -> None:
    with pytest.raises(TypeError, match=r"model: received Tensor; a torch\.nn\.Module is needed"):
        tt.accelerate(torch.zeros(1))
    with pytest.raises(TypeError, match=r"model: received int; a torch\.nn\.Module is needed"):
        tt.restore(3)
    model = nn.Sequential(tt.Conv2d(3, 4, 3, padding="same", stride=2))
    with pytest.raises(ValueError, match=r"model: 0 has padding='same', .*stride=\(2, 2\)"):
        tt.restore(model)
    assert type(model[0]) is tt.Conv2d
