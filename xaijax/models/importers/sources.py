"""What the weights of other libraries look like: one row for each library and architecture.

A row says by which entries a set of weights is recognised, where its trunk goes (a table of rules), how many channels
reach the head, where its head is, and what its weights expect of pixels.
"""

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from xaijax.models.importers.convert import Rule, Table
from xaijax.models.zoo import (
    densenet,
    efficientnet,
    inception,
    inception_resnet,
    mobilenet,
    resnet,
    squeezenet,
    vgg,
    vit,
    xception,
)

NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?(/.*)")
STEM = "stem.conv.kernel"


@dataclass(frozen=True)
class Source:
    """Weights of one architecture as one library names them.

    Args:
        library: "torchvision", "timm" or "keras".
        architecture: name in the registry.
        variant: of that architecture.
        rules: table of the trunk.
        features: channels that reach the head; 0 where the head is part of the table.
        has: source names by which it is recognised.
        lacks: source names that only a deeper sibling has.
        head: pattern of the names of the head's dense layers, without numbers behind.
        style: preprocessing that its published weights expect.
        first: our name of the kernel that reads the image.
        numbered: True where layers have nothing but Keras' running numbers.
        classes_at: the source name whose first axis is the number of classes, where there is no dense head.
    """

    library: str
    architecture: str
    variant: str
    rules: tuple[Rule, ...] = field(repr=False)
    features: int
    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    head: str = ""
    style: str = "torch"
    first: str = STEM
    numbered: bool = False
    classes_at: str = ""

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


def _torch(architecture: str, rules: Iterable[Rule], features: int, has: str, lacks: str, head: str) -> Source:
    return Source(
        "torchvision", architecture, "torchvision", tuple(rules), features, (has,), (lacks,) if lacks else (), head
    )


def _keras(
    architecture: str,
    rules: Iterable[Rule],
    features: int,
    has: Iterable[str],
    lacks: str,
    style: str,
    first: str = STEM,
) -> Source:
    return Source(
        "keras",
        architecture,
        "keras",
        tuple(rules),
        features,
        tuple(has),
        (lacks,) if lacks else (),
        style=style,
        first=first,
    )


def _resnet(architecture: str, features: int, has: str, lacks: str) -> Source:
    return _torch(architecture, resnet.TORCH_RULES, features, has, lacks, "fc")


def _make_sources() -> tuple[Source, ...]:
    vgg_first, stem1 = "block1.conv1.conv.kernel", "stem.conv1a.conv.kernel"
    classifier = "classifier"
    vit_source = Source(
        "torchvision",
        "vit_b16",
        "torchvision",
        tuple(vit.TORCH_RULES),
        768,
        ("encoder.layers.encoder_layer_11.ln_1.weight",),
        ("encoder.layers.encoder_layer_12.ln_1.weight",),
        r"heads(?:\.head)?",
        first="patches.kernel",
    )
    inception_keras = _keras(
        "inception_v3",
        inception.KERAS_RULES,
        2048,
        ("conv2d#93/kernel", "batch_normalization#93/beta"),
        "conv2d#94/kernel",
        "tf",
        stem1,
    )
    return (
        *(
            replace(
                _torch(
                    name,
                    vgg.torch_rules(name),
                    512,
                    f"features.{last}.weight",
                    "features.34.weight" if last == 28 else "",
                    classifier,
                ),
                first=vgg_first,
            )
            for name, last in (("vgg16", 28), ("vgg19", 34))
        ),
        _resnet("resnet34", 512, "layer3.5.conv2.weight", "layer1.0.conv3.weight"),
        _resnet("resnet50", 2048, "layer3.5.conv3.weight", "layer3.6.conv3.weight"),
        _resnet("resnet101", 2048, "layer3.22.conv3.weight", "layer3.23.conv3.weight"),
        *(
            _torch(
                name,
                densenet.TORCH_RULES,
                features,
                f"features.denseblock3.denselayer{depth}.conv1.weight",
                f"features.denseblock3.denselayer{depth + 1}.conv1.weight",
                classifier,
            )
            for name, features, depth in (("densenet121", 1024, 24), ("densenet161", 2208, 36))
        ),
        replace(
            _torch("inception_v3", inception.TORCH_RULES, 2048, "Mixed_7c.branch_pool.conv.weight", "", "fc"),
            style="tf",  # the published weights normalise once more inside the model (transform_input)
            first=stem1,
        ),
        _torch(
            "efficientnet_b0",
            efficientnet.TORCH_RULES,
            1280,
            "features.7.0.block.3.0.weight",
            "features.7.1.block.3.0.weight",
            classifier,
        ),
        replace(
            _torch(
                "efficientnet_b0",
                efficientnet.TIMM_RULES,
                1280,
                "blocks.6.0.se.conv_reduce.weight",
                "blocks.6.1.se.conv_reduce.weight",
                classifier,
            ),
            library="timm",
        ),
        vit_source,
        replace(
            vit_source,
            library="timm",
            rules=tuple(vit.TIMM_RULES),
            has=("blocks.11.attn.qkv.weight",),
            lacks=("blocks.12.attn.qkv.weight",),
            head="head",
            style="tf",
        ),
        _torch("mobilenet_v2", mobilenet.TORCH_RULES, 1280, "features.18.0.weight", "", classifier),
        replace(
            _torch(
                "squeezenet",
                squeezenet.TORCH_RULES,
                0,
                "features.5.squeeze.weight",
                "features.6.squeeze.weight",
                "",
            ),
            first="stem.kernel",
            classes_at="classifier.1.weight",
        ),
        Source(
            "timm",
            "inception_resnet_v2",
            "timm",
            tuple(inception_resnet.TIMM_RULES),
            1536,
            ("repeat_1.19.conv2d.weight", "conv2d_7b.conv.weight"),
            (),
            "classif",
            "tf",
            stem1,
        ),
        *(
            _keras(name, vgg.KERAS_RULES, 512, (has,), lacks, "caffe", vgg_first)
            for name, has, lacks in (
                ("vgg16", "block5_conv3/kernel", "block5_conv4/kernel"),
                ("vgg19", "block5_conv4/kernel", ""),
            )
        ),
        *(
            _keras(
                name,
                resnet.KERAS_RULES,
                2048,
                ("conv1_bn/gamma", "conv1_conv/bias", f"conv4_block{depth}_3_conv/kernel"),
                f"conv4_block{depth + 1}_3_conv/kernel",
                "caffe",
            )
            for name, depth in (("resnet50", 6), ("resnet101", 23))
        ),
        _keras(
            "resnet50v2",
            resnet.KERAS_V2_RULES,
            2048,
            ("post_bn/gamma", "conv4_block6_3_conv/kernel"),
            "conv4_block7_3_conv/kernel",
            "tf",
            "stem.kernel",
        ),
        _keras(
            "densenet121",
            densenet.KERAS_RULES,
            1024,
            ("conv4_block24_2_conv/kernel", "pool4_bn/gamma"),
            "conv4_block25_2_conv/kernel",
            "torch",
        ),
        replace(inception_keras, numbered=True),
        replace(
            _keras(
                "xception",
                xception.KERAS_RULES,
                2048,
                ("block14_sepconv2/pointwise_kernel",),
                "",
                "tf",
                "block1.conv1.conv.kernel",
            ),
            numbered=True,
        ),
        replace(
            _keras(
                "inception_resnet_v2",
                inception_resnet.KERAS_RULES,
                1536,
                ("conv_7b/kernel", "block17_20_conv/kernel"),
                "",
                "tf",
                stem1,
            ),
            numbered=True,
        ),
        _keras(
            "efficientnet_b0",
            efficientnet.KERAS_RULES,
            1280,
            ("block7a_project_conv/kernel", "block6d_project_conv/kernel"),
            "block7b_project_conv/kernel",
            "identity",
        ),
        _keras("mobilenet_v2", mobilenet.KERAS_RULES, 1280, ("block_16_project/kernel",), "", "tf"),
    )


@functools.cache
def all_sources() -> tuple[Source, ...]:
    """Every row."""
    return _make_sources()


def recognise(names: Collection[str], libraries: Collection[str], architecture: str | None, what: str) -> Source:
    """The row that a set of weights belongs to.

    Args:
        names: its entries.
        libraries: those that may have written it.
        architecture: name in the registry, or None to find it.
        what: what the error calls the weights.

    Returns:
        The row.

    Raises:
        ValueError: where none fits, or another one than `architecture`.
    """
    rows = [row for row in all_sources() if row.library in libraries]
    known = sorted({row.architecture for row in rows})
    if architecture is not None and architecture not in known:
        raise ValueError(
            f"weights of {architecture!r} cannot be read from {' or '.join(sorted(libraries))}; "
            f"choose from {', '.join(known)}"
        )
    views: dict[bool, Mapping[str, str]] = {
        False: {name: name for name in names},
        True: renumber(names),
    }
    found = [row for row in rows if row.matches(set(views[row.numbered].values()))]
    if architecture is not None:
        chosen = [row for row in found if row.architecture == architecture]
        if chosen:
            return chosen[0]
        # What is missing is listed by the conversion.
        family = [row for row in rows if row.architecture == architecture]
        return max(family, key=lambda row: sum(row.table.target(n) is not None for n in row.names(names).values()))
    if not found:
        some = ", ".join(sorted(names)[:3])
        raise ValueError(
            f"the architecture of {what} is not recognised (entries such as {some}); choose from {', '.join(known)}: "
            "give architecture= to see what differs"
        )
    return found[0]
