"""What a model's logits mean: the kinds of output, and what can be explained and scored of each.

| kind | logits | `predict` gives | a label is | explained |
|---|---|---|---|---|
| `softmax` | `[B, K]` | `[B, K]`, rows that sum to 1 | class j | `z_j` |
| `sigmoid` | `[B, K]` | `[B, K]`, each in [0, 1] | j: finding j is there; K + j: it is absent | `z_j`; `-z_j` |
| `binary` | `[B, 1]`, of the second class | `[B, 2]`, `(1 - p, p)` | 0 or 1 | `-z`; `z` |
| `regression` | `[B, K]` | `[B, K]`, the numbers | output j | `z_j` |

So every kind has *columns*, one per label: `columns` makes them of logits, `unfold` of predictions. Everything that
explains or scores picks the column of its label and need not know the kind.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError

Output = Literal["softmax", "sigmoid", "binary", "regression"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
THRESHOLD = 0.5
TOLERANCE = 1e-3  # of probabilities: half precision
SUM_TOLERANCE = 1e-2  # of the sum of many of them


def check_output(output: str) -> Output:
    """The kind of output of that name.

    Example:
        >>> check_output("multi-label")
        Traceback (most recent call last):
        xaijax._errors.InputError: output is 'multi-label'; it must be softmax, sigmoid, binary or regression
    """
    for known in OUTPUTS:
        if output == known:
            return known
    raise InputError(f"output is {output!r}; it must be {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}")


def class_names(output: Output, logits: int, classes: Sequence[str] | None) -> tuple[str, ...]:
    """The names of a model's classes, findings or outputs, checked against the number of its logits.

    Args:
        output: the kind.
        logits: how many the model returns per image.
        classes: names, or None for "0", "1", ...

    Raises:
        InputError: for a number of logits that the kind does not have, and names that do not fit.

    Example:
        >>> class_names("binary", 1, ["healthy", "ill"]), class_names("sigmoid", 2, None)
        (('healthy', 'ill'), ('0', '1'))
    """
    if output == "softmax" and logits < 2:
        raise InputError(
            f"a softmax needs two logits or more; the model returns {logits}: give output='binary' for one logit of "
            "two classes, 'sigmoid' for one finding, or 'regression' for a number"
        )
    if output == "binary" and logits != 1:
        raise InputError(
            f"a binary output is one logit; the model returns {logits}: give output='softmax' for classes that exclude "
            "each other, or 'sigmoid' for findings"
        )
    wanted = 2 if output == "binary" else logits
    names = tuple(map(str, range(wanted) if classes is None else classes))
    if len(names) != wanted or len(set(names)) != wanted:
        what = f"{logits} logit{'s' * (logits != 1)}"
        raise InputError(f"classes must be {wanted} different names for {what} ({output}); got {names}")
    return names


def check_thresholds(output: Output, classes: int, thresholds: Sequence[float] | None) -> tuple[float, ...] | None:
    """Probabilities from which on a finding counts as present, one per finding; None for 0.5.

    Example:
        >>> check_thresholds("sigmoid", 2, [0.3])
        Traceback (most recent call last):
        xaijax._errors.InputError: thresholds must be 2 numbers between 0 and 1, one per finding; got [0.3]
    """
    if thresholds is None:
        return None
    wanted = {"sigmoid": classes, "binary": 1}.get(output, 0)
    found = tuple(float(value) for value in thresholds)
    if not wanted:
        raise InputError(f"thresholds are for the outputs sigmoid and binary; this model's output is {output}")
    if len(found) != wanted or not all(0 < value < 1 for value in found):
        numbers = f"{wanted} number{'s' * (wanted > 1)} between 0 and 1, one per finding"
        raise InputError(f"thresholds must be {numbers}; got {list(thresholds)}")
    return found


def targets(output: Output, classes: Sequence[str]) -> tuple[str, ...]:
    """What each label stands for, in words.

    Example:
        >>> targets("sigmoid", ["effusion", "nodule"])
        ('effusion', 'nodule', 'no effusion', 'no nodule')
    """
    names = tuple(classes)
    return (*names, *(f"no {name}" for name in names)) if output == "sigmoid" else names


def columns(output: Output, logits: Any) -> Any:
    """JAX logits `[B, K]` -> `[B, labels]`: what is explained for each label."""
    import jax.numpy as jnp

    if output == "sigmoid":
        return jnp.concatenate([logits, -logits], axis=1)
    return jnp.concatenate([-logits, logits], axis=1) if output == "binary" else logits


def probabilities(output: Output, logits: Any) -> Any:
    """JAX logits `[B, K]` -> what `predict` gives."""
    import jax

    if output == "softmax":
        return jax.nn.softmax(logits)
    if output == "regression":
        return logits
    return jax.nn.sigmoid(columns(output, logits) if output == "binary" else logits)


def column_probabilities(output: Output, logits: Any) -> Any:
    """JAX logits `[B, K]` -> `[B, labels]` probabilities; of a regression its numbers."""
    import jax

    if output in ("softmax", "regression"):
        return probabilities(output, logits)
    return jax.nn.sigmoid(columns(output, logits))


def log_probabilities(output: Output, logits: Any) -> Any:
    """JAX logits `[B, K]` -> `[B, labels]`, the logarithm of `column_probabilities`."""
    import jax

    if output == "regression":
        raise InputError("a regression has no probability: explain the target 'logit', which is the model's number")
    return jax.nn.log_softmax(logits) if output == "softmax" else jax.nn.log_sigmoid(columns(output, logits))


def predicted(output: Output, logits: Any) -> Any:
    """JAX logits `[B, K]` -> `[B]` int32, the label that is explained where none is given.

    The most probable class; of findings the most probable one; of a regression its first output.
    """
    import jax.numpy as jnp

    if output == "regression":
        return jnp.zeros(logits.shape[0], jnp.int32)
    which = logits if output == "sigmoid" else columns(output, logits)
    return jnp.argmax(which, axis=1).astype(jnp.int32)


def unfold(output: Output, predictions: NDArray[Any]) -> NDArray[Any]:
    """What `predict` gives, `[n, K]` -> `[n, labels]`.

    Example:
        >>> unfold("sigmoid", np.array([[0.25, 0.75]])).tolist()
        [[0.25, 0.75, 0.75, 0.25]]
    """
    return np.concatenate([predictions, 1 - predictions], axis=1) if output == "sigmoid" else predictions


def agrees(
    output: Output, predictions: NDArray[Any], label: int, thresholds: Sequence[float] | None = None
) -> NDArray[np.bool_]:
    """`[n]`: whether predictions `[n, K]` say what a label says; NaN or infinity says nothing.

    Example:
        >>> agrees("sigmoid", np.array([[0.6, 0.2]]), 1).tolist(), agrees("sigmoid", np.array([[0.6, 0.2]]), 3).tolist()
        ([False], [True])
    """
    said = np.isfinite(predictions)
    if output == "softmax":
        return np.asarray((predictions.argmax(axis=1) == label) & said.all(axis=1))
    if output == "regression":
        raise InputError("a regression has no right or wrong prediction")
    found = present(output, predictions, thresholds)
    if output == "binary":
        return np.asarray((found[:, 0] == bool(label)) & said.all(axis=1))
    count = predictions.shape[1]
    return np.asarray((found[:, label % count] == (label < count)) & said[:, label % count])


def present(output: Output, predictions: NDArray[Any], thresholds: Sequence[float] | None = None) -> NDArray[np.bool_]:
    """Which findings predictions `[n, K]` report: `[n, K]`, of a binary output `[n, 1]`.

    Example:
        >>> present("sigmoid", np.array([[0.6, 0.2]]), [0.7, 0.1]).tolist()
        [[False, True]]
    """
    chances = predictions[:, 1:] if output == "binary" else predictions
    return np.asarray(chances >= np.asarray(THRESHOLD if thresholds is None else thresholds))


def detached(values: Any) -> Any:
    """A PyTorch tensor as NumPy reads it: on the CPU, out of its graph, not in bfloat16; a masked array with NaN where
    it is masked; other things as they are.

    Example:
        >>> detached([1, 2]), detached(np.ma.masked_greater([1, 2], 1)).tolist()
        ([1, 2], [1.0, nan])
    """
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        return np.where(hidden, np.nan, values.data) if hidden.any() else values.data
    if not hasattr(values, "detach"):
        return values
    values = values.detach().cpu()
    return values.float() if str(values.dtype) == "torch.bfloat16" else values


def as_numpy(found: Any, classes: Sequence[str] | None = None, function: str = "predict") -> NDArray[Any]:
    """What somebody's function returned, as an array: a tensor on any device, a data frame, a masked array, lists.

    Columns of a data frame that are named after the classes come in their order; masked values are NaN.

    Raises:
        InputError: for what is not one array.

    Example:
        >>> as_numpy(np.ma.masked_greater([[0.25, 0.75]], 0.5)).tolist()
        [[0.25, nan]]
    """
    found = detached(found)
    names = [str(name) for name in getattr(found, "columns", ())]
    if classes is not None and set(names) == set(classes) and len(names) == len(classes):
        found = np.asarray(found)[:, [names.index(name) for name in classes]]
    if isinstance(found, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(found.astype(np.float64), np.nan))
    try:
        values = np.asarray(found)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{function} must return one array of numbers; got {type(found).__name__}, which is none ({error}): where "
            "the model returns several things, return its predictions alone"
        ) from None
    return values.astype(np.float32) if values.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2") else values


def check_predictions(
    found: Any,
    output: Output,
    count: int,
    classes: Sequence[str] | None = None,
    *,
    ranged: bool = True,
    function: str = "predict",
) -> NDArray[np.float64]:
    """What somebody's own function predicts, if it is what this kind of output is. NaN passes: it is counted later.

    Args:
        found: what it returned for `count` images: `[count, K]`; of a binary output also `[count]` or `[count, 1]`,
            the probability of the second class.
        output: the kind.
        count: of the images.
        classes: names, where they are known.
        ranged: whether they must be probabilities; else shapes alone are checked.
        function: what gave them, for messages.

    Returns:
        `[count, K]` float64; of a binary output `[count, 2]`.

    Raises:
        InputError: naming the likely mistake.

    Example:
        >>> check_predictions([[4.0, -2.0]], "softmax", 1)
        Traceback (most recent call last):
        xaijax._errors.InputError: predict must give probabilities in [0, 1] (softmax); got -2 to 4: ...
    """
    values = as_numpy(found, classes, function)
    if values.dtype.kind not in "fiub":
        raise InputError(f"{function} must return numbers [{count}, K]; got {type(found).__name__} of {values.dtype}")
    values = values.astype(np.float64)
    if output == "binary" and (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        second = values.reshape(-1)
        values = np.stack([1 - second, second], axis=1)
    if values.ndim != 2 or len(values) != count:
        raise InputError(f"{function} must return [{count}, K] for {count} images; got shape {values.shape}")
    wanted = None if classes is None else len(classes)
    if wanted is not None and values.shape[1] != wanted:
        raise InputError(
            f"{function} must return {wanted} columns, one per class ({', '.join(map(str, classes or ()))}); got shape "
            f"{values.shape}"
        )
    known = values[np.isfinite(values).all(axis=1)]
    if output == "regression" or not len(known) or not ranged:
        return values
    low, high = float(known.min()), float(known.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        guess = (
            "are these logarithms of probabilities? return their exponential"
            if high <= TOLERANCE
            else "are these percent? divide by 100"
            if low >= 0 and output == "softmax" and np.abs(known.sum(axis=1) - 100).max() <= 100 * SUM_TOLERANCE
            else f"are these logits? apply the {'softmax' if output == 'softmax' else 'sigmoid'}, or are they numbers? "
            "give output='regression'"
        )
        raise InputError(
            f"{function} must give probabilities in [0, 1] ({output}); got {low:.3g} to {high:.3g}: {guess}"
        )
    sums = known.sum(axis=1)
    if output not in ("softmax", "binary") or np.abs(sums - 1).max() <= SUM_TOLERANCE:
        return values
    if values.shape[1] == 1:
        raise InputError(
            f"{function} gives one column, which is not 1; a softmax has two classes or more: give output='binary' for "
            "the probability of the second of two classes, 'sigmoid' for one finding, or 'regression' for a number"
        )
    raise InputError(
        f"the rows of {function} must sum to 1 ({output}); got sums from {sums.min():.3g} to {sums.max():.3g}: are "
        "these findings, several to an image? give output='sigmoid'; else apply the softmax"
    )
