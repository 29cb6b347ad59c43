"""The description of a model as lines of text for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 80
ENDS = (4, 8)  # layers shown at the beginning and at the end
NAMES = 12  # classes shown
IMAGES = 16  # predictions shown
FROM = {
    "file": "the model says it",
    "option": "given on the command line",
    "library": "usual for it",
    "assumed": "ASSUMED",
    "none": "the model does not name them",
}


def lines(found: Mapping[str, Any], *, every_layer: bool = False) -> Iterator[str]:
    """The lines of a description.

    Args:
        found: of `facts.of_classifier`, with "predictions".
        every_layer: whether long lists of layers are shown whole.

    Yields:
        Lines of at most 80 letters, but for names that are longer.
    """
    yield str(found["model"])
    yield from _row("source", _source(found["source"]))
    if "command" in found["training"]:
        yield from _row("trained by", str(found["training"]["command"]))
    if "trained_on" in found["training"]:
        yield from _row("trained on", str(found["training"]["trained_on"]))
    yield from _row("architecture", _architecture(found["architecture"]))
    yield from _row("input", _input(found["input"]))
    yield from _row("preprocessing", _preprocess(found["preprocess"]))
    yield from _row("output", _output(found["output"]))
    yield from _row("classes", _classes(found["classes"]))
    yield from _row("parameters", _parameters(found["parameters"]))
    yield from _row("default layer", _default_layer(found["default_layer"]))
    if found["tokens"] is not None:
        yield from _row("tokens", _tokens(found["tokens"]))
    yield from _layers(found["layers"], found["default_layer"]["name"], every_layer)
    yield from _explainers(found["explainers"])
    yield from _metrics(found["metrics_refused"])
    if found["limits"]:
        yield "limits"
        for sentence in found["limits"]:
            yield from _wrapped(sentence, "  ")
    if found["training"].get("card"):
        yield from _card(found["training"])
    if found["predictions"] is not None:
        yield from _predictions(found["predictions"])
    if found["notes"]:
        yield "notes"
        for note in found["notes"]:
            yield from _wrapped(note, "  ")


def _row(name: str, text: str) -> Iterator[str]:
    return _wrapped(text, f"  {name:<15}", " " * 17)


def _card(training: Mapping[str, Any]) -> Iterator[str]:
    """What was measured of the trained model: a row for each finding, whose columns the file names."""
    (first, *others) = training["card"][0]
    yield first
    for row in training["card"]:
        values = ", ".join(str(row[name]) for name in others if row[name])
        yield from _wrapped(f"{row[first]}: {values}", "  ", "    ")
    if "measured_by" in training:
        yield from _row("measured by", str(training["measured_by"]))


def _wrapped(text: str, first: str, rest: str | None = None) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent="    " if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _source(one: Mapping[str, Any]) -> str:
    size = "" if one["bytes"] is None else f", {_size(one['bytes'])}"
    return f"{one['format']}{size}"


def _architecture(one: Mapping[str, Any]) -> str:
    if one["name"] is None:
        return f"{one['kind']}, of no architecture of xaijax"
    options = ", ".join(f"{name}={value}" for name, value in one["options"].items())
    return f"{one['name']}{f' ({options})' if options else ''}: {one['summary']}".rstrip(": ")


def _input(one: Mapping[str, Any]) -> str:
    colour = {1: "grey", 3: "RGB"}.get(one["channels"], "")
    least = "" if one["minimum"] is None else f"; sides of {one['minimum']} pixels or more"
    return (
        f"{one['height']} x {one['width']} x {one['channels']} {colour}".rstrip()
        + f", uint8, uint16, or floats from 0 to 1{least}"
    )


def _preprocess(one: Mapping[str, Any]) -> str:
    black, white = (_numbers(one[name]) for name in ("black", "white"))
    order = ", channels as BGR" if one["order"] == "bgr" else ""
    usual = one["scale"] == 1 and set(one["mean"]) == {0.0} and set(one["std"]) == {1.0}
    if usual and one["pixels"]:
        height, width = one["pixels"]
        text = f"every pixel of {height}x{width} minus its own mean, divided by its own standard deviation{order}"
    elif usual:
        text = f"none: pixels stay in [0, 1]{order}"
    else:
        scale = "" if one["scale"] == 1 else f"scale {one['scale']:g}, "
        text = f"{scale}mean {_numbers(one['mean'])}, std {_numbers(one['std'])}{order}: black becomes {black}, "
        text += f"white {white}"
    return f"{text} ({FROM[one['from']]})"


def _numbers(values: Sequence[float]) -> str:
    shown = [f"{value:.4g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else " ".join(shown)


def _output(one: Mapping[str, Any]) -> str:
    words = {
        "softmax": "softmax: classes that exclude each other",
        "sigmoid": "sigmoid: findings, each there or not",
        "binary": "binary: one logit, that of the second class",
        "regression": "regression: numbers",
    }[one["kind"]]
    limits = "" if one["thresholds"] is None else f", thresholds {_numbers(one['thresholds'])}"
    return f"{words}{limits} ({FROM[one['from']]})"


def _classes(one: Mapping[str, Any]) -> str:
    if one["from"] == "none":
        return f"{one['count']}, without names"
    names = one["names"]
    more = "" if len(names) <= NAMES else f", and {len(names) - NAMES} more"
    return f"{one['count']}: {', '.join(names[:NAMES])}{more}"


def _parameters(one: Mapping[str, Any]) -> str:
    if one["count"] is None:
        return f"not known (digest {one['digest']})"
    fixed = one["count"] - one["trained"]
    statistics = f", {fixed:,} of them statistics" if fixed else ""
    digest = "" if one["digest"] is None else f", digest {one['digest']}"
    return f"{one['count']:,}{statistics}; {_size(one['bytes'])}{digest}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _default_layer(one: Mapping[str, Any]) -> str:
    if one["name"] is None:
        return f"none: {one['why']}"
    return f"{one['name']} ({_shape(one['shape'])}): {one['why']}"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _tokens(one: Mapping[str, Any]) -> str:
    front = "no others" if not one["in_front"] else f"{one['in_front']} class or register token(s) in front"
    return f"{one['rows']} x {one['columns']} patches of {_shape(one['patch'])} pixels, {front}"


def _layers(found: Sequence[Mapping[str, Any]], default: str | None, every: bool) -> Iterator[str]:
    if not found:
        return
    yield f"layers ({len(found)}; height x width x channels)"
    first, last = ENDS
    folded = not every and len(found) > first + last + 1
    shown = [*found[:first], None, *found[len(found) - last :]] if folded else list(found)
    wide = max(len(one["name"]) for one in shown if one is not None)
    for one in shown:
        if one is None:
            yield f"  ... {len(found) - first - last} more (--layers)"
        else:
            mark = "   <- default" if one["name"] == default else ""
            yield f"  {one['name']:<{wide}}  {_shape(one['shape'])}{mark}"


def _explainers(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "explainers"
    for one in found:
        works = ", ".join(one["works"]) or "none"
        yield from _wrapped(works, f"  {one['family']:<15}", " " * 17)
        for names, reason in _together([(entry["method"], entry["reason"]) for entry in one["refused"]]):
            yield from _wrapped(f"not {', '.join(names)}: {reason}", " " * 17, " " * 19)


def _metrics(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not found:
        yield "metrics"
        yield "  all of them, where the data have what they need"
        return
    yield "metrics"
    yield "  all of them, where the data have what they need, but for"
    for names, reason in _together([(entry["metric"], entry["reason"]) for entry in found]):
        yield from _wrapped(f"{', '.join(names)}: {reason}", "  ")


def _together(refused: Sequence[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Names with one reason, which may differ by the name in it; the sentence is that of the first."""
    found: dict[str, tuple[list[str], str]] = {}
    for name, reason in refused:
        found.setdefault(reason.removeprefix(name), ([], reason))[0].append(name)
    return list(found.values())


def _predictions(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"predictions of {one['of']}"
    if one["shape"] is not None:
        spread = "" if one["range"] is None else f", from {one['range'][0]:.3g} to {one['range'][1]:.3g}"
        sums = "" if one["sums"] is None else f", rows sum to {_between(one['sums'])}"
        yield f"  shape {_shape(one['shape'])}{spread}{sums}"
    shown = one["images"][:IMAGES]
    wide = max((len(image["name"]) for image in shown), default=0)
    for image in shown:
        value = "NaN" if image["value"] is None else f"{image['value']:.4f}"
        label = "" if image["label"] is None else f"   label: {image['label'] or 'none'}"
        yield f"  {image['name']:<{wide}}  {value}  {image['predicted'] or '–'}{label}"
    if len(one["images"]) > IMAGES:
        yield f"  ... {len(one['images']) - IMAGES} more images (--json has all)"
    if one["right"] is not None:
        taken = one["right"]["taken_as"]
        order = f", its classes taken as {', '.join(taken)}, in this order" if taken else ""
        yield from _wrapped(f"right: {one['right']['images']} of {one['right']['of']}{order}", "  ")
    for warning in one["warnings"]:
        yield from _wrapped(f"WARNING: {warning}", "  ")


def _between(ends: Sequence[float]) -> str:
    low, high = (f"{value:.4g}" for value in ends)
    return low if low == high else f"{low} to {high}"
