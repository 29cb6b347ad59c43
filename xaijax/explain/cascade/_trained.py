"""The retrained form: K classifiers, each trained on what the rounds before left, as one object that explains."""

import dataclasses
import functools
import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _cpu
from xaijax._errors import InputError
from xaijax.classifier import Classifier, to_float
from xaijax.explain._method import check_batch, resolve_labels
from xaijax.explain._registry import METHODS
from xaijax.explain.cascade import _steps as steps
from xaijax.explain.cascade.thresholds import apply_threshold


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["classifier", "params"],
    meta_fields=["base", "scale", "threshold", "theta", "decay", "seed"],
)
@dataclass(frozen=True)
class Cascade:
    """A trained cascade: K parameter sets of one architecture. A pytree, whose children are the parameters.

    Attributes:
        classifier: the classifier of round 0, trained on the intact images.
        params: the parameters of all rounds, stacked: leaves `[K, ...]`.
        base: K names of base methods.
        scale: `"mm"` or `"raw"`, of the maps before the threshold.
        threshold: usual threshold, see `xaijax.explain.cascade.thresholds`.
        theta: θ of the training. Every model sees the intact image, so it changes no explanation.
        decay: usual λ.
        seed: of the keys of random base methods.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> params = jnp.array([[[4.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [4.0, 4.0]]])  # two rounds
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, params[0], input_shape=(1, 3, 2)
        ... )
        >>> trained = Cascade(model, params, ("grad_cam", "grad_cam"))
        >>> image = jnp.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])
        >>> trained.explain(image, 0, threshold="top_k:30", decay=0.0).tolist()
        [[[0.5, 0.5, 0.0]]]
    """

    classifier: Classifier
    params: Any
    base: tuple[str, ...]
    scale: str = "mm"
    threshold: str = "top_k:10"
    theta: float = 2.0
    decay: float = 0.1
    seed: int = 0

    @property
    def rounds(self) -> int:
        """K."""
        return len(self.base)

    def round(self, number: int) -> Classifier:
        """The classifier of round `number`, from 0."""
        if not 0 <= number < self.rounds:
            raise InputError(f"round must be from 0 to {self.rounds - 1}; got {number}")
        return self.classifier.with_params(jax.tree.map(lambda leaf: leaf[number], self.params))

    def prefix(self, rounds: int) -> "Cascade":
        """The cascade of the first rounds alone: round k depends on no later one."""
        if not 1 <= rounds <= self.rounds:
            raise InputError(f"rounds must be from 1 to {self.rounds}, which were trained; got {rounds}")
        params = jax.tree.map(lambda leaf: leaf[:rounds], self.params)
        return dataclasses.replace(self, params=params, base=self.base[:rounds])

    def maps(self, images: Any, labels: Any = None, *, batch_size: int = 32) -> jax.Array:
        """The rounds' maps of intact images, before the threshold.

        Args:
            images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
            labels: `[B]` int class indices, or None for the class that round 0 predicts.
            batch_size: most images in one pass.

        Returns:
            `[K, B, H, W]` float32, in [0, 1] with `scale="mm"`, else in the unit of the base maps.
        """
        images, labels = check_batch(self.classifier, images, labels)
        if any(METHODS[name].host for name in self.base):  # which cannot be compiled
            given = self._options(batch_size)
            if labels is None:
                labels = np.zeros(len(images), np.int32)  # of a regression its first output
                if self.classifier.output != "regression":
                    labels = np.asarray(self.classifier.predict(images)).argmax(1).astype(np.int32)
            found = [
                steps.base_map(name, self.round(k), images, labels, self.scale, given[name])
                for k, name in enumerate(self.base)
            ]
            return jnp.stack(found)
        return _stacked(batch_size, self, images, labels)

    def explain(
        self,
        images: Any,
        labels: Any = None,
        *,
        threshold: str | None = None,
        decay: float | None = None,
        batch_size: int = 32,
    ) -> jax.Array:
        """`Σ_k w_k mm(TH(map_k))` of intact images; threshold and λ can differ from those of the training.

        Args:
            images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
            labels: `[B]` int class indices, or None for the class that round 0 predicts.
            threshold: default: that of the training.
            decay: λ; default: that of the training.
            batch_size: most images in one pass.

        Returns:
            `[B, H, W]` float32 in [0, 1].

        Raises:
            InputError: for an unknown threshold or a negative λ.
        """
        threshold = self.threshold if threshold is None else threshold
        decay = self.decay if decay is None else decay
        steps.check_settings(self.rounds, threshold, self.theta, decay, self.scale)
        return explain_maps(self.maps(images, labels, batch_size=batch_size), threshold, decay)

    def _options(self, batch_size: int) -> dict[str, dict[str, Any]]:
        """Options of every base method: the batch size, and a key where it draws numbers."""
        key = {"key": jax.random.key(self.seed)}
        return {
            name: {"batch_size": batch_size} | (key if "key" in METHODS[name].needs else {}) for name in set(self.base)
        }


@functools.partial(jax.jit, static_argnums=(1, 2))
def explain_maps(maps: jax.Array, threshold: str, decay: float) -> jax.Array:
    """The explanation `[B, H, W]` from the rounds' maps `[K, B, H, W]`."""
    return steps.combine(apply_threshold(maps, threshold)[0], decay)


def _scan(batch_size: int, trained: Cascade, images: jax.Array, labels: jax.Array | None) -> jax.Array:
    """The maps of all rounds. Models of equal base methods are one scan over their parameters: a `vmap` over the
    kernels of convolutions is several times slower on the CPU."""
    images = to_float(images).astype(jnp.float32)
    target = resolve_labels(trained.classifier, images, labels, batch_size)
    given = trained._options(batch_size)
    parts, start = [], 0
    for name, group in itertools.groupby(trained.base):
        count = len(list(group))
        own = jax.tree.map(lambda leaf, a=start, b=start + count: leaf[a:b], trained.params)

        def one(_: None, params: Any, name: str = name) -> tuple[None, jax.Array]:
            model = trained.classifier.with_params(params)
            return None, steps.base_map(name, model, images, target, trained.scale, given[name])

        parts.append(jax.lax.scan(one, None, own)[1])
        start += count
    return jnp.concatenate(parts)


_stacked = _cpu.jit(_scan, static_argnums=0)
