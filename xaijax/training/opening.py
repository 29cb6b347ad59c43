"""What a training starts with: the weights or none, the data, and the classifier to train."""

from typing import Any

from xaijax import models
from xaijax.classifier import Classifier
from xaijax.data import Dataset, MaskRole, open_dataset
from xaijax.training import weights
from xaijax.training.config import TrainConfig
from xaijax.training.images import is_grey

DEFAULT_MODEL = "small_cnn"


def base(config: TrainConfig) -> Classifier | None:
    """The weights to start from, or None for random ones."""
    if config.weights is None:
        models.entry(config.model or DEFAULT_MODEL)
        return None
    found = weights.read_weights(config.weights, channels=None if config.channels == "auto" else int(config.channels))
    assert found.architecture is not None  # read_weights gives models of the registry alone
    if config.model not in (None, found.architecture.name):
        raise ValueError(
            f"the weights {config.weights} are those of {found.architecture.name}, not of {config.model}; "
            "leave out --model"
        )
    return found


def open_data(config: Any, side: int, mask_role: MaskRole | None = None) -> Dataset:
    """The data of a training or an evaluation; phantoms are made at `side` pixels unless `config` says a size."""
    size = (getattr(config, "size", None) or side) if config.data.partition(":")[0] == "phantoms" else None
    return open_dataset(
        config.data,
        mask_role=mask_role,
        transpose=config.transpose,
        count=config.images,
        size=size,
        seed=config.data_seed,
        lesions=config.lesions,
        cues=config.cues,
        correlation=config.correlation,
        covered=config.covered,
    )


def side_of(config: TrainConfig, found: Classifier | None) -> int:
    """Side in pixels of the images that the weights or the architecture are made for."""
    return (models.entry(config.model or DEFAULT_MODEL) if found is None else found).input_shape[0]


def start(config: TrainConfig, found: Classifier | None, dataset: Dataset) -> tuple[Classifier, str]:
    """The classifier to train, and a few words about where it comes from."""
    if found is not None:
        begun = weights.start(found, dataset.classes, config.size, config.seed)
        kept = "its head too" if begun.head_kept else "a new head"
        return begun.classifier, f" from {config.weights} ({kept})"
    entry = models.entry(config.model or DEFAULT_MODEL)
    height, width, _ = entry.input_shape
    if config.size is not None:
        height = width = config.size
    channels = (1 if is_grey(dataset) else 3) if config.channels == "auto" else int(config.channels)
    return models.create(
        entry.name, input_shape=(height, width, channels), classes=dataset.classes, key=config.seed
    ), ""
