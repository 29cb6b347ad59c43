"""Any Keras model as a classifier: weights of an architecture of the registry, or a graph of its layers."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._outputs import check_output
from xaijax.classifier import Classifier
from xaijax.models._files import regular_file
from xaijax.models._notes import Note
from xaijax.models._shapes import OpenSizeError, check_image_shape
from xaijax.models.importers import keras_weights
from xaijax.models.importers.endings import output_of
from xaijax.models.importers.keras_graph import blocks, ending, files, model
from xaijax.models.importers.keras_graph.weights import Place
from xaijax.models.importers.torch_graph import beginning, layers, network
from xaijax.models.importers.torch_graph.network import GraphNetwork
from xaijax.preprocess import Preprocess, Style

ENDINGS = (".keras", ".h5", ".hdf5")
log = logging.getLogger(__name__)


def from_keras(
    source: Any,
    architecture: str | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | Style | None = None,
    pool: str | None = None,
    layer: str | None = None,
    output: str | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """A classifier from any Keras 3 model, live or saved: Functional or Sequential, nested, with its preprocessing.

    The layers that the configuration states become a graph of operations that JAX runs, as those of a PyTorch module
    do; Keras is not needed for a file, and no code from it runs. Layers keep their names, a nested model's as
    "outer/inner". Where the layers are those of an architecture of the registry, it is that one (`list_models()`).

    Args:
        source: a `keras.Model` of any backend; a `.keras` file; an `.h5` or `.hdf5` file of a whole model; or weights
            alone of an architecture of the registry (`.weights.h5`, `.h5`).
        architecture: a name of `list_models()`, for weights alone; default: recognised by the layers' names.
        input_shape: (H, W, C) or (H, W); default: the model's. Needed where it leaves its size open.
        classes: K names; default "0", "1", ...
        preprocess: what the model expects of pixels in [0, 1]; default: of a graph the layers at its beginning say
            whether it takes 0 to 255 or 0 to 1, and where they do not, [0, 1] is assumed and said; of the registry
            what the layers or the published weights say.
        pool: `"average"`, `"max"` or `"flatten"`, for weights alone that do not say it; default: inferred.
        layer: the layer that CAM methods take by default; None for the last convolutional block's output.
        output: what the logits mean; default: what the activation at the end says, softmax or sigmoid, and where there
            is none, softmax is assumed and said.
        notes: a list that gets a sentence for each assumption.

    Returns:
        The classifier, with float32 parameters. A softmax or sigmoid at the end is left out of its logits.

    Raises:
        FileNotFoundError: where there is no such file.
        ImportError: for a file without h5py.
        InputError: for a Lambda layer, a class that is not Keras's own, a layer that xaijax does not have or another
            ending (a tanh), with the layer's name; for weights that do not fit.

    Example:
        >>> from xaijax import models
        >>> models.from_keras("model.onnx")
        Traceback (most recent call last):
        ...
        xaijax._errors.InputError: model.onnx must end in .keras, .h5, .hdf5 or .weights.h5
    """
    is_model = hasattr(source, "layers") and hasattr(source, "weights")
    if not is_model and Path(source).suffix.lower() not in ENDINGS:
        raise InputError(f"{Path(source).name} must end in .keras, .h5, .hdf5 or .weights.h5")
    what = f"the model {source.name}" if is_model else regular_file(source).name
    options: dict[str, Any] = {"input_shape": input_shape, "classes": classes, "preprocess": preprocess, "pool": pool}
    said: list[str] = []
    try:
        found = keras_weights.from_keras(
            source, architecture, **options, output=None if output is None else check_output(output), notes=said
        )
    except InputError as error:
        if architecture is not None:
            raise
        said.clear()
        with files.of_model(source) if is_model else files.opened(regular_file(source)) as contents:
            if contents is None:
                raise
            try:
                made = convert(contents, what, input_shape, preprocess, output, said)
                found = made.classifier(classes, what)
            except InputError as own:
                raise own from error
    if notes is None:
        for note in said:
            log.warning("%s", note)
    else:
        notes += said
    if layer is None:
        return found
    found._check_layers([layer])
    return dataclasses.replace(found, layer=layer)


@dataclass(frozen=True)
class Converted:
    """What a Keras model became.

    Args:
        network: its graph.
        params: of it.
        input_shape: (H, W, C).
        preprocess: what it expects of pixels in [0, 1].
        output: what its logits mean.
    """

    network: GraphNetwork
    params: dict[str, Any]
    input_shape: tuple[int, int, int]
    preprocess: Preprocess | Style
    output: str

    def classifier(self, classes: Sequence[str] | None, what: str) -> Classifier:
        """As a classifier."""
        return Classifier.from_network(
            self.network,
            self.params,
            input_shape=self.input_shape,
            classes=classes,
            preprocess=self.preprocess,
            layer=self.network.graph.default_layer,
            output=check_output(self.output),
        )


def convert(
    contents: tuple[model.Config, Place],
    what: str,
    input_shape: Sequence[int] | None,
    preprocess: Preprocess | Style | None,
    output: str | None,
    said: list[str],
) -> Converted:
    """A model layer by layer, whatever its architecture; the arguments are those of `from_keras`."""
    config, weights = contents
    image = _image(model.image_shape(config), input_shape, what)
    builder, last = model.translate(config, weights, image, what)
    graph = builder.graph(last)
    params, constants = builder.kept(graph)
    if preprocess is None:
        preprocess = _pixels(beginning.pixels(graph, params, constants), what, said)
    graph, activation = ending.without_ending(graph, what)
    means = output_of(activation, last.shape[-1], output, what, said)
    shapes = network.shapes(GraphNetwork(graph, constants), params)
    graph = blocks.with_block_ends(layers.with_layers(graph, shapes), shapes)
    return Converted(GraphNetwork(graph, constants), params, image, preprocess, means)


def _image(stated: model.Shape | None, given: Sequence[int] | None, what: str) -> tuple[int, int, int]:
    """(H, W, C) from what a model states and what the caller gives."""
    if given is not None:
        own = None if stated is None or len(stated) != 3 else stated[2]
        shape = check_image_shape((*given, own or 3) if len(given) == 2 else given)
        fits = stated is None or (
            len(stated) == 3 and all(own in (None, side) for own, side in zip(stated, shape, strict=True))
        )
        if not fits:
            raise InputError(f"{what} is for images of {stated}; leave out input_shape")
        return shape
    if stated is None or len(stated) != 3 or None in stated:
        raise OpenSizeError(
            f"{what} does not say the size of its images ({stated}); give --size 224, or what it was trained on (in "
            "Python input_shape=(H, W, C))"
        )
    return check_image_shape([side for side in stated if side is not None])


def _pixels(found: tuple[float, str] | None, what: str, said: list[str]) -> Preprocess:
    """What a model's first layers say of its pixels, as a preprocessing of pixels in [0, 1]."""
    if found is None:
        text = f"{what} does not state its preprocessing: pixels in [0, 1] are assumed; --preprocess overrides"
        said.append(Note(text, "preprocess"))
        return Preprocess()
    largest, where = found
    text = f"{what}: its layer {where} is for pixels from 0 to {largest:g}, so it gets those"
    said.append(Note(text, "preprocess", "file"))
    return Preprocess(scale=largest)
