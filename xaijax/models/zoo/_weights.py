"""What the weights of other libraries look like: for each architecture and library one `Source`.

A source says by which entries a set of weights is recognised, where its backbone goes (a table of rules), how many
channels reach the head, where its head is, and what its weights expect of pixels. It stands next to its architecture.

A rule is `(pattern, target, view)`: the pattern must match a source name whole; `{0}`, `{1-1}`, `{2+1}` in the target
are its groups, as text or as a number plus a constant, and `{1@}` is the number of a letter in the alphabet. The view
names the permutation of the axes (`xaijax.models.importers.convert.VIEWS`).
"""

import functools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from xaijax.preprocess import Preprocess

Rule = tuple[str, str, str]

NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?(/.*)")


def torch_conv(source: str, target: str) -> list[Rule]:
    """Rules of one torch convolution."""
    return [(rf"{source}\.weight", f"{target}.kernel", "conv"), (rf"{source}\.bias", f"{target}.bias", "same")]


def torch_dense(source: str, target: str) -> list[Rule]:
    """Rules of one torch linear layer."""
    return [(rf"{source}\.weight", f"{target}.kernel", "dense"), (rf"{source}\.bias", f"{target}.bias", "same")]


def torch_norm(source: str, target: str) -> list[Rule]:
    """Rules of one torch batch normalisation."""
    return [
        (rf"{source}\.weight", f"{target}.scale", "same"),
        (rf"{source}\.bias", f"{target}.bias", "same"),
        (rf"{source}\.running_mean", f"{target}.mean", "same"),
        (rf"{source}\.running_var", f"{target}.var", "same"),
    ]


def torch_layer_norm(source: str, target: str) -> list[Rule]:
    """Rules of one torch layer normalisation."""
    return torch_norm(source, target)[:2]


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


def array_conv(source: str, target: str, view: str) -> list[Rule]:
    """Rules of one convolution of an `.npz` file (`xaijax.models.importers.arrays`)."""
    return [(f"{source}/weight", f"{target}.kernel", view), (f"{source}/bias", f"{target}.bias", "same")]


class Table:
    """Rules with their patterns compiled."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = [(re.compile(pattern), target, view) for pattern, target, view in rules]

    def target(self, name: str) -> tuple[str, str] | None:
        """Where a source entry goes and by which view, or None."""
        for pattern, target, view in self.rules:
            match = pattern.fullmatch(name)
            if match:
                return _fill_in(target, match.groups()), view
        return None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Weights of one architecture as one library names them.

    Args:
        library: "torchvision", "timm", "keras" or "arrays".
        rules: table of the backbone.
        has: source names by which it is recognised.
        lacks: source names that only a deeper sibling has.
        features: channels that reach the head; 0 where the head is part of the table.
        head: pattern of the names of the head's dense layers, without the numbers at their end.
        style: preprocessing that its published weights expect.
        first: our name of the kernel that reads the image.
        size: side in pixels that it is made for, if it differs from the architecture's.
        numbered: True where layers have only Keras' running numbers.
        classes_at: the source name whose first axis is the number of classes, where there is no dense head.
        variant: of the architecture; default: named as the library.
        architecture: name in the registry, which `register` fills in.
    """

    library: str
    rules: Iterable[Rule] = field(repr=False)
    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    features: int = 0
    head: str = ""
    style: str | Preprocess = "torch"
    first: str = "stem.conv.kernel"
    size: int | None = None
    numbered: bool = False
    classes_at: str = ""
    variant: str = ""
    architecture: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "variant", self.variant or self.library)

    @functools.cached_property
    def table(self) -> Table:
        """The rules, compiled."""
        return Table(self.rules)

    def names(self, names: Iterable[str]) -> dict[str, str]:
        """Source names -> the names that the rules know."""
        if not self.numbered:
            return {name: name for name in names}
        return renumber(names)

    def matches(self, names: Collection[str]) -> bool:
        """True where the entries that mark this source are there."""
        return all(name in names for name in self.has) and not any(name in names for name in self.lacks)


def renumber(names: Iterable[str]) -> dict[str, str]:
    """`conv2d_17/kernel` -> `conv2d#3/kernel`, if it is the fourth of its kind.

    Keras counts the layers of a process, not of a model: the second model starts where the first one ended.

    Example:
        >>> renumber(["conv2d_17/kernel", "conv2d_9/kernel", "dense/kernel"])
        {'conv2d_17/kernel': 'conv2d#1/kernel', 'conv2d_9/kernel': 'conv2d#0/kernel', 'dense/kernel': 'dense/kernel'}
    """
    names = list(names)
    numbers: dict[str, set[int]] = {}
    for name in names:
        match = NUMBERED.fullmatch(name)
        if match:
            numbers.setdefault(match[1], set()).add(int(match[2] or 0))
    ranks = {kind: {number: rank for rank, number in enumerate(sorted(found))} for kind, found in numbers.items()}

    def renamed(name: str) -> str:
        match = NUMBERED.fullmatch(name)
        return f"{match[1]}#{ranks[match[1]][int(match[2] or 0)]}{match[3]}" if match else name

    return {name: renamed(name) for name in names}


def _fill_in(template: str, groups: tuple[str, ...]) -> str:
    def group(match: re.Match[str]) -> str:
        text = groups[int(match[1])]
        if match[2] == "@":
            return str(ord(text) - ord("a") + 1)
        return str(int(text) + int(match[2])) if match[2] else text

    return re.sub(r"\{(\d+)([+-]\d+|@)?\}", group, template)
