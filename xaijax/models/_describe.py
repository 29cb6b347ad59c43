"""Models in words, as data: what `xaijax models [MODEL]` prints."""

import dataclasses
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._names import BUILTIN, match, normal
from xaijax._outputs import Output
from xaijax.classifier import Architecture, Classifier
from xaijax.models import checkpoint
from xaijax.models._load import is_unnamed, load, locate
from xaijax.models.zoo import Entry, _create, entry, list_models
from xaijax.preprocess import Preprocess, Style

IMPORTERS = {"torchvision": "from_torch", "timm": "from_torch", "keras": "from_keras", "arrays": "from_arrays"}
USUAL_CLASSES = 1000  # of ImageNet: the parameters of an architecture are counted with a head for them


@dataclass(frozen=True)
class ModelDescription:
    """An architecture, or what is in a file of weights.

    Attributes:
        name: of the architecture, or the path of the file.
        architecture: name in the registry.
        summary: one line about the architecture.
        input_shape: (H, W, C) of the images; of an architecture the usual one.
        minimum: smallest side in pixels that the architecture takes.
        options: what `create` takes for the architecture besides its arguments.
        variants: of the architecture, the default first.
        sources: the libraries whose weights fill the architecture, each with the function of `xaijax.models` that
            reads them.
        preprocess: what the weights expect of pixels in [0, 1]; of an architecture what its usual weights expect.
        num_classes: how many; of an architecture those that its parameters are counted for.
        output: what the logits mean, see `Classifier`; of an architecture a softmax, its usual output.
        is_file: whether it describes the weights in a file, not an architecture.
        made_with: the values of these that the model in a file was made with.
        classes: the names in a file; empty for an architecture, and where the file has none.
        info: what a checkpoint keeps besides: scores and the command of its training.
    """

    name: str
    architecture: str
    summary: str
    input_shape: tuple[int, int, int]
    minimum: int
    options: tuple[str, ...]
    variants: tuple[str, ...]
    sources: Mapping[str, str]
    preprocess: Preprocess
    num_classes: int
    output: Output = "softmax"
    is_file: bool = False
    made_with: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def _abstract(self) -> Classifier:
        """The model without arrays; what asks for it traces the model, which takes seconds for the deep ones."""
        architecture = Architecture(self.architecture, _create.frozen(self.made_with))
        count = 1 if self.output == "binary" else self.num_classes
        shapes = _create.param_shapes(architecture, count, self.input_shape)
        return _create.assemble(architecture, shapes, self.input_shape, count, self.preprocess, output=self.output)

    @property
    def parameters(self) -> int:
        """How many numbers a training changes; batch statistics are not among them."""
        return self._abstract.parameter_count()

    @property
    def layer(self) -> str:
        """The layer that CAM methods take by default."""
        return self._abstract.default_layer

    @property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """The layers that can be tapped, with the shape of their activations without the batch axis."""
        return self._abstract.layers()


def describe(name: str | Path | None = None) -> list[ModelDescription]:
    """Models in words: all architectures, one, or what is in a file.

    Nothing is allocated: the number of parameters and the layers are found by tracing, when they are asked for.

    Args:
        name: an architecture, in any spelling, or a path for `xaijax.models.load`, or `"builtin"`; None for all
            architectures. A path that exists wins over an architecture of that name.

    Returns:
        One description per model, sorted by name.

    Raises:
        InputError, FileNotFoundError: for a name that means none of them, or a file that cannot be read.

    Example:
        >>> from xaijax import models
        >>> found, = models.describe("ResNet-50")
        >>> found.name, found.input_shape, found.sources["torchvision"], found.layer
        ('resnet50', (224, 224, 3), 'from_torch', 'stage4')
        >>> found.parameters
        25557032
        >>> models.describe("builtin")[0].classes
        ('glioma', 'meningioma', 'pituitary')
    """
    if name is None:
        return [_architecture(known) for known in list_models()]
    text, known = str(name), list_models()
    there = text != BUILTIN and Path(text).expanduser().exists()
    looks_like_a_path = bool(Path(text).suffix) or os.sep in text
    if there or (looks_like_a_path and normal(text) not in map(normal, known)):
        return [_file(name)]
    meant = match("model", text, [*known, BUILTIN])
    return [_file(meant) if meant == BUILTIN else _architecture(meant)]


def is_architecture(name: str | Path) -> bool:
    """Whether a text names an architecture, in any spelling; a path that exists is none.

    Example:
        >>> is_architecture("ResNet-50"), is_architecture("builtin"), is_architecture("resnet50.keras")
        (True, False, False)
    """
    text = str(name)
    return not Path(text).expanduser().exists() and normal(text) in map(normal, list_models())


def untrained(
    name: str,
    *,
    side: int | None = None,
    output: Output | None = None,
    preprocess: Preprocess | Style | None = None,
) -> Classifier:
    """An architecture as a classifier whose parameters are shapes alone: for what tracing tells, at no memory.

    Args:
        name: of the architecture, in any spelling.
        side: of its images in pixels; default: what it is made for.
        output: what its logits mean; default: a softmax.
        preprocess: of its pixels; default: what its usual weights expect.

    Returns:
        A classifier that cannot predict.

    Example:
        >>> untrained("resnet50").layers()["stage4"]
        (7, 7, 2048)
    """
    found = _architecture(entry(name).name)
    shape = found.input_shape if side is None else (side, side, found.input_shape[2])
    entry(name).check(found.num_classes, shape, {})
    style = found.preprocess if preprocess is None else preprocess
    named = Preprocess.named(style) if isinstance(style, str) else style
    return dataclasses.replace(found, input_shape=shape, output=output or "softmax", preprocess=named)._abstract


def _architecture(name: str) -> ModelDescription:
    made = entry(name)
    usual = Preprocess.named(made.preprocess)
    return ModelDescription(
        **_facts(made),
        name=name,
        input_shape=made.input_shape,
        preprocess=usual if made.input_shape[2] == 3 else _create.grey(usual),
        num_classes=USUAL_CLASSES,
    )


def _file(name: str | Path) -> ModelDescription:
    path, reader = locate(name)
    header = checkpoint.open_one(path) if reader is None else None
    if header is not None and not checkpoint.is_graph(header[1]):  # the header says it all
        model: Any = checkpoint.parse(*header)
        info = model.info
    else:
        model, info = load(path), {}
        if model.network.host:
            raise InputError(f"{name} is a black box, whose architecture is not known: {model!r}")
        if model.architecture is None:
            raise InputError(f"{name} is of no architecture of xaijax: models.load opens it, and gives {model!r}")
    return ModelDescription(
        **_facts(entry(model.architecture.name)),
        name=str(name),
        input_shape=model.input_shape,
        is_file=True,
        made_with=dict(model.architecture.options),
        preprocess=model.preprocess,
        num_classes=len(model.classes),
        output=model.output,
        classes=() if is_unnamed(model.classes) else model.classes,
        info=info,
    )


def _facts(made: Entry) -> dict[str, Any]:
    return {
        "architecture": made.name,
        "summary": made.summary,
        "options": made.options,
        "minimum": made.minimum,
        "variants": made.variants,
        "sources": {source.library: IMPORTERS[source.library] for source in made.sources},
    }
