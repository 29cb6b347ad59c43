"""Walks a Keras configuration, Functional or Sequential and nested, and has each layer written."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.models.importers.keras_graph.builder import Builder, Value, config_of
from xaijax.models.importers.keras_graph.convolutions import multi_head_attention
from xaijax.models.importers.keras_graph.layers import LAYERS, MERGES, PASSIVE
from xaijax.models.importers.keras_graph.ops import OPS
from xaijax.models.importers.keras_graph.weights import Place

MODELS = ("Functional", "Sequential", "Model")
Config = Mapping[str, Any]
Shape = tuple[int | None, ...]


def translate(config: Config, weights: Place, image: tuple[int, int, int], what: str) -> tuple[Builder, Value]:
    """Write a model.

    Args:
        config: of the model: its class and configuration.
        weights: of the model.
        image: (H, W, C).
        what: what errors call it.

    Returns:
        The builder, and the output `[B, K]`.

    Raises:
        InputError: naming the first layer that cannot be translated.
    """
    builder = Builder(image, what)
    output = _model(builder, config, weights, builder.images)
    if output.ndim != 2:
        raise InputError(
            f"{what} must return one array of logits [B, K]; it returns {list(output.shape[1:])} per image"
        )
    return builder, output


def image_shape(config: Config) -> Shape | None:
    """(H, W, C) that a configuration states; sides that it leaves open are None."""
    inside = config_of(config)
    for layer in inside.get("layers", ()) if isinstance(inside, Mapping) else ():
        own = config_of(layer)
        for key in ("batch_shape", "batch_input_shape"):
            if own.get(key) is not None:
                return tuple(own[key][1:])
        if layer.get("class_name") in MODELS:
            return image_shape(layer)
        if layer.get("class_name") != "InputLayer":
            break
    stated = inside.get("build_input_shape") or (config.get("build_config") or {}).get("input_shape")
    return None if stated is None else tuple(stated[1:])


def _model(builder: Builder, config: Config, place: Place, value: Value) -> Value:
    kind = str(config.get("class_name"))
    inside = config_of(config)
    if kind not in MODELS or "layers" not in inside or _is_foreign(config):
        raise builder.refused(
            f"is a {config.get('registered_name') or kind}: xaijax reads Functional and Sequential models, "
            "whose layers a file states"
        )
    if kind == "Sequential":
        return _sequential(builder, inside["layers"], place, value)
    return _functional(builder, inside, place, value)


def _sequential(builder: Builder, layers: Sequence[Config], place: Place, value: Value) -> Value:
    for layer, own in _placed(layers, place):
        if layer.get("class_name") != "InputLayer":
            value = _call(builder, layer, own, [value], {})
    return value


def _placed(layers: Sequence[Config], place: Place) -> Iterator[tuple[Config, Callable[[], Place]]]:
    """Each layer and where its weights are, looked up when they are asked for."""
    counts: dict[str, int] = {}
    for layer in layers:
        kind = str(layer.get("class_name"))
        if _is_operation(layer):
            yield layer, lambda: place
            continue
        count = counts.get(kind, 0)
        counts[kind] = count + 1
        name = _name(layer)
        yield layer, lambda name=name, kind=kind, count=count: place.child(name, kind, count)  # type: ignore[misc]


@dataclass(frozen=True)
class _Tensor:
    """A result of another layer: its name, which of its calls, and which of its outputs."""

    layer: str
    node: int
    index: int


def _functional(builder: Builder, inside: Config, place: Place, value: Value) -> Value:
    """Every call of every layer, as soon as what it takes is known."""
    inputs, outputs = _tensors(inside["input_layers"]), _tensors(inside["output_layers"])
    for what, found in (("takes", inputs), ("returns", outputs)):
        if len(found) != 1:
            raise builder.refused(f"{what} {len(found)} arrays; xaijax reads models with one input and one output")
    known: dict[_Tensor, Value] = {inputs[0]: value}
    waiting = []
    for layer, own in _placed(inside["layers"], place):
        if layer.get("class_name") == "InputLayer":
            continue
        nodes = layer.get("inbound_nodes") or ()
        for number, node in enumerate(nodes):
            args, kwargs = _arguments(builder, node)
            waiting.append((_Tensor(_name(layer), number, 0), layer, own, args, kwargs))
    while waiting:
        later = []
        for call in waiting:
            target, layer, own, args, kwargs = call
            if any(tensor not in known for tensor in (*_used(args), *_used(list(kwargs.values())))):
                later.append(call)
                continue
            filled = [_filled(arg, known) for arg in args]
            named = {key: _filled(arg, known) for key, arg in kwargs.items()}
            known[target] = _call(builder, layer, own, filled, named)
        if len(later) == len(waiting):
            if outputs[0] in known:
                break
            raise builder.refused(
                f"has layers whose inputs nothing gives: {', '.join(_name(call[1]) for call in later[:3])}"
            )
        waiting = later
    if outputs[0] not in known:
        raise builder.refused(f"has no output {outputs[0].layer}")
    return known[outputs[0]]


def _tensors(stated: Any) -> list[_Tensor]:
    """The inputs or outputs that a configuration states, as one or as a list."""
    if isinstance(stated, Mapping):
        return [tensor for one in stated.values() for tensor in _tensors(one)]
    if len(stated) == 3 and isinstance(stated[0], str):
        return [_Tensor(str(stated[0]), int(stated[1]), int(stated[2]))]
    return [tensor for one in stated for tensor in _tensors(one)]


def _arguments(builder: Builder, node: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of one call; results of other layers as `_Tensor`."""
    if isinstance(node, Mapping):
        return [_argument(builder, one) for one in node.get("args", ())], {
            key: _argument(builder, one) for key, one in (node.get("kwargs") or {}).items()
        }
    # Before Keras 3: [[layer, node, index, keyword arguments], ...]
    listed = [node] if node and isinstance(node[0], str) else node
    tensors = [_Tensor(str(one[0]), int(one[1]), int(one[2])) for one in listed]
    kwargs: dict[str, Any] = dict(listed[0][3]) if listed and len(listed[0]) > 3 else {}
    return [tensors[0] if len(tensors) == 1 else tensors], kwargs


def _argument(builder: Builder, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_argument(builder, one) for one in value]
    if not isinstance(value, Mapping):
        return value
    kind, inside = value.get("class_name"), config_of(value)
    if kind == "__keras_tensor__":
        layer, node, index = inside["keras_history"]
        return _Tensor(str(layer), int(node), int(index))
    if kind in ("__tensor__", "__numpy__"):
        return np.asarray(inside["value"], inside.get("dtype", "float32"))
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__tuple__":
        return [_argument(builder, one) for one in value["items"]]
    if kind == "slice" or (value.get("module") == "builtins" and kind == "__slice__"):
        return slice(inside.get("start"), inside.get("stop"), inside.get("step"))
    raise builder.refused(f"has an argument of the kind {kind}")


def _used(value: Any) -> Iterator[_Tensor]:
    if isinstance(value, _Tensor):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _used(one)


def _filled(value: Any, known: Mapping[_Tensor, Value]) -> Any:
    if isinstance(value, _Tensor):
        return known[value]
    return [_filled(one, known) for one in value] if isinstance(value, list) else value


# ----------------------------------------------------------------------------------------------------------- one layer


def _call(
    builder: Builder, layer: Config, place: Callable[[], Place], args: list[Any], kwargs: Mapping[str, Any]
) -> Value:
    """One call of one layer."""
    kind, config = str(layer.get("class_name")), config_of(layer)
    with builder.layer(_name(layer), f"keras.{kind}"):
        if _is_operation(layer):
            if kind not in OPS:
                raise builder.refused(f"is the operation {kind}, which xaijax does not have")
            options = {key: value for key, value in kwargs.items() if value is not None}
            return OPS[kind](builder, _positional(args, options), {**config, **options})
        if kind == "Lambda":
            raise builder.refused("is a Lambda layer, whose code is not run")
        if kind in MODELS and not _is_foreign(layer):
            return _model(builder, layer, place(), _one(builder, args))
        _check_options(builder, kind, kwargs)
        if not _is_foreign(layer):
            if kind in PASSIVE:
                return _one(builder, args)
            if kind in LAYERS:
                return LAYERS[kind](builder, _one(builder, args), config, place())
            if kind in MERGES:
                values = args[0] if len(args) == 1 and isinstance(args[0], list) else args
                return MERGES[kind](builder, values, config)
            if kind == "MultiHeadAttention":
                named = [kwargs[key] for key in ("query", "value", "key") if kwargs.get(key) is not None]
                return multi_head_attention(builder, [*args, *named], config, place())
            raise builder.refused(f"is a {kind}, which xaijax does not have")
        raise builder.refused(f"is of the class {layer.get('registered_name') or kind}, whose code is not run")


def _positional(args: list[Any], options: dict[str, Any]) -> list[Any]:
    """With operands that were given by name in front."""
    if args:
        return args
    names = [name for name in ("x", "x1", "xs", "arrays", "x2") if name in options]
    return [options.pop(name) for name in names]


def _one(builder: Builder, args: list[Any]) -> Value:
    values = args[0] if len(args) == 1 and isinstance(args[0], list) else args
    if not values or not isinstance(values[0], Value) or any(isinstance(value, Value) for value in values[1:]):
        raise builder.refused(f"takes {len(values)} arrays")
    return values[0]


def _check_options(builder: Builder, kind: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse what would change a result: batch norm that trains, masks."""
    allowed = ("query", "value", "key") if kind == "MultiHeadAttention" else ()
    given = [key for key, value in kwargs.items() if value is not None and value is not False and key not in allowed]
    if given:
        raise builder.refused(f"is called with {', '.join(given)}")


def _name(layer: Config) -> str:
    return str(config_of(layer).get("name", layer.get("name")))


def _is_operation(layer: Config) -> bool:
    """Whether it is a function of `keras.ops` and no layer; old files name no module, and layers are `trainable`."""
    if layer.get("module"):
        return str(layer["module"]).startswith("keras.src.ops.")
    kind = layer.get("class_name")
    return kind in OPS and "trainable" not in config_of(layer)


def _is_foreign(layer: Config) -> bool:
    """Whether a class is not Keras's own; old files name no module, and put a package before such a class."""
    module = str(layer.get("module") or "keras")
    registered = layer.get("registered_name")
    own = module.partition(".")[0] in ("keras", "tensorflow", "tf_keras")
    return not own or ">" in str(layer.get("class_name")) or (registered is not None and ">" in str(registered))


def parse(text: str | bytes) -> Config:
    """A configuration as JSON; refuses what is none."""
    found = json.loads(text)
    if not isinstance(found, Mapping):
        raise ValueError("a configuration of Keras is a JSON object")
    return found
