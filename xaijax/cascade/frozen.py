"""The frozen form on a data set: one trained classifier, masked inputs, nothing to train."""

import dataclasses
from typing import Any

import jax
import numpy as np

from xaijax._batches import positions as batches
from xaijax.cascade.config import CascadeConfig
from xaijax.cascade.scoring import Heldout
from xaijax.classifier import Classifier
from xaijax.explain import METHODS
from xaijax.explain.cascade import CascadeRounds, cascade_rounds


def explain(config: CascadeConfig, classifier: Classifier, images: Any, labels: Any) -> CascadeRounds:
    """All rounds of a batch, as the configuration says."""
    key = {"key": jax.random.key(config.seed)} if any("key" in METHODS[name].needs for name in config.base) else {}
    return cascade_rounds(
        classifier,
        images,
        labels,
        rounds=config.rounds,
        base=config.base,
        options=key,
        threshold=config.threshold,
        theta=config.theta,
        decay=config.decay,
        scale=config.scale,
        batch_size=config.batch_size,
    )


def maps_of(config: CascadeConfig, classifier: Classifier, heldout: Heldout) -> np.ndarray:
    """The rounds' maps `[K, N, H, W]` of held-out images, before the threshold."""
    parts = []
    for positions, kept in batches(len(heldout.labels), config.batch_size):
        found = explain(config, classifier, heldout.batch.images[positions], heldout.labels[positions])
        parts.append(np.asarray(found.maps)[:, :kept])
    return np.concatenate(parts, axis=1)


def with_point(config: CascadeConfig, theta: float, threshold: str) -> CascadeConfig:
    """The configuration at another θ and threshold, which for this form mean other rounds."""
    return dataclasses.replace(config, theta=theta, threshold=threshold)
