"""Where a training starts: random weights, or those of a file with the head kept or made anew."""

from collections.abc import Sequence
from dataclasses import dataclass

from xaijax import models
from xaijax._network.trees import flatten, nest
from xaijax.classifier import Classifier
from xaijax.training.head import head_names


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Args:
        classifier: with the classes of the data.
        head_kept: whether its head is that of the weights; False for random weights too.
    """

    classifier: Classifier
    head_kept: bool


def start(weights: Classifier, classes: Sequence[str], size: int | None, key: int) -> Start:
    """The same architecture for other classes and another size, with the trunk of the weights.

    The head is kept where the classes are the same and its shapes fit, else it is random.

    Args:
        weights: from `xaijax.models.load`.
        classes: K names, of the data.
        size: side of the images in pixels, or None for that of the weights.
        key: seed of a new head.

    Returns:
        The classifier.

    Raises:
        ValueError: for a size that the trunk's weights do not fit.
    """
    architecture = weights.architecture
    assert architecture is not None  # models.load gives models of the registry alone
    height, width, channels = weights.input_shape
    shape = (height, width, channels) if size is None else (size, size, channels)
    made = models.create(
        architecture.name,
        input_shape=shape,
        classes=classes,
        key=key,
        preprocess=weights.preprocess,
        **dict(architecture.options),
    )
    old = {".".join(path): leaf for path, leaf in flatten(weights.params)}
    new = {".".join(path): leaf for path, leaf in flatten(made.params)}
    differ = [name for name in new if name not in old or old[name].shape != new[name].shape]
    head = head_names(made)
    if not set(differ) <= set(head):
        raise ValueError(
            f"the weights of {architecture.name} are for images of {height}x{width} pixels and do not fit "
            f"{shape[0]}x{shape[1]}: leave out --size"
        )
    kept = weights.classes == made.classes and not differ
    merged = {name: old[name] if kept or name not in head else new[name] for name in new}
    return Start(made.with_params(nest(merged)), kept)
