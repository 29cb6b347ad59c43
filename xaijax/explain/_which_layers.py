"""Which layers a method can look at, and why not the others."""

from typing import Any, NamedTuple

import jax
import numpy as np

from xaijax import _names, _options
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain._registry import METHODS
from xaijax.explain.attention._layers import attention_layers


class Usable(NamedTuple):
    """Layers of a model for a method.

    Attributes:
        layers: `{name: shape}` of those that are used, in the order in which they are computed.
        left_out: `{name: why}` of all others, a few words or a sentence.

    Example:
        >>> Usable({"block": (4, 4, 8)}, {"dense": "no positions"}).left_out["dense"]
        'no positions'
    """

    layers: dict[str, tuple[int, ...]]
    left_out: dict[str, str]


def usable_layers(name: str, classifier: Classifier, *, max_layers: int = 8) -> Usable:
    """The layers that a method can explain by, evenly over the depth of the model.

    Nothing runs: the model and the method are traced.

    Args:
        name: of a method with the option `layer`.
        classifier: with layers.
        max_layers: at most so many; the default layer of the model and the last usable one are always among them.

    Returns:
        `Usable(layers, left_out)`.

    Raises:
        InputError: for a method that looks at no layer, and a model of which it can use none.

    Example:
        >>> from xaijax import models
        >>> found = usable_layers("grad_cam", models.create("small_cnn", 3, (32, 32, 1)), max_layers=3)
        >>> len(found.layers), found.left_out["dense"]
        (3, 'no positions: its output is (3) per image')
    """
    name = _names.match("method", name, METHODS)
    max_layers = _options.check(_options.Count, max_layers, "max_layers")
    method = METHODS[name]
    if "layer" not in method.options:
        raise InputError(f"{name} looks at no layer; choose a method with the option layer, such as grad_cam")
    known = classifier.layers()
    attention = set(attention_layers(classifier))
    wants_attention = "attention" in method.needs
    left_out: dict[str, str] = {}
    able = []
    for layer, shape in known.items():
        why = _unfit(shape, layer in attention, wants_attention)
        if why:
            left_out[layer] = why
        else:
            able.append(layer)
    default = None if wants_attention else classifier.default_layer
    chosen = _spread(able, max_layers, default)
    for layer in able:
        if layer not in chosen:
            left_out[layer] = f"{len(able)} layers could be drawn, and {len(chosen)} are, evenly over the depth"
    for layer in chosen:
        reason = _refusal(method.function, classifier, layer)
        if reason:
            left_out[layer] = reason
    used = {layer: known[layer] for layer in chosen if layer not in left_out}
    if not used:
        raise InputError(
            f"{name} can use none of the layers of this model: {next(iter(left_out.values()), 'it has none')}"
        )
    return Usable(used, {layer: left_out[layer] for layer in known if layer in left_out})


def _unfit(shape: tuple[int, ...], attention: bool, wanted: bool) -> str:
    if wanted:
        return "" if attention else "no attention weights"
    if attention:
        return "attention weights, which have no positions of an image"
    if len(shape) != 3:
        return f"no positions: its output is ({', '.join(map(str, shape))}) per image"
    return "" if shape[0] * shape[1] > 1 else "one position alone"


def _spread(able: list[str], max_layers: int, default: str | None) -> list[str]:
    """At most `max_layers` of them, evenly, with the default one in place of its nearest neighbour."""
    if len(able) <= max_layers:
        return able
    places = sorted(
        {int(place) for place in np.rint(np.linspace(len(able) - 1, 0, max_layers, endpoint=max_layers > 1))}
    )
    if default in able and able.index(default) not in places:
        own = able.index(default)
        inner = places[:-1] or places
        places[places.index(min(inner, key=lambda place: abs(place - own)))] = own
    return [able[place] for place in sorted(places)]


def _refusal(function: Any, classifier: Classifier, layer: str) -> str:
    image = jax.ShapeDtypeStruct((1, *classifier.input_shape), np.float32)
    label = jax.ShapeDtypeStruct((1,), np.int32)
    try:
        jax.eval_shape(lambda model, x, y: function(model, x, y, layer=layer), classifier, image, label)
    except ValueError as error:
        return " ".join(str(error).split())
    return ""
