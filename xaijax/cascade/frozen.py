"""The frozen form on a data set: one trained classifier, masked inputs, nothing to train."""

import dataclasses
from typing import Any

import jax
import numpy as np

from xaijax.bench.inputs import training_of, validation_of
from xaijax.cascade.config import CascadeConfig
from xaijax.cascade.evaluation import Heldout
from xaijax.cascade.rounds import batches
from xaijax.classifier import Classifier
from xaijax.data import Dataset
from xaijax.explain import METHODS
from xaijax.explain.cascade import CascadeRounds, cascade_rounds
from xaijax.training.weights import read_weights


def classifier_of(config: CascadeConfig) -> Classifier:
    """The trained classifier that `--model` names."""
    if config.model is None:
        raise ValueError("the frozen form explains a trained classifier: give its folder or file as --model")
    found = read_weights(config.model)
    if config.size is not None:
        found = found.with_input_shape((config.size, config.size, found.input_shape[-1]))
    return found


def heldout_positions(config: CascadeConfig, dataset: Dataset) -> list[int]:
    """Positions of the images that the classifier was not trained on; all where its folder does not name them."""
    assert config.model is not None
    options = training_of(config.model).get("data", {}).get("options", {})
    # Generated images of another seed have the same names.
    same = "source" in options or options == dict(dataset.options)
    inside = validation_of(config.model, dataset) if same else None
    return list(range(len(dataset))) if inside is None else inside


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
