"""A model's forward pass as ``torch.fx`` traced it, with fused convolutions; it steps aside where that may not be."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules import module as nn_module
from torch.utils import _pytree as pytree

from tweakconv.torch.fused import FusedConv
from tweakconv.torch.fusion import depends_on_strides, fuse, is_hooked, reshape_views
from tweakconv.torch.layout import in_order
from tweakconv.torch.modules import CLASSES
from tweakconv.torch.quiet import is_quiet

_MOST_TRACES = 8
"""Ways to call a model, with which arguments, that are kept traced."""

_tracing = threading.RLock()
"""Held while a model is traced: torch.fx then puts functions of its own into ``nn.Module``, for all threads."""


class Plan:
    """What stands in the place of a module's ``forward``.

    It keeps the traced model, none of its tensors: copies and pickles of the model trace again.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._traces: dict[object, _Trace | None] = {}

    @classmethod
    def install(cls, model: nn.Module) -> None:
        """Let a module run by plan, unless its ``forward`` is somebody else's already or it is a single layer."""
        if "forward" not in model.__dict__ and any(True for _ in model.children()):
            model.__dict__["forward"] = cls(model)

    @classmethod
    def remove(cls, model: nn.Module) -> None:
        """Let it run as its class says."""
        if isinstance(model.__dict__.get("forward"), cls):
            del model.__dict__["forward"]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What ``forward`` returns."""
        if is_quiet() and not self.model.training and not nn_module._has_any_global_hook():
            trace = self._trace(args, kwargs)
            if trace is not None:
                return trace(args, kwargs)
        return type(self.model).forward(self.model, *args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(type(self.model).forward.__get__(self.model))

    @property
    def __code__(self) -> Any:
        # torch.export asks it of a model's forward, to say where something is defined.
        return type(self.model).forward.__code__

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "_traces": {}}

    def forget(self) -> None:
        """Trace and pack anew."""
        self._traces.clear()

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Trace | None:
        """The traced model for such arguments; None where there is none, or gradients are wanted."""
        given = [*args, *kwargs.values()]
        tensors = [value for value in given if isinstance(value, Tensor)]
        if not tensors or any(type(tensor) is not Tensor or not tensor.is_cpu for tensor in tensors):
            return None
        if torch.is_grad_enabled() and (
            any(tensor.requires_grad for tensor in tensors)
            or any(parameter.requires_grad for parameter in self.model.parameters())
        ):
            return None
        key = (*map(_kind, args), *((name, _kind(value)) for name, value in kwargs.items()))
        try:
            trace = self._traces.get(key, _UNKNOWN)
        except TypeError:  # a list, say, which the model may look into
            return None
        if not _is_current(trace):
            with _tracing:
                trace = self._traces.get(key, _UNKNOWN)
                if not _is_current(trace):  # or another thread has traced it meanwhile
                    if len(self._traces) >= _MOST_TRACES:
                        self._traces.clear()
                    trace = self._traces[key] = _traced(self.model, args, kwargs)
                    if trace is None:
                        _install_below(self.model)
        assert trace is None or isinstance(trace, _Trace)
        return trace


class _Trace:
    """A traced model, and what it was at the time."""

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        modules: dict[str, Any] = dict(model.named_modules(remove_duplicate=False))
        gone = fuse(graph, modules)
        self._channels_last = not depends_on_strides(graph) and any(
            isinstance(module, FusedConv) and module.conv.weight.dim() > 3 for module in modules.values()
        )
        if self._channels_last:
            reshape_views(graph)
        self._model = model
        self._fetched = [(node.target, _fetch(model, node.target)) for node in graph.nodes if node.op == "get_attr"]
        called = {id(modules[node.target]) for node in graph.nodes if node.op == "call_module"} - set(map(id, gone))
        # What is still called runs its own hooks; of the rest only the parts and the hooks are kept in mind.
        self._called = [module for module in model.modules() if id(module) in called]
        self._rest = [(module, module._modules.copy()) for module in model.modules() if id(module) not in called]
        self.graph = _flat(graph, modules, dict(self._fetched))
        self._run = self.graph.forward

    def holds(self) -> bool:
        """Whether the model is still what was traced: in evaluation, of the same parts, with no hooks on them."""
        for module, parts in self._rest:
            if module.training or module._modules != parts:
                return False
            if module is not self._model and (module._forward_pre_hooks or module._forward_hooks):
                return False
        return not any(module.training for module in self._called) and all(
            _fetch(self._model, target) is value for target, value in self._fetched
        )

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if not self._channels_last:
            return self._run(*tensors)
        images = [tensor for tensor in tensors if tensor.dim() > 3]
        theirs = all(tensor.is_contiguous() for tensor in images)
        y = self._run(*(in_order(tensor, channels_last=True) if tensor.dim() > 3 else tensor for tensor in tensors))
        if not theirs:
            return y
        if type(y) is Tensor:
            return y.contiguous()
        return pytree.tree_map(lambda value: value.contiguous() if isinstance(value, Tensor) else value, y)


def _is_current(trace: object) -> bool:
    """Whether something is known of a way to call a model, and still true."""
    return trace is None or (isinstance(trace, _Trace) and trace.holds())


class _Tracer(fx.Tracer):
    """Traces with the tensors among a call's arguments as inputs, and the other arguments as they are.

    While it does, calls of modules in other threads come here too, and are let through.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self._arguments = args, kwargs
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in CLASSES or super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        proxies: list[Any] = []

        def stand_in(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            proxies.append(self.create_proxy("placeholder", f"x{len(proxies)}", (), {}))
            return proxies[-1]

        args, kwargs = self._arguments
        args, kwargs = tuple(map(stand_in, args)), {name: stand_in(value) for name, value in kwargs.items()}
        return lambda *_: root_fn(self.root, *args, **kwargs), []


def _traced(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Trace | None:
    """The model traced for such arguments; None where it cannot be."""
    parts = [part for part in model.modules() if part is not model]
    if any(part.training or (is_hooked(part) and any(True for _ in part.children())) for part in parts):
        return None
    try:
        graph = _Tracer(args, kwargs).trace(model)
    except Exception:  # the model's own code runs, with values that are none: anything may come
        return None
    return _Trace(model, graph)


def _install_below(model: nn.Module) -> None:
    """Let the parts of a model that cannot be traced run by plans of their own."""
    for part in model.children():
        if isinstance(part, nn.ModuleList | nn.ModuleDict):
            _install_below(part)
        else:
            Plan.install(part)


def _flat(graph: fx.Graph, modules: dict[str, Any], values: dict[str, Any]) -> fx.GraphModule:
    """The graph as something that runs, with everything it calls one name away."""
    root: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            name = "_".join((f"of{len(root)}", *str(node.target).split(".")))
            root[name] = modules[node.target] if node.op == "call_module" else values[node.target]
            node.target = name
    graph.lint()
    return fx.GraphModule(root, graph)


def _fetch(model: nn.Module, target: str) -> Any:
    value: Any = model
    for name in target.split("."):
        value = getattr(value, name)
    return value


def _kind(value: object) -> object:
    """What tracing depends on: that it is a tensor, or what it is."""
    return Tensor if isinstance(value, Tensor) else (type(value), value)


_UNKNOWN = object()
