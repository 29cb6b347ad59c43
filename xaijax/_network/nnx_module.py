"""Any `flax.nnx` module, by surgery on a split and merged copy: the user's model is never touched.

The module is split once into its static graph and its arrays. Each call merges a fresh copy inside the current
trace and gives the modules that are to be tapped a subclass of their own class whose `__call__` shows its output to
the recorder. `nnx.capture` does the like by patching the classes themselves, which other threads would see, and
needs variables that persist between calls, which fail under `jit(grad)`.

This is the one file that may rely on how `flax.nnx` represents modules.
"""

import contextvars
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from xaijax._network.base import Array, Call, Network, Recorder, Role, check_logits, inference_arguments
from xaijax._network.trees import Path, flatten, get, put

# Modules to tap in the forward pass that runs now: id -> path, and the recorder. Modules that a nested transformation
# (scan, remat) merges again have other ids, so their tracers cannot leak into the recorder.
_active: contextvars.ContextVar[tuple[dict[int, str], Recorder] | None] = contextvars.ContextVar(
    "xaijax_nnx_taps", default=None
)
_tapped_classes: dict[type, type] = {}


class Constant:
    """An array that is no parameter (a random key, an index table): static, compared by value."""

    def __init__(self, value: Any) -> None:
        self.is_key = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        if self.is_key:
            self.implementation = str(jax.random.key_impl(value))
            value = jax.random.key_data(value)
        self.array = np.asarray(value)
        self._key = (self.array.tobytes(), self.array.shape, str(self.array.dtype), self.is_key)

    def value(self) -> Array:
        """The array again."""
        if self.is_key:
            return jax.random.wrap_key_data(jnp.asarray(self.array), impl=self.implementation)
        return jnp.asarray(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@dataclass(frozen=True, eq=False)
class NNXNetwork(Network):
    """A module's static graph, and where each array of its state comes from."""

    graphdef: Any
    treedef: Any
    sources: tuple[Path | Constant, ...]  # per leaf of the state: a path in the parameters, or a constant
    arguments: tuple[tuple[str, Any], ...]
    output: Callable[[Any], Any] | None

    kind = "an nnx module"

    @cached_property
    def _key(self) -> Any:
        key = (self.graphdef, self.treedef, self.sources, self.arguments, self.output)
        try:
            hash(key)
        except TypeError:  # a module with an unhashable static attribute is equal to itself alone
            return object()
        return key

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, NNXNetwork) and bool(self._key == other._key))

    def __hash__(self) -> int:
        return self._hash

    def merge(self, params: Mapping[str, Any]) -> nnx.Module:
        """The module with these parameters, a copy of its own."""
        leaves = [source.value() if isinstance(source, Constant) else get(params, source) for source in self.sources]
        return nnx.merge(self.graphdef, jax.tree.unflatten(self.treedef, leaves))

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        module = self.merge(params)
        paths = {}
        modules = [(join(path), child) for path, child in nnx.iter_modules(module) if path]
        for path, child in modules:
            if callable(child) and (recorder.everything or path in recorder.paths):
                paths[id(child)] = path
                recorder.note(path, _role(child))
                object.__setattr__(child, "__class__", tapped_class(type(child)))
        token = _active.set((paths, recorder))
        try:
            result = module(images, **dict(self.arguments))
        finally:
            _active.reset(token)
        return result if self.output is None else self.output(result)

    def biases(self, params: Any, calls: tuple[Call, ...]) -> dict[str, Array]:
        modules = {join(path): module for path, module in nnx.iter_modules(self.merge(params))}
        found = {}
        for call in calls:
            bias = _bias(modules[call.path])
            if bias is not None and call.shape is not None and call.shape[-bias.ndim :] == bias.shape:
                found[call.name] = bias
        return found

    @cached_property
    def trained(self) -> dict[Path, bool]:
        """Path of each array of the parameters -> True for what an optimiser changes, False for batch statistics."""
        state = jax.tree.unflatten(self.treedef, self.sources)
        variables = [variable for _, variable in nnx.to_flat_state(state)]
        return {
            source: isinstance(variable, nnx.Param)
            for source, variable in zip(self.sources, variables, strict=True)
            if not isinstance(source, Constant)
        }

    def trained_leaves(self, params: Any) -> list[Array]:
        return [get(params, path) for path, moves in self.trained.items() if moves]

    def owners(self, params: Any) -> dict[str, Any]:
        groups: dict[str, Any] = {}
        for source in self.sources:
            if not isinstance(source, Constant):
                put(groups.setdefault(".".join(source[:-1]), {}), source, get(params, source))
        return groups

    def optimized(self, params: Any, dtype: Any) -> tuple[Network, Any]:
        from xaijax._network import fold  # which needs this module

        return fold.optimized(self, params, dtype)


def split(
    module: nnx.Module,
    *,
    arguments: Mapping[str, Any] | None = None,
    output: Callable[[Any], Any] | None = None,
) -> tuple[NNXNetwork, dict[str, Any]]:
    """A module -> its network in inference mode, and its parameters as nested dictionaries of arrays.

    Floating arrays are parameters (batch statistics too); others become constants of the network.
    """
    if not isinstance(module, nnx.Module):
        raise TypeError(f"module must be a flax.nnx.Module; got a {type(module).__name__}")
    if not callable(module):
        raise TypeError(f"module must be callable; {type(module).__name__} has no __call__")
    copy = nnx.merge(*nnx.split(module))
    set_mode(copy, training=False)
    graphdef, state = nnx.split(copy)
    params: dict[str, Any] = {}
    sources: list[Path | Constant] = []
    leaves, treedef = jax.tree_util.tree_flatten_with_path(state)
    for keys, leaf in leaves:
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            path = _leaf_path(keys)
            put(params, path, leaf)
            sources.append(path)
        else:
            sources.append(Constant(leaf))
    signature = inspect.signature(type(module).__call__).parameters
    given = inference_arguments(signature) | dict(arguments or {})
    return NNXNetwork(graphdef, treedef, tuple(sources), tuple(sorted(given.items())), output), params


def float_state(module: nnx.Module) -> dict[str, Any]:
    """A module's floating arrays as nested dictionaries: the parameters that `split` gives, without a network."""
    params: dict[str, Any] = {}
    for keys, leaf in jax.tree_util.tree_leaves_with_path(nnx.state(module)):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            put(params, _leaf_path(keys), leaf)
    return params


def trainable(network: NNXNetwork, params: Any) -> dict[str, Any]:
    """Nested dictionaries like `params`: True for what an optimiser changes, False for batch statistics."""
    mask: dict[str, Any] = {}
    for path, _ in flatten(params):
        put(mask, path, network.trained[path])
    return mask


def apply_training(
    network: NNXNetwork, params: Any, images: Array, key: Any, *, dtype: Any = None, statistics: bool = True
) -> tuple[Array, dict[str, Any]]:
    """One forward pass in training mode: batch statistics from the batch, dropout by `key`.

    Args:
        network: the model.
        params: its parameters.
        images: `[B, H, W, C]`, preprocessed.
        key: of the dropout.
        dtype: that layers compute in and hand on, or None for that of the parameters. The parameters keep theirs, and
            batch norm takes means and variances in float32.
        statistics: False leaves batch norm in inference mode, its running statistics untouched.

    Returns:
        Logits `[B, K]`, and the parameters with the running statistics brought forward.
    """
    module = network.merge(params)
    set_mode(module, training=True)
    if dtype is not None:
        module.set_attributes(dtype=dtype, raise_if_not_found=False)
    if not statistics:
        module.set_attributes(use_running_average=True, raise_if_not_found=False)
    nnx.reseed(module, default=key, dropout=key)
    modes = set(inference_arguments(dict(network.arguments)))
    arguments = {name: (not value if name in modes else value) for name, value in network.arguments}
    logits = module(images, **arguments)
    logits = logits if network.output is None else network.output(logits)
    return check_logits(logits, images.shape[0]), float_state(module)


def batch_statistics(network: NNXNetwork, params: Any, images: Array) -> dict[str, Any]:
    """The parameters with the running statistics of every batch norm replaced by those of one batch.

    Nothing else is in training mode: dropout is off.
    """
    module = network.merge(params)
    for _, child in nnx.iter_modules(module):
        if isinstance(child, nnx.BatchNorm):
            child.use_running_average = False
            child.momentum = 0.0
    arguments = dict(network.arguments)
    if "use_running_average" in arguments:
        arguments["use_running_average"] = False
    module(images, **arguments)
    return float_state(module)


def set_mode(module: nnx.Module, *, training: bool) -> None:
    """Training or inference mode, also in modules that keep a flag of their own; changes the module."""
    (module.train if training else module.eval)()
    module.set_attributes(training=training, is_training=training, raise_if_not_found=False)


def _leaf_path(keys: Any) -> Path:
    return tuple(str(key.key) for key in keys if isinstance(key, jax.tree_util.DictKey))


def tapped_class(cls: type) -> type:
    """A subclass of a module's class whose `__call__` shows its output to the active recorder; made once."""
    if cls not in _tapped_classes:

        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            output = cls.__call__(self, *args, **kwargs)
            active = _active.get()
            if active is None or id(self) not in active[0]:
                return output
            return active[1](active[0][id(self)], output)

        names = {"__call__": __call__, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
        is_pytree = getattr(cls, "_pytree__is_pytree", True)
        _tapped_classes[cls] = type(cls)(cls.__name__, (cls,), names, pytree=is_pytree)
    return _tapped_classes[cls]


def join(path: tuple[Any, ...]) -> str:
    """`("blocks", 0, "conv")` -> `"blocks.0.conv"`."""
    return ".".join(str(part) for part in path)


def _role(module: nnx.Module) -> Role | None:
    kernel = getattr(module, "kernel", None)
    if isinstance(module, nnx.Conv | nnx.ConvTranspose) or getattr(kernel, "ndim", 0) == 4:
        return "conv"
    if isinstance(module, nnx.LayerNorm | nnx.RMSNorm):
        return "norm"
    return "attention" if "attention" in type(module).__name__.lower() else None


def _bias(module: nnx.Module) -> Array | None:
    """What a module adds to its output whatever the input: its bias; of batch norm, β - μ γ / sqrt(σ² + ε)."""
    bias = getattr(module, "bias", None)
    bias = None if bias is None or not hasattr(bias, "ndim") else jnp.asarray(bias)
    if not isinstance(module, nnx.BatchNorm):
        return bias
    scale = 1.0 if module.scale is None else jnp.asarray(module.scale)
    shift = -jnp.asarray(module.mean) * scale / jnp.sqrt(jnp.asarray(module.var) + module.epsilon)
    return shift if bias is None else bias + shift
