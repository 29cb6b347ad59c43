"""Where a training starts: trained weights with new classes, and which parameters are the head, which the backbone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xaijax import models
from xaijax._errors import InputError
from xaijax._network import nnx_module
from xaijax._network.trees import flatten, nest
from xaijax._outputs import Output
from xaijax.classifier import Classifier


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Args:
        classifier: with the classes of the data.
        head_kept: whether its head is that of the weights; False for random weights too.
    """

    classifier: Classifier
    head_kept: bool


def start_from(
    weights: Classifier,
    classes: Sequence[str],
    size: int | None,
    key: int,
    *,
    output: Output | None = None,
    options: Mapping[str, Any] | None = None,
) -> Start:
    """The same architecture for other classes and another size, with the backbone of the weights.

    The head is kept where the classes are the same and its shapes fit, else it is random.

    Args:
        weights: from `xaijax.models.load`.
        classes: K names, of the data.
        size: side of the images in pixels, or None for that of the weights.
        key: seed of a new head.
        output: what the logits shall mean; None: as those of the weights.
        options: of the architecture that replace those of the weights, such as another head.

    Returns:
        The classifier, and whether it has the old head.

    Raises:
        InputError: for a size that the backbone's weights do not fit.

    Example:
        >>> from xaijax import models
        >>> begun = start_from(models.builtin(), ["benign", "malignant"], None, key=0)
        >>> begun.classifier.classes, begun.head_kept
        (('benign', 'malignant'), False)
    """
    architecture = weights.architecture
    assert architecture is not None  # models.load gives models of the registry alone
    height, width, channels = weights.input_shape
    shape = (height, width, channels) if size is None else (size, size, channels)
    pixels = weights.preprocess.pixels
    if pixels is not None and pixels.shape != shape:
        raise InputError(
            f"the weights of {architecture.name} standardise every pixel of images of {height}x{width} pixels: leave "
            "out --size"
        )
    made = models.create(
        architecture.name,
        input_shape=shape,
        classes=classes,
        key=key,
        preprocess=weights.preprocess,
        output=output or weights.output,
        **(dict(architecture.options) | dict(options or {})),
    )
    old = {".".join(path): leaf for path, leaf in flatten(weights.params)}
    new = {".".join(path): leaf for path, leaf in flatten(made.params)}
    differ = [name for name in new if name not in old or old[name].shape != new[name].shape]
    head = head_names(made)
    if not set(differ) <= set(head):
        raise InputError(
            f"the weights of {architecture.name} are for images of {height}x{width} pixels and do not fit "
            f"{shape[0]}x{shape[1]}: leave out --size"
        )
    kept = weights.classes == made.classes and weights.output == made.output and not differ
    merged = {name: old[name] if kept or name not in head else new[name] for name in new}
    return Start(made.with_params(nest(merged)), kept)


def head_names(classifier: Classifier) -> tuple[str, ...]:
    """The parameters that are trained while the backbone is frozen.

    All of the top-level module that computes the last layer (`head`, with its hidden layers), or that layer alone
    where everything is in one module.

    Args:
        classifier: from an NNX module or `xaijax.models`.

    Returns:
        Dotted names, sorted; batch statistics are not among them.

    Example:
        >>> from xaijax import models
        >>> head_names(models.create("small_cnn", 2, (32, 32, 1)))
        ('dense.bias', 'dense.kernel')
    """
    assert isinstance(classifier.network, nnx_module.NNXNetwork)
    mask = nnx_module.trainable(classifier.network, classifier.params)
    names = [".".join(path) for path, moves in flatten(mask) if moves]
    last = next(iter(classifier.param_groups(classifier.params)))
    for owner in (last.partition(".")[0], last):
        chosen = tuple(name for name in names if name.startswith(f"{owner}."))
        if len(chosen) < len(names):
            return chosen
    return chosen
