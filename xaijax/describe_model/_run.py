"""Prints the architectures, or what is understood of one model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xaijax import models
from xaijax._names import BUILTIN, match
from xaijax._runs import progress, tables
from xaijax._runs.models import open_one
from xaijax.describe_model import facts, predictions
from xaijax.describe_model.config import ModelsConfig, check
from xaijax.describe_model.report import lines
from xaijax.models._describe import is_architecture
from xaijax.models._load import is_named
from xaijax.models.black_box import is_script


def run(config: ModelsConfig) -> int:
    """Prints the architectures, or the description of one model.

    Args:
        config: which model.

    Returns:
        0.

    Raises:
        InputError, FileNotFoundError: for a model or data that cannot be opened.
    """
    from rich.console import Console

    config = check(config)
    if not config.model:
        found = [_listed(one) for one in models.describe()]
        if config.json:
            print(json.dumps(found, indent=2))
        else:
            _print_all(found)
        return 0
    whole = describe(config)
    if config.json:
        print(json.dumps(whole, indent=2))
    else:
        console = Console()
        for line in lines(whole, every_layer=config.layers):
            progress.say(console, line)
    return 0


def describe(config: ModelsConfig) -> dict[str, Any]:
    """What is understood of a model, as JSON values."""
    path = _meant(config.model[0])
    notes: list[str] = []
    if is_architecture(path):
        classifier = facts.untrained(path, config)
        return facts.of_classifier(classifier, path, config, notes) | {"predictions": None}
    classifier = open_one(path, config, notes)
    shown = predictions.of_data(classifier, config) if config.data else predictions.of_trials(classifier)
    return facts.of_classifier(classifier, path, config, notes) | {"predictions": shown}


def _meant(text: str) -> str:
    """A model as it was typed, or the known name that is meant; refuses a bare word that is neither."""
    if is_named(text) or is_script(text) or Path(text).expanduser().exists():
        return text
    bare = not Path(text).suffix and Path(text).name == text
    return match("model", text, [*models.list_models(), BUILTIN]) if bare else text


def _listed(one: models.ModelDescription) -> dict[str, Any]:
    return {
        "name": one.name,
        "input_shape": list(one.input_shape),
        "minimum": one.minimum,
        "parameters": one.parameters,
        "variants": list(one.variants),
        "options": list(one.options),
        "sources": dict(one.sources),
        "summary": one.summary,
    }


def _print_all(found: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console

    console = Console()
    rows = [
        {
            "name": one["name"],
            "input": "x".join(map(str, one["input_shape"])),
            "parameters": f"{one['parameters'] / 1e6:.1f} M",
            "weights of": ", ".join(one["sources"]) or "–",
            "summary": one["summary"],
        }
        for one in found
    ]
    tables.print_rows(console, rows)
    console.print("xaijax models NAME describes one, xaijax models FILE a trained one", style="dim")
