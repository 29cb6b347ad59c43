"""What a model must offer to a classifier, and the recorder that taps its layers while it runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._network import grids

Array = Any  # a JAX array or tracer
Role = Literal["conv", "norm", "attention"]


def zeros(shape: tuple[int, ...], like: Array, dtype: Any = jnp.float32) -> Array:
    """Zeros that vary over the same mesh axes as `like`.

    Inside `shard_map` a plain `jnp.zeros` counts as replicated: a scan carry of it is refused, and a gradient with
    respect to it would be summed over the devices.
    """
    anchor = jnp.zeros_like(like, dtype=dtype).ravel()[0]
    return jnp.broadcast_to(anchor, shape)


class UnsupportedError(ValueError):
    """A method was asked for something that this kind of model cannot give."""


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Args:
        name: what the user calls it.
        path: of the module.
        shape: of the output without the batch axis; None where it is not one floating array with the batch in front,
            so that it cannot be tapped.
        dtype: of the output.
        role: what kind of layer it is, where that matters.
        epsilon: of a batch norm.
        prefix: class and register tokens in front of the token grid that `shape` shows; None where it shows none.
    """

    name: str
    path: str
    shape: tuple[int, ...] | None
    dtype: Any = None
    role: Role | None = None
    epsilon: float | None = None
    prefix: int | None = None


class Recorder:
    """Sees every layer's output of one forward pass, adds offsets and keeps the activations that were asked for.

    A layer called once is named by its path; the calls of a layer that runs several times are `path@0`, `path@1`.
    """

    def __init__(
        self,
        size: tuple[int, int],
        taps: Mapping[str, Array | None] | None = None,
        replace: Mapping[str, Array] | None = None,
    ) -> None:
        self.size = size
        self.everything = taps is None and replace is None
        self.taps = dict(taps or {})
        self.replace = dict(replace or {})
        self.counts: dict[str, int] = {}
        self.outputs: dict[str, Any] = {}  # by "path@i", in the order in which the calls ended
        self.notes: dict[str, tuple[Role | None, float | None]] = {}

    @property
    def paths(self) -> set[str]:
        """Paths of the modules that are asked for."""
        return {call_path(name) for name in (*self.taps, *self.replace)}

    def note(self, path: str, role: Role | None, epsilon: float | None = None) -> None:
        """Remember what kind of layer is at `path`."""
        self.notes[path] = (role, epsilon)

    def __call__(self, path: str, output: Any) -> Any:
        """Take the output of one call of the layer at `path`; returns what the model continues with."""
        index = self.counts.get(path, 0)
        self.counts[path] = index + 1
        key = f"{path}@{index}"
        if self.everything:
            self.outputs[key] = output
            return output
        asked = [name for name in (path, key) if name in self.taps or name in self.replace]
        if not asked:
            return output
        if not tappable(output):
            raise UnsupportedError(
                f"layer {path!r} returns {describe(output)}, not one array with the batch in front; tap another layer"
            )
        view = grids.view(output, self.size)
        self.outputs[key] = view.array
        for name in asked:
            if name in self.replace:
                output = view.replaced(jnp.asarray(self.replace[name], view.array.dtype), name)
            elif self.taps[name] is not None:
                output = view.shifted(jnp.asarray(self.taps[name], view.array.dtype), name)
        return output

    def activations(self) -> dict[str, Array]:
        """What was asked for, by the names that were used; refuses what did not run or ran several times."""
        found = {}
        for name in (*self.taps, *self.replace):
            path = call_path(name)
            count = self.counts.get(path, 0)
            if count > 1 and name == path:
                raise ValueError(
                    f"layer {name!r} runs {count} times in this model; name one of its calls, "
                    f"{path + '@0'!r} to {path + f'@{count - 1}'!r}"
                )
            key = name if "@" in name else f"{name}@0"
            if key not in self.outputs:
                raise ValueError(f"layer {name!r} did not run in this model; see classifier.layers() for those that do")
            found[name] = self.outputs[key]
        return found

    def calls(self, batch: int) -> tuple[Call, ...]:
        """Every call seen, in the order in which the outputs came."""
        found = []
        for key, output in self.outputs.items():
            path = call_path(key)
            shape, dtype, prefix = None, None, None
            if tappable(output) and output.shape[0] == batch:
                view = grids.view(output, self.size)
                shape, dtype, prefix = view.array.shape[1:], output.dtype, view.prefix
            name = path if self.counts[path] == 1 else key
            found.append(Call(name, path, shape, dtype, *self.notes.get(path, (None, None)), prefix))
        return tuple(found)


class Network:
    """A model as pure functions of a parameter pytree. Subclasses are hashable and say how it runs."""

    kind: ClassVar[str] = "a model"
    has_layers: ClassVar[bool] = True
    host: ClassVar[bool] = False  # whether it runs on the host, outside compiled programs

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        """`[B, H, W, C]` preprocessed images -> logits `[B, K]`, with `recorder` seeing the layers."""
        raise NotImplementedError

    def layer_reason(self, layer: str) -> str | None:
        """Why a layer that was chosen when the model was made is the default one, where that is known."""
        return None

    def biases(self, params: Any, calls: tuple[Call, ...]) -> dict[str, Array]:
        """Layer name -> the constant that this layer adds to its output, `[C]`."""
        raise UnsupportedError(f"biases need the layers of a model; a classifier made from {self.kind} hides them")

    def trained_leaves(self, params: Any) -> list[Array]:
        """The leaves that a training changes: all of them, but for batch statistics where they are known to be such."""
        return jax.tree.leaves(params)

    def owners(self, params: Any) -> dict[str, Any]:
        """Path of a layer -> the part of the parameter pytree that it owns."""
        raise UnsupportedError(
            f"parameter groups need the layers of a model; a classifier made from {self.kind} hides them"
        )

    def optimized(self, params: Any, dtype: Any) -> tuple["Network", Any]:
        """A faster network of the same layers, and its parameters; `dtype`: what it computes in, None for as before."""
        raise UnsupportedError(
            f"an NNX module or a converted graph can be optimized; this classifier is made from {self.kind}"
        )


def call_path(name: str) -> str:
    """`"block@1"` -> `"block"`."""
    return re.sub(r"@\d+$", "", name)


def tappable(output: Any) -> bool:
    """True for one floating array of two axes or more."""
    return (
        isinstance(output, jax.Array | jax.ShapeDtypeStruct | np.ndarray)
        and output.ndim >= 2
        and jnp.issubdtype(output.dtype, jnp.floating)
    )


def describe(output: Any) -> str:
    """A few words about a value for an error message."""
    if hasattr(output, "shape") and hasattr(output, "dtype"):
        return f"{output.dtype}{list(output.shape)}"
    return f"a {type(output).__name__}"


def check_logits(logits: Any, batch: int) -> Array:
    """The model's output if it is `[B, K]`, else one sentence."""
    if not isinstance(logits, jax.Array | jax.ShapeDtypeStruct) or logits.ndim != 2 or logits.shape[0] != batch:
        raise ValueError(
            f"the model must return logits [B, K]; got {describe(logits)}: give select=, a function that picks them"
        )
    return logits


def inference_arguments(parameters: Mapping[str, Any]) -> dict[str, bool]:
    """Keyword arguments that put a model into inference mode, for those names that its call has."""
    names = {
        "train": False,
        "training": False,
        "is_training": False,
        "deterministic": True,
        "use_running_average": True,
    }
    return {name: value for name, value in names.items() if name in parameters}
