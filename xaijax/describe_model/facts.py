"""What is understood of a model: a classifier and the notes of its importer as JSON values. Nothing runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from xaijax import explain, metrics, models
from xaijax._errors import InputError
from xaijax._names import BUILTIN
from xaijax._network.host import HostNetwork
from xaijax._runs.models import digest_of, with_layer
from xaijax._runs.options import preprocess_of
from xaijax.classifier import Classifier, UnsupportedError
from xaijax.describe_model.config import ModelsConfig
from xaijax.models import _describe, zoo
from xaijax.models._format import format_of
from xaijax.models._load import BUILTIN_FILE, is_unnamed

SCHEMA = 1  # of the JSON; a number that only grows when an entry changes its meaning


def untrained(name: str, config: ModelsConfig) -> Classifier:
    """An architecture without weights, of which shapes alone are known; refuses options that need weights."""
    for option, value in (("--data", config.data), ("--weights", config.weights)):
        if value:
            raise InputError(
                f"{option} needs trained weights, and {name} is an architecture: give a file of weights or a folder of "
                "xaijax train"
            )
    found = _describe.untrained(name, side=config.size, output=config.output, preprocess=preprocess_of(config))
    return found if config.layer is None else with_layer(found, name, config.layer)


def of_classifier(classifier: Classifier, path: str, config: ModelsConfig, notes: Sequence[str]) -> dict[str, Any]:
    """Everything but the predictions.

    Args:
        classifier: the model.
        path: what it was named on the command line.
        config: what else was.
        notes: of its importer.

    Returns:
        JSON values, as docs/models.md describes them.
    """
    return {
        "schema": SCHEMA,
        "model": path,
        "source": _source(path),
        "training": _training(path),
        "architecture": _architecture(classifier),
        "input": _input(classifier),
        "preprocess": _preprocess(classifier, path, config, notes),
        "output": _output(classifier, path, config, notes),
        "classes": _classes(classifier),
        "parameters": _parameters(classifier),
        "layers": _layers(classifier),
        "default_layer": _default_layer(classifier, config),
        "tokens": _tokens(classifier),
        "explainers": _explainers(classifier),
        "metrics_refused": _metrics_refused(classifier),
        "limits": _limits(classifier),
        "notes": [str(note) for note in notes],
    }


def _source(path: str) -> dict[str, Any]:
    if _describe.is_architecture(path):
        return {"format": "architecture without weights", "file": None, "bytes": None}
    words, file = format_of(path)
    return {"format": words, "file": _text(file), "bytes": None if file is None else file.stat().st_size}


def _training(path: str) -> dict[str, Any]:
    """What a training kept with the weights: its command, its scores."""
    if _describe.is_architecture(path) or not format_of(path)[0].startswith("xaijax checkpoint"):
        return {}
    found = models.read_info(BUILTIN_FILE if path == BUILTIN else path)
    return {key: value for key, value in found.items() if key not in ("architecture", "classes", "input_shape")}


def _text(file: Path | None) -> str | None:
    return None if file is None else str(file)


def _architecture(classifier: Classifier) -> dict[str, Any]:
    made = classifier.architecture
    if made is None:
        return {"name": None, "kind": classifier.network.kind, "options": {}, "summary": ""}
    return {
        "name": made.name,
        "kind": "an architecture of xaijax",
        "options": dict(made.options),
        "summary": zoo.entry(made.name).summary,
    }


def _input(classifier: Classifier) -> dict[str, Any]:
    height, width, channels = classifier.input_shape
    made = classifier.architecture
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "dtypes": ["uint8", "uint16", "float32"],
        "range": [0, 1],  # of floats
        "minimum": None if made is None else zoo.entry(made.name).minimum,
    }


def _where(about: str, given: bool, path: str, notes: Sequence[str]) -> tuple[str, str | None]:
    """Where something comes from, and the sentence that says it."""
    for note in notes:
        if isinstance(note, models.Note) and note.about == about:
            return note.source, str(note)
    if given:
        return "option", None
    return "library" if _describe.is_architecture(path) else "file", None


def _preprocess(classifier: Classifier, path: str, config: ModelsConfig, notes: Sequence[str]) -> dict[str, Any]:
    channels = classifier.input_shape[2]
    where, why = _where("preprocess", bool(config.preprocess), path, notes)
    if isinstance(classifier.network, HostNetwork):
        box = classifier.network
        scale, order = (255.0 if box.rounds else 1.0), "rgb"
        mean, std = (np.broadcast_to(v, channels) for v in (box.mean or (0.0,), box.std or (1.0,)))
    else:
        own = classifier.preprocess
        scale, order = own.scale, own.order
        mean, std = (np.broadcast_to(v, channels) for v in (own.mean, own.std))
    pixels = None if isinstance(classifier.network, HostNetwork) else classifier.preprocess.pixels
    return {
        "scale": scale,
        "mean": [float(v) for v in mean],
        "std": [float(v) for v in std],
        "order": order if channels == 3 else "grey",
        "black": [float((0 - m) / s) for m, s in zip(mean, std, strict=True)],
        "white": [float((scale - m) / s) for m, s in zip(mean, std, strict=True)],
        "pixels": None if pixels is None else list(pixels.shape[:2]),
        "from": where,
        "note": why,
    }


def _output(classifier: Classifier, path: str, config: ModelsConfig, notes: Sequence[str]) -> dict[str, Any]:
    where, why = _where("output", config.output is not None, path, notes)
    return {
        "kind": classifier.output,
        "logits": 1 if classifier.output == "binary" else len(classifier.classes),
        "thresholds": None if classifier.thresholds is None else list(classifier.thresholds),
        "from": where,
        "note": why,
    }


def _classes(classifier: Classifier) -> dict[str, Any]:
    names = list(classifier.classes)
    return {"count": len(names), "names": names, "from": "none" if is_unnamed(names) else "file"}


def _parameters(classifier: Classifier) -> dict[str, Any]:
    if classifier.network.host:
        return {"count": None, "trained": None, "bytes": None, "digest": digest_of(classifier)}
    leaves = jax.tree.leaves(classifier.params)
    return {
        "count": sum(int(np.prod(leaf.shape)) for leaf in leaves),
        "trained": classifier.parameter_count(),
        "bytes": sum(int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize for leaf in leaves),
        "digest": None if _is_abstract(classifier) else digest_of(classifier),
    }


def _is_abstract(classifier: Classifier) -> bool:
    return any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(classifier.params))


def _layers(classifier: Classifier) -> list[dict[str, Any]]:
    if not classifier.network.has_layers:
        return []
    return [{"name": name, "shape": list(shape)} for name, shape in classifier.layers().items()]


def _default_layer(classifier: Classifier, config: ModelsConfig) -> dict[str, Any]:
    try:
        name = classifier.default_layer
        why = "given with --layer" if config.layer is not None else classifier.default_layer_reason
        return {"name": name, "shape": list(classifier.layers()[name]), "why": why}
    except UnsupportedError as error:
        return {"name": None, "shape": None, "why": str(error)}


def _tokens(classifier: Classifier) -> dict[str, Any] | None:
    try:
        found = classifier.token_grid()
    except UnsupportedError:
        return None
    if found is None:
        return None
    rows, columns, front = found
    height, width, _ = classifier.input_shape
    return {
        "rows": rows,
        "columns": columns,
        "in_front": front,
        "patch": [round(height / rows), round(width / columns)],
    }


def _explainers(classifier: Classifier) -> list[dict[str, Any]]:
    """Each family with the methods that work, and those that do not with the sentence of their refusal."""
    found: dict[str, dict[str, Any]] = {}
    for name, reason in explain.refusals(classifier).items():
        family = explain.METHODS[name].family
        entry = found.setdefault(family, {"family": family, "works": [], "refused": []})
        if reason is None:
            entry["works"].append(name)
        else:
            entry["refused"].append({"method": name, "reason": reason})
    return list(found.values())


def _metrics_refused(classifier: Classifier) -> list[dict[str, str]]:
    return [{"metric": name, "reason": reason} for name, reason in metrics.refusals(classifier).items()]


def _limits(classifier: Classifier) -> list[str]:
    """What the model does not do, in sentences."""
    box = classifier.network
    found = []
    if classifier.output == "regression":
        found.append("A regression has no classes: metrics of accuracy (aic_*) have no value.")
    if not isinstance(box, HostNetwork):
        return found
    found += ["A black box gives predictions alone: no layers, gradients or parameters, and no training."]
    if box.batch_size is not None:
        count = box.batch_size
        found.append(f"It gets {count} image{'s' * (count > 1)} in every call; the last call is filled up.")
    if box.rounds:
        found.append("It sees images rounded to 8 bits; metrics that need smaller differences refuse.")
    if not box.gives_logits and box.output != "regression":
        logs = "the logarithm of the probability" if box.output == "softmax" else "the log-odds"
        found.append(f"It has no logits: the target logit explains {logs}.")
    found.append("One thread calls it at a time.")
    return found
