"""Any PyTorch model as a classifier: weights of an architecture of the registry, or a module converted to a graph."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import Output, check_output
from xaijax.classifier import Classifier
from xaijax.models._notes import Note
from xaijax.models._shapes import check_image_shape
from xaijax.models.importers.endings import output_of
from xaijax.models.importers.torch_weights import from_state
from xaijax.preprocess import Preprocess, Style

EXPORTED = ".pt2"
log = logging.getLogger(__name__)


def from_torch(
    source: Any,
    architecture: str | None = None,
    *,
    weights: str | Path | Mapping[str, Any] | None = None,
    input_shape: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | Style | None = None,
    layer: str | None = None,
    output: Output | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """A classifier from any PyTorch model: a module, a file of `torch.export.save`, weights of a known architecture.

    A module in evaluation mode is converted to a graph of operations that JAX runs; PyTorch is needed for that, not for
    the classifier (`models.save` keeps the graph). Layers have the paths of the modules: "layer4.1", "blocks.11.norm1".
    Weights of an architecture of the registry (`list_models()`) need no PyTorch where they are `.safetensors`.

    Args:
        source: a `torch.nn.Module`; a `.pt2` file; `"timm:NAME"` or `"torchvision:NAME"` with `weights`;
            `"FILE.py:FUNCTION"`, whose function is called and returns a module; or weights alone: a `.safetensors`,
            `.pth`, `.pt`, `.bin` or `.ckpt` file, or a state dictionary of tensors or NumPy arrays.
        architecture: what weights alone are of: a name of `list_models()`, recognised by default, `"timm:NAME"` or
            `"torchvision:NAME"`.
        weights: file or state dictionary for a `source` that names a module.
        input_shape: (H, W, C); needed for a module and a script that does not say it, else the size that the model is
            made for. (H, W) for a name or a script: with the channels that it says, else those of its first
            convolution.
        classes: K names; default "0", "1", ...
        preprocess: what the weights expect of pixels in [0, 1]; default: what timm or torchvision say of the model; a
            module, a script and a `.pt2` file get the pixels as they are, which is logged as an assumption.
        layer: the layer that CAM methods take by default; None for the last convolutional block's output (in a
            transformer the norm that feeds the last attention).
        output: what the logits mean, see `Classifier`. A softmax or sigmoid at the end of a module says it, and is left
            out of the logits; without one softmax is assumed, which is noted.
        notes: a list that gets a sentence for each assumption; without it they are logged.

    Returns:
        The classifier, with float32 parameters.

    Raises:
        FileNotFoundError: where a file is not there.
        ImportError: for what needs PyTorch, timm or torchvision, without it.
        InputError: for a file that holds more than arrays, an unknown name, weights that do not fit (all differences
            are listed), or operations that xaijax does not have in JAX, with the paths of their modules.

    Example:
        >>> from xaijax import models
        >>> models.from_torch({"fc.weight": 0})
        Traceback (most recent call last):
        ...
        xaijax._errors.InputError: the state dictionary has entries that are not named arrays: fc.weight
    """
    from xaijax.models.importers.torch_graph import building

    if building.is_name(architecture):
        source, architecture, weights = architecture, None, source
    is_module = hasattr(source, "state_dict") and hasattr(source, "named_modules")
    is_text = isinstance(source, str | Path)
    is_graph = is_module or (is_text and (building.is_name(source) or Path(source).suffix.lower() == EXPORTED))
    if not is_graph:
        if weights is not None:
            raise InputError("weights= fills a model that source names (timm:NAME); here source is the weights")
        if not is_text and not isinstance(source, Mapping):
            raise InputError(
                f"source must be a torch.nn.Module, a file, a name such as timm:NAME or a state dictionary; got a "
                f"{type(source).__name__}"
            )
        found = from_state(
            source,
            architecture,
            input_shape=input_shape,
            classes=classes,
            preprocess=preprocess,
            output=output,
            notes=notes,
        )
        if layer is None:
            return found
        found._check_layers([layer])
        return dataclasses.replace(found, layer=layer)
    if architecture is not None:
        raise InputError(
            f"architecture= names the model of a file of weights; {source} is a model itself: leave it out"
        )
    return _converted(source, weights, input_shape, classes, preprocess, layer, output, notes)


def _converted(
    source: Any,
    weights: Any,
    input_shape: Sequence[int] | None,
    classes: Sequence[str] | None,
    preprocess: Preprocess | Style | None,
    layer: str | None,
    output: Output | None,
    notes: list[str] | None,
) -> Classifier:
    from xaijax.models.importers.torch_graph import beginning, building, convert, ending, layers, network, pt2

    name = source if isinstance(source, str | Path) else type(source).__name__
    building.need_torch(str(name))
    usual: Preprocess | None = None
    thresholds: Sequence[float] | None = None
    if isinstance(source, str | Path) and Path(source).suffix.lower() == EXPORTED:
        if weights is not None:
            raise InputError(f"{source} has its weights; leave out weights=")
        made, params, fixed = convert.from_exported(convert.decomposed(pt2.load(source)))
        channels, height, width = made.graph.image
        shape = (height, width, channels)
        if input_shape is not None and tuple(input_shape) != shape:
            raise InputError(f"{source} was exported for images of {shape}; leave out input_shape, or export it again")
    else:
        if isinstance(source, str | Path):
            built = building.build(str(source), weights, notes)
        else:
            if weights is not None:
                building.fill(source, building.entries_of(weights, notes), str(name))
            built = building.Built(source, None, None, "")
        usual, thresholds = built.preprocess, built.thresholds
        classes = built.classes or classes
        output = built.output if output is None else output
        shape = check_image_shape(_image_shape(built, input_shape, source))
        if usual is not None and preprocess is not None and not built.said:
            text = f"the preprocessing that {name} states is replaced because --preprocess is given"
            _say(notes, Note(text, "preprocess", "option"))
        if built.said and preprocess is None and usual is not None:
            _say(notes, Note(f"{name}: {built.said}", "preprocess", "library"))
        made, params, fixed = convert.convert(built.module, shape)
    if preprocess is None and usual is None:
        found = beginning.pixels(made.graph, params, made.constants)
        if found is not None and found[0] != 1:
            usual = Preprocess(scale=found[0])
            text = f"{name}: its {found[1]} is for pixels from 0 to {found[0]:g}, so it gets those"
            _say(notes, Note(text, "preprocess", "file"))
    if preprocess is None and usual is None:
        text = f"{name} does not state its preprocessing: pixels in [0, 1] are assumed; --preprocess overrides"
        _say(notes, Note(text, "preprocess"))
    for mixed in ending.depends_on_batch(made.graph):
        text = f"{name}: the predictions of an image depend on the other images of its batch, by {mixed}"
        _say(notes, Note(text, "model"))
    arrays = _as_jax(params)
    if output != "regression":  # whose numbers are what the model gives
        graph, activation = ending.without_ending(made.graph, str(name))
        made = dataclasses.replace(made, graph=graph)
    shapes = network.shapes(made, arrays)
    if len(shapes[made.graph.output]) != 2:
        got = ", ".join(["n", *map(str, shapes[made.graph.output][1:])])
        raise InputError(
            f"{name} returns an array of shape [{got}] for n images, and must return [n, classes]: flatten it or "
            "average it at the end of the module"
        )
    if output != "regression":
        said: list[str] = []
        output = check_output(output_of(activation, shapes[made.graph.output][-1], output, str(name), said))
        for sentence in said:
            _say(notes, sentence)
    graph = layers.with_layers(made.graph, shapes)
    finished = dataclasses.replace(made, graph=graph)
    classifier = Classifier.from_network(
        finished,
        arrays,
        input_shape=shape,
        classes=classes,
        preprocess=usual if preprocess is None else preprocess,
        layer=graph.default_layer if layer is None else layer,
        output=output,
    )
    if fixed:
        _check_batches(classifier, str(name))
    if output is None:
        text = f"output assumed for {name}: softmax over {len(classifier.classes)} classes"
        _say(notes, Note(f"{text}; --output sigmoid reads findings", "output"))
    return classifier if thresholds is None else classifier.with_output(classifier.output, thresholds=thresholds)


def _image_shape(built: Any, given: Sequence[int] | None, source: Any) -> Sequence[int]:
    """(H, W, C) as given, or else the model's own; of (H, W) the channels are the model's."""
    if given is None:
        if built.input_shape is None and isinstance(source, str | Path):
            raise InputError(
                f"{source} does not say the size of its images: give --size 128, or write input_shape = (128, 128, 3) "
                "in the file (in Python give input_shape=(128, 128, 3))"
            )
        if built.input_shape is None:
            raise InputError(f"{type(source).__name__} does not say the size of its images; give input_shape=(H, W, C)")
        return tuple(built.input_shape)
    if len(given) != 2:
        return given
    if built.input_shape is not None:
        return (*given, built.input_shape[-1])
    import torch

    first = next((child for child in built.module.modules() if isinstance(child, torch.nn.Conv2d)), None)
    return (*given, 3 if first is None else first.in_channels)


def _say(notes: list[str] | None, sentence: str) -> None:
    if notes is None:
        log.warning("%s", sentence)
    else:
        notes.append(sentence)


def _as_jax(params: Any) -> Any:
    return {k: _as_jax(v) if isinstance(v, Mapping) else jnp.asarray(v) for k, v in params.items()}


def _check_batches(classifier: Classifier, name: str) -> None:
    """Refuse a model whose logits of an image depend on the others in the batch, or on how many there are."""
    images = np.random.default_rng(0).uniform(size=(3, *classifier.input_shape)).astype(np.float32)
    logits = jax.jit(classifier.logits)
    together = np.asarray(logits(classifier.params, images))
    alone = np.asarray(logits(classifier.params, images[1:2]))
    size = float(np.abs(together).max())
    if not np.allclose(alone[0], together[1], rtol=0, atol=1e-3 * size, equal_nan=True):
        raise InputError(
            f"the logits that {name} gives for an image depend on the rest of the batch; export it with a dynamic "
            "batch axis, or use it as a black box with models.from_predict"
        )
