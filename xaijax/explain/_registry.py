"""Methods, what a caller must know to use them, and the decorator that makes them.

`explainer` turns a pure function `(classifier, images, labels, *, options) -> maps` into a public method and enters it
in `METHODS`: a new method is one file, and one import line in the `__init__` of its family. What it makes

* checks the options by their annotations, and the batch by its shapes, before any work;
* scales integer images to [0, 1];
* rewrites what XLA does slowly on the CPU (`xaijax._cpu`), and compiles. Options that are arrays (a baseline, a key,
  masks) are operands of the compiled program; all others are part of it.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _cpu, _names, _options
from xaijax._errors import InputError
from xaijax.classifier import Classifier, to_float
from xaijax.explain import _chunk
from xaijax.explain._method import as_key, check_batch, is_array

BLACK_BOX = ("perturbation", "control")  # families that need predictions alone, or nothing
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Method:
    """A method, and what a caller must know to use it.

    Attributes:
        name: the name on the command line, that of the function.
        function: `(classifier, images, labels, *, options) -> maps [B, H, W]`.
        family: `"cam"`, `"gradient"`, `"perturbation"`, `"region"` or `"control"`.
        needs: any of `"layer"` (a classifier with layers), `"head"`, `"biases"`, `"relu"`, `"attention"` (what the
            classifier must give), `"rescale"` (operations with a rule of DeepLIFT's), `"gradient"` (a perturbation
            method that a black box does not allow), `"masks"` (an option that must be given), `"key"` (random numbers;
            the option has a default).
        signed: whether raw maps can be negative with default options, as evidence against the class.
        cost: model passes per image with default options and a 224 x 224 image, in forward passes (a backward pass
            through the whole model counts 2); NaN where it depends on the layer.
        host: whether it works on the host, so that it cannot be traced (`jit`, `vmap`, `grad`).
        options: keyword options and their defaults.
        kinds: keyword options and their annotations, as `xaijax._options` reads them.
        summary: one line.
        per: what of the layer needs a pass each, `"channel"` or `"position"`, where `cost` is NaN.

    Example:
        >>> METHODS["grad_cam"].family, METHODS["grad_cam"].cost, METHODS["grad_cam"].postprocess_steps()
        ('cam', 1, 'relu+minmax')
    """

    name: str
    function: Callable[..., Any]
    family: str
    needs: frozenset[str]
    signed: bool
    cost: float
    host: bool
    options: Mapping[str, Any] = field(compare=False)
    kinds: Mapping[str, Any] = field(compare=False)
    summary: str
    per: str = "channel"

    @property
    def single_pass(self) -> bool:
        """Whether a forward pass or two and a backward pass make the maps: the images of a call are then one batch."""
        return self.cost <= 4

    def postprocess_steps(self) -> str:
        """The usual steps for `postprocess`: `"abs+minmax"` for signed gradient maps, `"relu+minmax"` for other signed
        maps, where negative is evidence against the class, `"minmax"` for the rest."""
        if not self.signed:
            return "minmax"
        return "abs+minmax" if self.family == "gradient" else "relu+minmax"

    def evidence(self, maps: np.ndarray) -> np.ndarray:
        """Raw maps as evidence, where higher means more important.

        Signed gradient maps count by magnitude, as in PAIR and the medical study. All others keep their sign, since
        negative is evidence against the class: class activation maps, regions (XRAI) and occlusion. A ReLU would tie
        all negative pixels, and a tie reveals them all at once.

        Args:
            maps: `[..., H, W]`, raw.

        Returns:
            `[..., H, W]`, in the unit of the maps.

        Example:
            >>> METHODS["integrated_gradients"].evidence(np.array([[-2.0, 1.0]])).tolist()
            [[2.0, 1.0]]
        """
        return np.abs(maps) if self.signed and self.family == "gradient" else maps

    def maps(
        self, classifier: Classifier, images: Any, labels: Any, *, seed: int = 0, batch_size: int = 64, **options: Any
    ) -> np.ndarray:
        """Raw maps on the host, with the settings of a run.

        Methods that perturb each image many times get one image per call: what fits into one batch then needs no loop
        inside the compiled program, and on the CPU XLA runs convolutions several times slower inside a loop.

        Args:
            classifier: a classifier that has what the method needs.
            images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
            labels: `[B]` int class indices, or None for the predicted class.
            seed: of the key, where the method draws random numbers.
            batch_size: most images in flight, where the method has the option.
            **options: the method's own; they win over `seed` and `batch_size`.

        Returns:
            `[B, H, W]` float32.

        Example:
            >>> import jax, numpy as np
            >>> from xaijax.classifier import Classifier
            >>> model = Classifier.from_function(
            ...     lambda w, x: x.mean((1, 2)) @ w, jax.numpy.eye(3), input_shape=(8, 8, 3)
            ... )
            >>> METHODS["rise"].maps(model, np.zeros((2, 8, 8, 3)), np.array([0, 1]), count=5, seed=1).shape
            (2, 8, 8)
        """
        given: dict[str, Any] = {"key": jax.random.key(seed)} if "key" in self.options else {}
        if "batch_size" in self.options:
            given["batch_size"] = batch_size
        given |= options
        step = len(images) if self.single_pass else 1
        made = []
        for start in range(0, len(images), step):
            rows = slice(start, start + step)
            some = self.function(classifier, images[rows], None if labels is None else labels[rows], **given)
            made.append(np.asarray(some))
        return np.concatenate(made)

    def refusal(self, classifier: Classifier) -> str | None:
        """Why the method cannot explain a classifier, in one sentence, or None where it can.

        Some classifiers have no layers, dense head, biases, ReLUs or attention. Nothing runs: the method is traced.

        Example:
            >>> import jax
            >>> from xaijax.classifier import Classifier
            >>> model = Classifier.from_function(
            ...     lambda w, x: x.mean((1, 2)) @ w, jax.numpy.eye(3), input_shape=(8, 8, 3)
            ... )
            >>> METHODS["gradient"].refusal(model), "without layers" in METHODS["grad_cam"].refusal(model)
            (None, True)
        """
        if classifier.network.host and (self.family not in BLACK_BOX or "gradient" in self.needs):
            *most, last = methods(family="perturbation", without="gradient")
            return (
                f"{self.name} needs a model whose layers or gradients are known; a black box gives predictions alone: "
                f"use {', '.join(most)} or {last}"
            )
        if not self.needs - {"key", "gradient"}:
            return None
        image = jax.ShapeDtypeStruct((1, *classifier.input_shape), np.float32)
        label = jax.ShapeDtypeStruct((1,), np.int32)
        try:  # the method itself knows best
            jax.eval_shape(self.function, classifier, image, label)
        except ValueError as error:
            return " ".join(str(error).split())
        return None

    def allowed_by(self, classifier: Classifier) -> bool:
        """Whether the method can explain a classifier; `refusal` says why not."""
        return self.refusal(classifier) is None


_METHODS: dict[str, Method] = {}
METHODS: Mapping[str, Method] = MappingProxyType(_METHODS)
"""All methods by name, in the order in which the families and their methods are imported."""


def methods(*, family: str | None = None, needs: str | None = None, without: str | None = None) -> tuple[str, ...]:
    """Names of the methods that fit, in the order of `METHODS`.

    Args:
        family: those of one family; `"control"`: maps that ignore the model.
        needs: those whose `needs` hold this, such as `"key"` (random numbers) or `"masks"`.
        without: those whose `needs` do not hold this: `without="masks"` for all that explain an image alone.

    Returns:
        Names, all of them without a condition.

    Example:
        >>> methods(family="control", without="masks")
        ('random', 'sobel', 'center_gaussian')
    """
    return tuple(
        name
        for name, method in METHODS.items()
        if family in (None, method.family)
        and (needs is None or needs in method.needs)
        and (without is None or without not in method.needs)
    )


def refusals(classifier: Classifier) -> dict[str, str | None]:
    """Which methods can explain a classifier: for each that needs no masks None, or its `Method.refusal`.

    Nothing runs. Methods that need the same things of the model are traced once where the first of them accepts it.

    Args:
        classifier: any; its parameters may be shapes alone (`jax.ShapeDtypeStruct`).

    Returns:
        `{method: sentence or None}`, in the order of `METHODS`.

    Example:
        >>> import jax
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(
        ...     lambda w, x: x.mean((1, 2)) @ w, jax.numpy.eye(3), input_shape=(8, 8, 3)
        ... )
        >>> found = refusals(model)
        >>> found["rise"], found["grad_cam"][:35]
        (None, 'a default layer cannot be had from ')
    """
    accepted: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, str | None] = {}
    for name in methods(without="masks"):
        method = METHODS[name]
        kind = (method.family, method.needs)
        found[name] = None if kind in accepted else method.refusal(classifier)
        if found[name] is None:
            accepted.add(kind)
    return found


class _Operand:
    """Marks the place of an array among the static options."""


def options_of(function: Callable[..., Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The keyword options of a function: `{name: default}` and `{name: annotation}`."""
    parameters = inspect.signature(function).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    hints = typing.get_type_hints(function, include_extras=True)
    return MappingProxyType(defaults), MappingProxyType({name: hints[name] for name in defaults})


def checked(function: Callable[P, R], *, host: bool = False) -> Callable[P, R]:
    """A pure map function with its arguments checked, compiled (see the module); not compiled with `host=True`.

    `explainer` does this too. On its own it is for functions that are not methods, such as those that return two
    results.
    """
    defaults, kinds = options_of(function)

    def run(layout: Any, static: tuple, classifier: Any, images: Any, labels: Any, arrays: list) -> Any:
        operands = iter(arrays)
        leaves = [next(operands) if leaf is _Operand else leaf for leaf in static]
        options = jax.tree.unflatten(layout, leaves)
        return function(classifier, to_float(images).astype(jnp.float32), labels, **options)

    run.__name__ = function.__name__  # the name in profiles and in the HLO
    compiled = _cpu.jit(run, static_argnums=(0, 1))

    @functools.wraps(function)
    def method(classifier: Any, images: Any, labels: Any = None, **options: Any) -> Any:
        options = {**defaults, **_options.check_all(function.__name__.strip("_"), options, kinds)}
        if "key" in options:
            options["key"] = as_key(options["key"])  # an operand: another seed is not another program
        images, labels = check_batch(classifier, images, labels)
        if host:
            return function(classifier, to_float(images).astype(jnp.float32), labels, **options)
        if classifier.network.host:
            with _chunk.on_host():
                given: Any = None if labels is None else jnp.asarray(labels)
                return function(classifier, to_float(images).astype(jnp.float32), given, **options)
        # None is a value here, not an empty subtree.
        leaves, layout = jax.tree.flatten(options, is_leaf=lambda x: x is None)
        static = tuple(_Operand if is_array(leaf) else leaf for leaf in leaves)
        return compiled(layout, static, classifier, images, labels, [leaf for leaf in leaves if is_array(leaf)])

    return method  # type: ignore[return-value]


def explainer(
    *,
    family: str,
    cost: float,
    needs: Iterable[str] = (),
    signed: bool = False,
    host: bool = False,
    per: str = "channel",
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a pure map function a public method, and enters it in `METHODS` (see the module).

    Args:
        family: as in `Method`, like the others.
        cost: as there.
        needs: as there.
        signed: as there.
        host: as there; such a method is not compiled.
        per: as there.

    Raises:
        InputError: for a name that another method has.
    """

    def enter(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        if name in _METHODS:
            raise InputError(f"there is a method {name!r} already, in {_METHODS[name].function.__module__}")
        public = checked(function, host=host)
        summary = (function.__doc__ or "").strip().splitlines()[0]
        defaults, kinds = options_of(function)
        needed = frozenset(needs)
        _METHODS[name] = Method(name, public, family, needed, signed, cost, host, defaults, kinds, summary, per)
        return public

    return enter


def explain(
    name: str, classifier: Classifier, images: Any, labels: Any = None, *, check: bool = False, **options: Any
) -> jax.Array:
    """Maps of a method by its name.

    `METHODS[name].function(classifier, images, labels, **options)`, and with `check=True` a look at the numbers.

    Args:
        name: one of `METHODS`, as people write it: `"grad_cam"`, `"Grad-CAM"`.
        classifier: a classifier that has what `METHODS[name].needs` says.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        check: run the model again and look for NaN and infinity in images, logits and maps (waits for the device).
        **options: the method's own; see `METHODS[name].options`.

    Returns:
        `[B, H, W]` float32, raw: signed where the method is signed.

    Raises:
        InputError: for an unknown name, an option that the method does not have and a value that it does not allow,
            and with `check=True` for numbers that are not finite, naming the images.

    Example:
        >>> import jax, numpy as np
        >>> from xaijax.classifier import Classifier
        >>> params = jax.numpy.eye(3)
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, params, input_shape=(8, 8, 3))
        >>> explain("Input x Gradient", model, np.zeros((2, 8, 8, 3), np.uint8)).shape
        (2, 8, 8)
    """
    name = _names.match("method", name, METHODS)
    method = METHODS[name]
    if not check:
        return method.function(classifier, images, labels, **options)
    unit = to_float(check_batch(classifier, images, labels)[0])
    _check_finite("images", unit)
    _check_finite("logits", logits_of(classifier, unit))
    maps = method.function(classifier, images, labels, **options)
    _check_finite(f"maps of {name}", maps)
    return maps


def logits_of(classifier: Classifier, images: Any) -> jax.Array:
    """Logits of images that were checked; compiled where the classifier is."""
    unit = to_float(images)
    return classifier.logits(classifier.params, unit) if classifier.network.host else _compiled_logits(classifier, unit)


@jax.jit
def _compiled_logits(classifier: Classifier, images: jax.Array) -> jax.Array:
    return classifier.logits(classifier.params, images)


def _check_finite(what: str, values: Any) -> None:
    values = np.asarray(values)
    bad = np.flatnonzero(~np.isfinite(values.reshape(values.shape[0], -1)).all(1))
    if bad.size:
        named = ", ".join(map(str, bad[:10])) + (" ..." if bad.size > 10 else "")
        raise InputError(
            f"{what} must be finite; NaN or infinity for image {named} of the batch ({bad.size} of {values.shape[0]})"
        )
