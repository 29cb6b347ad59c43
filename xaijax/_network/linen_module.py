"""Any `flax.linen` module, tapped through `flax.linen.intercept_methods`: nothing is added to the module."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from flax.core import unfreeze
from jax.extend import core

from xaijax._network.base import Array, Call, Network, Recorder, Role, inference_arguments
from xaijax._network.trees import flatten, put


@dataclass(frozen=True, eq=False)
class LinenNetwork(Network):
    """A module and the keyword arguments of its call; the parameters are its variables."""

    module: linen.Module
    arguments: tuple[tuple[str, Any], ...]
    output: Callable[[Any], Any] | None

    kind = "a linen module"

    @cached_property
    def _key(self) -> Any:
        key = (self.module, self.arguments, self.output)
        try:
            hash(key)
        except TypeError:  # a module with an unhashable attribute is equal to itself alone
            return object()
        return key

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, LinenNetwork) and bool(self._key == other._key))

    def __hash__(self) -> int:
        return hash(self._key)

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        level = core.get_opaque_trace_state()

        def intercept(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            output = call(*args, **kwargs)
            path = ".".join(context.module.path)
            # Inside a lifted transformation (scan, remat) the output belongs to another trace and must not get out.
            if context.method_name != "__call__" or not path or core.get_opaque_trace_state() != level:
                return output
            recorder.note(path, _role(context.module), getattr(context.module, "epsilon", None))
            return recorder(path, output)

        with linen.intercept_methods(intercept):
            result = self.module.apply(params, images, **dict(self.arguments))
        return result if self.output is None else self.output(result)

    def biases(self, params: Any, calls: tuple[Call, ...]) -> dict[str, Array]:
        found = {}
        for call in calls:
            own = _at(params.get("params", {}), call.path)
            statistics = _at(params.get("batch_stats", {}), call.path)
            bias = own.get("bias")
            if "mean" in statistics and "var" in statistics and call.epsilon is not None:
                factor = own.get("scale", 1.0) / jnp.sqrt(statistics["var"] + call.epsilon)
                bias = (0.0 if bias is None else bias) - statistics["mean"] * factor
            if bias is not None and call.shape is not None and call.shape[-bias.ndim :] == bias.shape:
                found[call.name] = bias
        return found

    def trained_leaves(self, params: Any) -> list[Array]:
        return jax.tree.leaves(params["params"])

    def owners(self, params: Any) -> dict[str, Any]:
        groups: dict[str, Any] = {}
        for path, leaf in flatten(params):
            put(groups.setdefault(".".join(path[1:-1]), {}), path, leaf)
        return groups


def wrap(
    module: linen.Module,
    variables: Mapping[str, Any],
    *,
    arguments: Mapping[str, Any] | None = None,
    output: Callable[[Any], Any] | None = None,
) -> tuple[LinenNetwork, dict[str, Any]]:
    """A module and its variables -> its network in inference mode, and its parameters as nested dictionaries."""
    if not isinstance(module, linen.Module):
        raise TypeError(f"module must be a flax.linen.Module; got a {type(module).__name__}")
    if "params" not in variables:
        raise ValueError(
            f'variables must have "params" (and "batch_stats" where there is batch norm), as module.init returns them; '
            f"got {', '.join(map(str, variables)) or 'nothing'}"
        )
    given = inference_arguments(inspect.signature(type(module).__call__).parameters) | dict(arguments or {})
    params = jax.tree.map(jnp.asarray, unfreeze(dict(variables)))
    return LinenNetwork(module, tuple(sorted(given.items())), output), params


def _role(module: linen.Module) -> Role | None:
    if isinstance(module, linen.Conv | linen.ConvTranspose | linen.ConvLocal):
        return "conv"
    if isinstance(module, linen.LayerNorm | linen.RMSNorm):
        return "norm"
    return "attention" if "attention" in type(module).__name__.lower() else None


def _at(tree: Any, path: str) -> dict[str, Any]:
    for part in path.split("."):
        tree = tree.get(part, {})
    return tree
