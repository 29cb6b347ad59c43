"""Classifiers made from the architectures of the registry.

The static half of a classifier (its network) is built abstractly and once for each architecture, class count and
input shape: creating, loading and training share it, so that they share compiled code too.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from xaijax._errors import InputError
from xaijax._network import nnx_module
from xaijax._outputs import Output, check_output
from xaijax.classifier import Architecture, Classifier
from xaijax.models.zoo._entry import Entry, entry
from xaijax.models.zoo.layers import drawing, shapes_only
from xaijax.preprocess import Preprocess, Style


def create(
    name: str,
    num_classes: int | None = None,
    input_shape: Sequence[int] | None = None,
    key: Any = 0,
    *,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | Style | None = None,
    output: Output = "softmax",
    **options: Any,
) -> Classifier:
    """A classifier with random weights.

    Args:
        name: one of `list_models()`, in any spelling ("ResNet-50").
        num_classes: K; default: as many as `classes`. A binary output has two classes and one logit.
        input_shape: (H, W, C) of the images; default: what the architecture is made for.
        key: JAX random key, or an integer seed.
        classes: K names; default "0", "1", ...
        preprocess: what its weights expect of pixels in [0, 1]; default: the architecture's usual style.
        output: what the logits mean, as in `Classifier`.
        **options: options of the architecture, such as `width` of `small_cnn`.

    Returns:
        The classifier.

    Raises:
        ValueError: for an unknown name or option, a size that the architecture cannot take, or no class count.

    Example:
        >>> from xaijax import models
        >>> model = models.create("small_cnn", 3, (64, 64, 1))
        >>> model.default_layer, model.layers()["top"]
        ('top', (8, 8, 96))
    """
    if num_classes is None:
        if classes is None:
            raise InputError("give num_classes or classes")
        num_classes = len(classes)
    if check_output(output) == "binary":
        if num_classes != 2:
            raise InputError(f"a binary output has two classes; got {num_classes}")
        num_classes = 1
    elif output == "softmax" and num_classes < 2:
        raise InputError(f"num_classes must be 2 or more for a softmax; got {num_classes}")
    made = _entry_checked(name, num_classes, input_shape, options)
    shape = made.input_shape if input_shape is None else image_shape(input_shape)
    architecture = Architecture(made.name, frozen(options))
    key = jax.random.key(key) if isinstance(key, int) else key
    params = _init(architecture, num_classes, shape)(key)
    usual = Preprocess.named(made.preprocess)
    return assemble(
        architecture,
        params,
        shape,
        classes or num_classes,
        preprocess or (grey(usual) if shape[2] == 1 else usual),
        output=output,
    )


def frozen(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Options as sorted pairs that can be hashed; lists, which JSON makes of tuples, become tuples again."""
    return tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in options.items()))


def grey(preprocess: Preprocess) -> Preprocess:
    """The same for one channel: mean and standard deviation averaged over the channels, exact where they are equal."""
    mean, std = float(np.mean(preprocess.mean)), float(np.mean(preprocess.std))
    return dataclasses.replace(preprocess, mean=(mean,), std=(std,), order="rgb")


def assemble(
    architecture: Architecture,
    params: Any,
    input_shape: tuple[int, int, int],
    classes: Sequence[str] | int,
    preprocess: Preprocess | str | None,
    *,
    output: Output = "softmax",
    thresholds: Sequence[float] | None = None,
) -> Classifier:
    """A classifier of an architecture with given parameters; `classes` are names, or the number of logits."""
    names = None if isinstance(classes, int) else list(classes)
    count = classes if isinstance(classes, int) else 1 if output == "binary" else len(classes)
    return Classifier.from_network(
        network(architecture, count, input_shape),
        params,
        input_shape=input_shape,
        classes=names,
        preprocess=Preprocess.named(preprocess) if isinstance(preprocess, str) else preprocess,
        layer=entry(architecture.name).layer,
        architecture=architecture,
        output=output,
        thresholds=thresholds,
    )


def network(architecture: Architecture, num_classes: int, input_shape: tuple[int, int, int]) -> nnx_module.NNXNetwork:
    """The network of an architecture; the same object for the same arguments."""
    return _abstract(architecture, num_classes, input_shape)[0]


def param_shapes(architecture: Architecture, num_classes: int, input_shape: tuple[int, int, int]) -> Any:
    """The shapes and dtypes of its parameters, as nested dictionaries of `jax.ShapeDtypeStruct`."""
    return _abstract(architecture, num_classes, input_shape)[1]


def _entry_checked(name: str, num_classes: int, input_shape: Sequence[int] | None, options: dict[str, Any]) -> Entry:
    found = entry(name)
    found.check(num_classes, found.input_shape if input_shape is None else image_shape(input_shape), options)
    return found


def image_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """(H, W, C), if it is one."""
    try:
        height, width, channels = (int(side) for side in input_shape)
    except (TypeError, ValueError):
        raise InputError(f"input_shape must be (H, W, C); got {input_shape!r}") from None
    return height, width, channels


def _module(architecture: Architecture, num_classes: int, input_shape: tuple[int, int, int], key: Any) -> nnx.Module:
    options = dict(architecture.options)
    found = _entry_checked(architecture.name, num_classes, input_shape, options)
    rngs = nnx.Rngs(params=key, dropout=0)  # a training seeds the dropout for every step
    rngs.params = _Keys(key, tag="params")  # type: ignore[attr-defined]  # streams are set by name
    return found.build(num_classes, input_shape, rngs, **options)


class _Keys(nnx.RngStream):
    """The keys of a `nnx.RngStream`, counted in Python.

    Flax counts with an array and asks for its sharding at every key; inside a trace JAX answers with an error that
    describes all that was traced so far. That is quadratic in the number of parameters: 20 s for a large network.
    """

    def __init__(self, key: Any, *, tag: str) -> None:
        super().__init__(key, tag=tag)
        self.taken = 0

    def __call__(self) -> Any:
        if not drawing():
            return self.key[...]
        key = jax.random.fold_in(self.key[...], self.taken)
        self.taken += 1
        return key


@functools.lru_cache(maxsize=64)
def _abstract(
    architecture: Architecture, num_classes: int, input_shape: tuple[int, int, int]
) -> tuple[nnx_module.NNXNetwork, Any]:
    with shapes_only():
        module = nnx.eval_shape(lambda: _module(architecture, num_classes, input_shape, jax.random.key(0)))
    graphdef, state = nnx.split(module)
    return nnx_module.split(nnx.merge(graphdef, jax.tree.map(_with_streams, state)))


def _with_streams(leaf: Any) -> Any:
    """The key and the counter of a random stream in place of abstract ones: they are no parameters."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key(0)
    return leaf if jnp.issubdtype(leaf.dtype, jnp.inexact) else jnp.zeros(leaf.shape, leaf.dtype)


@functools.lru_cache(maxsize=64)
def _init(architecture: Architecture, num_classes: int, input_shape: tuple[int, int, int]) -> Any:
    # A program that runs once: optimising it costs five times as long as running it (8 s of compilation or 1.6 s).
    return jax.jit(
        lambda key: nnx_module.float_state(_module(architecture, num_classes, input_shape, key)),
        compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True},
    )
