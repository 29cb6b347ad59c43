"""Training images that are changed on purpose, with the answer that follows from the change.

A network trained on images as they are may read the class off the background, and answers anything to the images that
perturbation metrics make. Three changes, each on a share of every batch, say otherwise:

* `counterfactual`: lesions change backgrounds, and the label follows the lesion. Within a batch the lesion of each such
  image goes to the background of the next one, so that two of them are a pair that swaps.
* `evidence_free`: no class is right, the target is the uniform distribution.
* `lesion_alone`: the lesion on a background without evidence; the label stays.

The other images may have a share of their pixels hidden (`hidden_pixels`), the label staying: what F-Fidelity
(`xaijax.metrics.f_fidelity`) fine-tunes a network with.

What is drawn follows from the seed, the epoch and the step.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._options import Range, check_fields
from xaijax.training import _evidence as evidence
from xaijax.training._augment import Augmentation
from xaijax.training._evidence import KINDS, Kind

Part = Annotated[float, Range(0, 1, without_high=True)]
"""A share of every batch."""

NO_CLASS = -1
"""The label of an image whose target is the uniform distribution."""

Exchange = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`(positions of backgrounds, positions of lesions) -> [n, H, W, C]`, exactly exchanged."""


@dataclass(frozen=True)
class Interventions:
    """How much of every batch is changed; the rest stays unchanged.

    Args:
        counterfactual: share with the lesion, and the label, of another image.
        evidence_free: share without evidence, whose target is the uniform distribution.
        lesion_alone: share that shows the lesion on a background without evidence.
        hidden_pixels: share of the pixels of all other images that become black at random.
        kinds: of images without evidence; they take turns, and one that is named twice has two.

    Raises:
        InputError: for a value outside its range, or shares that leave no image unchanged.

    Example:
        >>> Interventions(counterfactual=0.25, evidence_free=0.25).counts(32)
        (8, 8, 0)
        >>> Interventions(counterfactual=0.5, evidence_free=0.5)
        Traceback (most recent call last):
        xaijax._errors.InputError: counterfactual, evidence_free and lesion_alone are 1 together; it must be below 1
    """

    counterfactual: Part = 0.0
    evidence_free: Part = 0.0
    lesion_alone: Part = 0.0
    hidden_pixels: Part = 0.0
    kinds: tuple[Kind, ...] = KINDS

    def __post_init__(self) -> None:
        for name, value in check_fields(self).items():
            object.__setattr__(self, name, value)
        together = self.counterfactual + self.evidence_free + self.lesion_alone
        if together >= 1:
            raise InputError(
                f"counterfactual, evidence_free and lesion_alone are {together:g} together; it must be below 1"
            )
        if self.evidence_free and not self.kinds:
            raise InputError("kinds is empty; name one for the images without evidence, or leave evidence_free out")

    def __bool__(self) -> bool:
        return bool(self.counterfactual or self.evidence_free or self.lesion_alone or self.hidden_pixels)

    @property
    def need_masks(self) -> bool:
        """Whether lesion masks must be known, apart from exchanges that need none."""
        free = self.evidence_free > 0 and any(kind in evidence.NEED_MASKS for kind in self.kinds)
        return bool(self.counterfactual or self.lesion_alone or free)

    def counts(self, batch: int) -> tuple[int, int, int]:
        """How many images of a batch are counterfactual, without evidence, and lesions alone.

        Raises:
            InputError: for a share that is less than one image of a batch (two that exchange), or that all are.
        """
        found = []
        for name, least in (("counterfactual", 2), ("evidence_free", 1), ("lesion_alone", 1)):
            share = getattr(self, name)
            count = round(share * batch)
            if share and count < least:
                raise InputError(
                    f"{name} is {share:g}, which is {count} of the {batch} images of a batch; it must be at least "
                    f"{least}: use a larger share or a larger batch"
                )
            found.append(count)
        if sum(found) >= batch:
            raise InputError(f"no image of a batch of {batch} stays unchanged; use smaller shares or a larger batch")
        return found[0], found[1], found[2]


class Changed:
    """Batches with interventions.

    Args:
        interventions: how much of what.
        images: `[N, H, W, C]` by position, as `Trainer` takes them.
        labels: `[N]` int.
        masks: `[N, H, W]` bool of the lesions, by position likewise.
        has_mask: `[N]` bool, whether an image has a mask.
        augmentation: of training images, or None.
        exchange: exchanges lesions exactly, where the images were generated; None pastes them.

    Raises:
        InputError: for masks that are needed and not there.
    """

    def __init__(
        self,
        interventions: Interventions,
        images: Any,
        labels: np.ndarray,
        masks: Any,
        has_mask: np.ndarray | None,
        augmentation: Augmentation | None,
        exchange: Exchange | None = None,
    ) -> None:
        self.interventions = interventions
        self.images, self.labels, self.masks = images, labels, masks
        self.augmentation, self.exchange = augmentation, exchange
        known = np.zeros(len(labels), bool) if has_mask is None else np.asarray(has_mask, bool)
        self.with_lesion = np.flatnonzero(known)
        # A class none of whose images has a mask is one without lesions: its images can be backgrounds, and lend
        # nothing. Where others of the class have one, it is the mask that is missing.
        classes_with = np.unique(labels[known])
        self.usable = np.flatnonzero(known | ~np.isin(labels, classes_with))
        if interventions.need_masks and not len(self.with_lesion):
            raise InputError(
                "counterfactual, lesion_alone and the kinds removed and covered need lesion masks, and no training "
                "image has one"
            )

    def batch(self, positions: np.ndarray, rng: np.random.Generator, key: Any) -> tuple[Any, Any, Any]:
        """One batch.

        Args:
            positions: `[B]` of its images; the last of them are changed, or make way where they have no mask.
            rng: draws everything but the augmentation.
            key: JAX random key, of the augmentation of the images that are changed after it.

        Returns:
            Images `[B, H, W, C]`, labels `[B]` (`NO_CLASS` for the uniform distribution), and `[B]` bool: True where
            the augmentation is done already.
        """
        counterfactual, free, alone = self.interventions.counts(len(positions))
        rest = len(positions) - counterfactual - free - alone
        swapped = self._among(self.usable, positions[rest : rest + counterfactual], rng)
        kinds = self._kinds(free, rng)
        bare = positions[rest + counterfactual : rest + counterfactual + free].copy()
        needy = np.array([kind in evidence.NEED_MASKS for kind in kinds], bool)
        bare[needy] = self._among(self.with_lesion, bare[needy], rng)
        single = self._among(self.with_lesion, positions[len(positions) - alone :], rng)

        hidden = self.interventions.hidden_pixels
        parts = [self._hidden(positions[:rest], hidden, rng, key) if hidden else self.images[positions[:rest]]]
        if counterfactual:
            parts.append(self._counterfactual(swapped, np.roll(swapped, -1)))
        if free or alone:
            images, masks = self._augmented(np.concatenate([bare, single]), key)
            changed = [
                evidence.without_evidence(image, mask, kind, rng)
                for image, mask, kind in zip(images[:free], masks[:free], kinds, strict=True)
            ]
            changed += [
                evidence.lesion_alone(image, mask, rng) for image, mask in zip(images[free:], masks[free:], strict=True)
            ]
            parts.append(np.stack(changed))
        labels = np.concatenate(
            [self.labels[positions[:rest]], self.labels[swapped], np.full(free, NO_CLASS), self.labels[single]]
        ).astype(np.int32)
        done = np.arange(len(positions)) >= rest + counterfactual
        done[:rest] = hidden > 0
        return np.concatenate(parts), labels, done

    def _hidden(self, positions: np.ndarray, share: float, rng: np.random.Generator, key: Any) -> np.ndarray:
        """Images of which a random share of the pixels is black, all channels together."""
        images, _ = self._augmented(positions, jax.random.fold_in(key, 1))
        gone = rng.random(images.shape[:3], np.float32) < share
        return np.where(gone[..., None], np.zeros((), images.dtype), images)

    def _among(self, allowed: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Positions, those that are not allowed replaced by others at random, so that shares stay exact."""
        wrong = ~np.isin(positions, allowed)
        found = positions.copy()
        if wrong.any():
            found[wrong] = rng.choice(allowed, int(wrong.sum()))
        return found

    def _kinds(self, count: int, rng: np.random.Generator) -> list[Kind]:
        """The kinds of the images without evidence: they take turns, from one drawn at random."""
        kinds = self.interventions.kinds
        first = int(rng.integers(len(kinds))) if kinds else 0
        return [kinds[(first + at) % len(kinds)] for at in range(count)]

    def _counterfactual(self, lesions: np.ndarray, backgrounds: np.ndarray) -> np.ndarray:
        if self.exchange is not None:
            return self.exchange(backgrounds, lesions)
        images, behind = self.images[lesions], self.images[backgrounds]
        masks, gone = self.masks[lesions], self.masks[backgrounds]
        return np.stack([evidence.pasted(*one) for one in zip(images, masks, behind, gone, strict=True)])

    def _augmented(self, positions: np.ndarray, key: Any) -> tuple[np.ndarray, np.ndarray]:
        """Images and masks, augmented alike."""
        images = self.images[positions]
        masks = np.zeros(images.shape[:3], bool) if self.masks is None else np.asarray(self.masks[positions], bool)
        if self.augmentation is None:
            return images, masks
        scale = 255 if images.dtype == np.uint8 else 1
        moved, shown = _augment(self.augmentation, images.astype(np.float32) / scale, masks, key)
        found = np.asarray(moved)
        return (np.rint(255 * found).astype(np.uint8) if scale == 255 else found.astype(images.dtype)), np.array(shown)


def _augment(augmentation: Augmentation, images: Any, masks: Any, key: Any) -> tuple[Any, Any]:
    return _compiled(augmentation)(jnp.asarray(images), jnp.asarray(masks), key)


@functools.cache
def _compiled(augmentation: Augmentation) -> Any:
    return jax.jit(augmentation.with_masks)
