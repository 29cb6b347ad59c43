"""Which parameters are the head of a model, and which its trunk."""

from xaijax._network import nnx_module
from xaijax._network.trees import flatten
from xaijax.classifier import Classifier


def head_names(classifier: Classifier) -> tuple[str, ...]:
    """The parameters that are trained while the trunk is frozen.

    All of the top-level module that computes the last layer (`head`, with its hidden layers), or that layer alone
    where everything is in one module.

    Args:
        classifier: from an NNX module or `xaijax.models`.

    Returns:
        Dotted names, sorted; batch statistics are not among them.

    Example:
        >>> from xaijax import models
        >>> from xaijax.training.head import head_names
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
