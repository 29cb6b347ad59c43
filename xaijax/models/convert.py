"""Foreign weights -> ours: a table of name patterns, targets and permutations for each family.

A rule is `(pattern, target, transform)`: the pattern must match a source name whole; `{0}`, `{1-1}`, `{2+1}` in the
target are its groups, as text or as a number plus a constant. Every source entry must find a rule or be known to carry
nothing, every entry of ours must be filled, every shape must fit; what does not is one error that lists all of it.
Arrays are permuted as views and copied once, into place.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Rule = tuple[str, str, str]

TRANSFORMS = {
    "same": lambda a: a,
    "conv": lambda a: a.transpose(2, 3, 1, 0),  # OIHW -> HWIO; depthwise O1HW -> HW1O alike
    "depthwise": lambda a: a.transpose(0, 1, 3, 2),  # Keras HWC1 -> HW1C
    "dense": lambda a: a.T,  # OI -> IO
}
IGNORED = (r".*\.num_batches_tracked", r"top_level_model_weights/.*", r".*seed_generator_state.*")


def torch_conv(source: str, target: str) -> list[Rule]:
    """Rules of one torch convolution."""
    return [(rf"{source}\.weight", f"{target}.kernel", "conv"), (rf"{source}\.bias", f"{target}.bias", "same")]


def torch_dense(source: str, target: str) -> list[Rule]:
    """Rules of one torch linear layer."""
    return [(rf"{source}\.weight", f"{target}.kernel", "dense"), (rf"{source}\.bias", f"{target}.bias", "same")]


def torch_norm(source: str, target: str) -> list[Rule]:
    """Rules of one torch batch or layer normalisation."""
    return [
        (rf"{source}\.weight", f"{target}.scale", "same"),
        (rf"{source}\.bias", f"{target}.bias", "same"),
        (rf"{source}\.running_mean", f"{target}.mean", "same"),
        (rf"{source}\.running_var", f"{target}.var", "same"),
    ]


def keras_conv(source: str, target: str) -> list[Rule]:
    """Rules of one Keras convolution or dense layer."""
    return [(f"{source}/kernel", f"{target}.kernel", "same"), (f"{source}/bias", f"{target}.bias", "same")]


def keras_depthwise(source: str, target: str) -> list[Rule]:
    """Rules of one Keras depthwise convolution."""
    return [
        (f"{source}/(?:depthwise_)?kernel", f"{target}.kernel", "depthwise"),
        (f"{source}/bias", f"{target}.bias", "same"),
    ]


def keras_norm(source: str, target: str) -> list[Rule]:
    """Rules of one Keras batch normalisation."""
    return [
        (f"{source}/gamma", f"{target}.scale", "same"),
        (f"{source}/beta", f"{target}.bias", "same"),
        (f"{source}/moving_mean", f"{target}.mean", "same"),
        (f"{source}/moving_variance", f"{target}.var", "same"),
    ]


def _fill(template: str, groups: tuple[str, ...]) -> str:
    def group(match: re.Match[str]) -> str:
        text = groups[int(match[1])]
        return str(int(text) + int(match[2])) if match[2] else text

    return re.sub(r"\{(\d+)([+-]\d+)?\}", group, template)


def transform_of(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The permutation of that name; `dense_chw512` reads `[O, 512 h w]` and gives `[h w 512, O]`, h = w."""
    if not name.startswith("dense_chw"):
        return TRANSFORMS[name]
    channels = int(name.removeprefix("dense_chw"))

    def flattened(a: np.ndarray) -> np.ndarray:
        return a.reshape(a.shape[0], channels, -1).transpose(2, 1, 0).reshape(-1, a.shape[0])

    return flattened


def target_of(name: str, rules: Iterable[Rule]) -> tuple[str, str] | None:
    """Where a source entry goes and how, or None."""
    for pattern, target, transform in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return _fill(target, match.groups()), transform
    return None


def convert(
    entries: Mapping[str, Any], rules: Iterable[Rule], shapes: Mapping[str, tuple[int, ...]], source: str
) -> dict[str, np.ndarray]:
    """Source entries -> our entries, by name.

    Args:
        entries: source name -> array.
        rules: the family's table.
        shapes: our names -> the shapes that the model has.
        source: what the error calls the weights.

    Returns:
        Our names -> float32 arrays, all of `shapes` and nothing else.

    Raises:
        ValueError: one message that lists every unmapped, doubly mapped, missing and mis-shaped entry.
    """
    rules = list(rules)
    filled: dict[str, np.ndarray] = {}
    origin: dict[str, str] = {}
    wrong: list[str] = []
    for name, value in entries.items():
        found = target_of(name, rules)
        if found is None:
            if not any(re.fullmatch(pattern, name) for pattern in IGNORED):
                wrong.append(f"unmapped: {name} {list(np.shape(value))}")
            continue
        target, transform = found
        if target not in shapes:
            wrong.append(f"unmapped: {name} {list(np.shape(value))} (the model has no {target})")
            continue
        if target in filled:
            wrong.append(f"mapped twice: {origin[target]} and {name} both give {target}")
            continue
        try:
            array = transform_of(transform)(np.asarray(value))
        except ValueError:
            array = np.asarray(value)
        if array.shape != tuple(shapes[target]):
            wrong.append(f"mis-shaped: {name} gives {list(array.shape)}; {target} is {list(shapes[target])}")
        filled[target], origin[target] = array, name
    wrong += [f"missing: {target} {list(shape)}" for target, shape in shapes.items() if target not in filled]
    if wrong:
        raise ValueError(f"the weights of {source} do not fit the model ({len(wrong)} entries):\n  " + "\n  ".join(wrong))
    return {target: np.ascontiguousarray(array, dtype=np.float32) for target, array in filled.items()}
