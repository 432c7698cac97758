"""What may be computed in one pass, found in a traced graph: a convolution, and nodes that nothing else sees.

A chain ends where a value has a second reader. A residual is fused only where nothing is changed in place between the
convolution and the addition, for the convolution moves there. Maximum pooling is no part of a chain, but is put in the
place of PyTorch's as well.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional as F

from tweakconv.torch.fused import FusedConv, is_foldable
from tweakconv.torch.modules import CLASSES
from tweakconv.torch.pooling import MaxPool
from tweakconv.torch.weights import After


class _Chain(NamedTuple):
    """A convolution's node, the last one of its chain, and what the nodes between come to.

    Attributes
    ----------
    at : torch.fx.Node
        Where the convolution is computed: where it stands, before anything that could change its input in place, or
        where the residual is added.
    """

    conv: fx.Node
    last: fx.Node
    at: fx.Node
    norm: nn.Module | None
    residual: fx.Node | None
    activation: tuple[str, float | None] | None


def fuse(graph: fx.Graph, modules: dict[str, Any]) -> list[Any]:
    """Fuse what may be, and pool by our code, in place.

    Parameters
    ----------
    graph : torch.fx.Graph
        Of a model in evaluation.
    modules : dict of str to Module
        What the graph's targets name; fused convolutions are added.

    Returns
    -------
    list of Module
        Those that are no longer called themselves.
    """
    _skip_what_does_nothing(graph, modules)
    gone: list[Any] = []
    for node in list(graph.nodes):
        if node.op == "call_module" and _is_fusable(modules[node.target]) and len(node.args) + len(node.kwargs) == 1:
            gone += _replace(graph, _chain(node, modules), modules)
    return gone + _pool_here(graph, modules)


def depends_on_strides(graph: fx.Graph) -> bool:
    """Whether a graph asks how a tensor lies in memory, or changes parts of one in place."""
    return any(
        (node.op == "call_method" and node.target in _OF_STRIDES)
        or (node.op == "call_function" and node.target in (operator.setitem, torch.as_strided))
        for node in graph.nodes
    )


def reshape_views(graph: fx.Graph) -> None:
    """Let views be copies where the order of memory asks for it, in place."""
    for node in graph.nodes:
        if node.op == "call_method" and node.target == "view" and not isinstance(node.args[-1], torch.dtype):
            node.target = "reshape"


def is_hooked(module: Any) -> bool:
    """Whether somebody watches the calls of a module."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _chain(conv: fx.Node, modules: Mapping[str, Any]) -> _Chain:
    last, at, norm, residual, activation = conv, conv, None, None, None
    follower = _only_reader(last)
    if follower is not None and follower.op == "call_module" and _is_norm(modules[follower.target]):
        last, norm = follower, modules[follower.target]
        follower = _only_reader(last)
    if follower is not None:
        residual = _added(last, follower)
        if residual is not None and not _changes_between(conv, follower, modules):
            last = at = follower
            follower = _only_reader(last)
        else:
            residual = None
    if follower is not None:
        activation = _activation(follower, modules)
        if activation is not None:
            last = follower
    return _Chain(conv, last, at, norm, residual, activation)


def _replace(graph: fx.Graph, chain: _Chain, modules: dict[str, Any]) -> list[Any]:
    """Put one node where the chain was."""
    module = modules[chain.conv.target]
    name, slope = chain.activation or (None, None)
    fused = FusedConv(module, chain.norm, After(name, slope, chain.residual is not None))
    target = _named(modules, "fused", fused)
    x = next(iter((*chain.conv.args, *chain.conv.kwargs.values())))
    with graph.inserting_before(chain.at):
        node = graph.call_module(target, (x,) if chain.residual is None else (x, chain.residual))
    chain.last.replace_all_uses_with(node)
    between: fx.Node | None = chain.last
    while between is not None:
        before = None if between is chain.conv else _previous(between, chain)
        graph.erase_node(between)
        between = before
    return [module] if chain.norm is None else [module, chain.norm]


def _named(modules: dict[str, Any], stem: str, module: nn.Module) -> str:
    """Add a module by a name that none of the model's has."""
    name = next(name for number in itertools.count() if (name := f"{stem}{number}") not in modules)
    modules[name] = module
    return name


def _is_norm(module: Any) -> bool:
    return is_foldable(module) and not is_hooked(module)


def _previous(node: fx.Node, chain: _Chain) -> fx.Node:
    """The node of the chain that this one reads."""
    return next(given for given in node.all_input_nodes if given is not chain.residual)


def _only_reader(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_fusable(module: Any) -> bool:
    """Whether it is one of tweakconv's modules and calling it does nothing else."""
    replaced = is_hooked(module) or "forward" in module.__dict__
    return type(module) in CLASSES and not replaced and "weight" in module._parameters


def _added(node: fx.Node, reader: fx.Node) -> fx.Node | None:
    """What `reader` adds to the value of `node`, where that is all it does and changes nothing else."""
    kind = reader.op, reader.target
    if kind not in _ADDS or len(reader.args) != 2 or reader.kwargs:
        return None
    one, other = reader.args
    if one is other or not isinstance(one, fx.Node) or not isinstance(other, fx.Node):
        return None
    if one is node:
        return other
    return None if kind in _ADDS_IN_PLACE else one


def _changes_between(conv: fx.Node, end: fx.Node, modules: Mapping[str, Any]) -> bool:
    node = conv.next
    while node is not end:
        if _may_change(node, modules):
            return True
        node = node.next
    return False


def _may_change(node: fx.Node, modules: Mapping[str, Any]) -> bool:
    """Whether a node may change a tensor in place."""
    if node.kwargs.get("inplace") or "out" in node.kwargs:
        return True
    if node.op == "call_module":
        module = modules[str(node.target)]
        return bool(getattr(module, "inplace", False)) or is_hooked(module)
    if node.op == "call_method":
        return str(node.target).endswith("_")
    if node.op == "call_function":
        name, home = getattr(node.target, "__name__", "_"), getattr(node.target, "__module__", None) or ""
        known = home.startswith("torch") or home in ("_operator", "math", "builtins")
        return name.endswith("_") or node.target in _IN_PLACE or not known or any(given is True for given in node.args)
    return False


def _activation(node: fx.Node, modules: Mapping[str, Any]) -> tuple[str, float | None] | None:
    """The activation that a node is, by tweakconv's name, with its slope."""
    if node.op == "call_module":
        return _of_module(modules[str(node.target)])
    name = _BY_TARGET.get(node.target)
    if name is None or node.op not in ("call_function", "call_method"):
        return None
    rest = dict(node.kwargs)
    rest.pop("inplace", None)
    rest.pop("input", None)
    if name == "leaky_relu":
        slope = node.args[1] if len(node.args) > 1 else rest.pop("negative_slope", 0.01)
        return (name, slope) if isinstance(slope, float) and not rest and len(node.args) < 4 else None
    if name == "elu" and rest.get("alpha") == 1:
        del rest["alpha"]
    return (name, None) if not rest and len(node.args) <= 1 else None


def _of_module(module: Any) -> tuple[str, float | None] | None:
    kind = type(module)
    if is_hooked(module):
        return None
    if kind is nn.LeakyReLU:
        return "leaky_relu", float(module.negative_slope)
    if (kind is nn.GELU and module.approximate != "none") or (kind is nn.ELU and module.alpha != 1):
        return None
    name = _BY_MODULE.get(kind)
    return None if name is None else (name, None)


def _skip_what_does_nothing(graph: fx.Graph, modules: Mapping[str, Any]) -> None:
    """Take out what in evaluation hands on what it is given."""
    for node in list(graph.nodes):
        if node.op == "call_module" and type(modules[node.target]) in _IDLE and len(node.args) == 1:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _pool_here(graph: fx.Graph, modules: dict[str, Any]) -> list[Any]:
    """Put our pooling where PyTorch's is, in place; returns the modules that are no longer called themselves."""
    gone: list[Any] = []
    for node in list(graph.nodes):
        pool = _pool(node, modules)
        if pool is None:
            continue
        target = _named(modules, "pool", MaxPool(pool))
        with graph.inserting_before(node):
            ours = graph.call_module(target, (node.all_input_nodes[0],))
        node.replace_all_uses_with(ours)
        graph.erase_node(node)
        if node.op == "call_module":
            gone.append(pool)
    return gone


def _pool(node: fx.Node, modules: Mapping[str, Any]) -> nn.MaxPool2d | None:
    """The maximum pooling that a node is, of one tensor and with numbers that are known."""
    if len(node.all_input_nodes) != 1:
        return None
    if node.op == "call_module":
        module = modules[str(node.target)]
        alone = len(node.args) + len(node.kwargs) == 1 and not is_hooked(module)
        return module if type(module) is nn.MaxPool2d and alone and "forward" not in module.__dict__ else None
    if node.op != "call_function" or node.target not in (F.max_pool2d, torch.max_pool2d):
        return None
    given = {**dict(zip(_OF_POOLING, node.args, strict=False)), **node.kwargs}
    x = given.pop("input", None)
    known = {"kernel_size"} <= given.keys() <= set(_OF_POOLING)
    return nn.MaxPool2d(**given) if known and isinstance(x, fx.Node) else None


_OF_STRIDES = ("stride", "as_strided", "is_contiguous", "data_ptr", "storage_offset", "untyped_storage", "set_")
_ADDS: set[tuple[str, Any]] = {
    ("call_function", operator.add),
    ("call_function", operator.iadd),
    ("call_function", torch.add),
    ("call_method", "add"),
    ("call_method", "add_"),
}
_ADDS_IN_PLACE: set[tuple[str, Any]] = {("call_function", operator.iadd), ("call_method", "add_")}
_IN_PLACE: set[Any] = {
    operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow, operator.ifloordiv, operator.iand,
    operator.ior, operator.ixor, operator.imod, operator.setitem, operator.delitem,
}  # fmt: skip
_OF_POOLING = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_BY_MODULE: dict[Any, str] = {
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.SiLU: "silu", nn.GELU: "gelu",
    nn.Hardsigmoid: "hard_sigmoid", nn.Hardswish: "hard_swish", nn.ELU: "elu",
}  # fmt: skip
_BY_TARGET: dict[Callable[..., Any] | str, str] = {
    F.relu: "relu", torch.relu: "relu", "relu": "relu", "relu_": "relu", torch.relu_: "relu", F.relu6: "relu6",
    F.leaky_relu: "leaky_relu", F.sigmoid: "sigmoid", torch.sigmoid: "sigmoid", "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid", F.tanh: "tanh", torch.tanh: "tanh", "tanh": "tanh", "tanh_": "tanh", F.silu: "silu",
    F.gelu: "gelu", F.hardsigmoid: "hard_sigmoid", F.hardswish: "hard_swish", F.elu: "elu",
}  # fmt: skip
