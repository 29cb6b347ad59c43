"""From named foreign arrays to a classifier: the part that all importers share."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._network.trees import flatten, put
from xaijax._outputs import Output, check_output
from xaijax.classifier import Architecture, Classifier
from xaijax.models import _files
from xaijax.models._notes import About, Note
from xaijax.models._notes import Source as NoteSource
from xaijax.models.importers.convert import GREY_FROM, plan, read
from xaijax.models.zoo import _create, entry
from xaijax.models.zoo._weights import Rule, Source, Table
from xaijax.preprocess import Preprocess


@dataclass(frozen=True)
class Dense:
    """One dense layer of a head: source names of kernel and bias (None without one)."""

    kernel: str
    bias: str | None


class Zeros:
    """A bias that a source leaves out."""

    def __init__(self, size: int) -> None:
        self.shape = (size,)

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.zeros(self.shape, np.float32)[index]


def build(
    source: Source,
    entries: Mapping[str, Any],
    head: Sequence[Dense],
    *,
    what: str,
    outputs_first: bool,
    pool: str | None,
    input_shape: Sequence[int] | None,
    classes: Sequence[str] | None,
    preprocess: Preprocess | str | None,
    output: Output | None = None,
    said: Output | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """Fill a model of the registry with foreign arrays.

    Args:
        source: what the arrays are.
        entries: names that the source's rules know -> arrays, or anything with a shape that gives them by slices.
        head: the dense layers behind the backbone, in order.
        what: what errors call the weights.
        outputs_first: True for kernels `[O, I]`.
        pool: pooling before the head, or None to infer it from the first kernel.
        input_shape: (H, W, C), or None.
        classes: names, or None.
        preprocess: or None for the source's.
        output: what the logits mean, or None for what the file says.
        said: what the file says that they mean; None where it does not.
        notes: gets a sentence for each assumption that the file does not settle.

    Returns:
        The classifier.

    Raises:
        ValueError: for entries that do not fit, all listed, or a head that is none.
    """
    made = entry(source.architecture)
    side = made.input_shape[:2] if source.size is None else (source.size, source.size)
    size = _create.image_shape((*side, _channels(source, entries)) if input_shape is None else input_shape)
    options: dict[str, Any] = {"variant": source.variant}
    entries = dict(entries)
    rules: list[Rule] = []
    if source.classes_at:
        count = (*getattr(entries.get(source.classes_at), "shape", ()), 1000)[0]
    else:
        if not head:
            raise InputError(
                f"{what} has no classification head (no dense layer behind the backbone); save the model with its head"
            )
        wrong = [dense.kernel for dense in head if len(getattr(entries.get(dense.kernel), "shape", ())) < 2]
        if wrong:
            raise InputError(f"{what} must have a matrix for each dense layer of its head; {', '.join(wrong)} is none")
        first = entries[head[0].kernel].shape
        inputs = int(np.prod(first[1:])) if outputs_first else first[0]
        chosen = _pool(source, inputs, pool)
        rules, widths, extra = _head_rules(source, entries, head, outputs_first, chosen)
        entries |= extra
        options |= {"pool": chosen, "hidden": tuple(widths[:-1])}
        count = widths[-1]
    kind = _output(output, said, count, what, notes)
    architecture = Architecture(source.architecture, _create.frozen(options))
    made.check(count, size, options)
    params: dict[str, Any] = {}
    expected = {".".join(path): (path, leaf) for path, leaf in flatten(_create.param_shapes(architecture, count, size))}
    shapes = {name: tuple(leaf.shape) for name, (_, leaf) in expected.items()}
    summed = _is_grey(source, entries, shapes)
    steps = plan(entries, [source.table, Table(rules)], shapes, what, grey=source.first if summed else None)
    # The largest first, while there is room for the pieces that they are read in.
    for step in sorted(steps, key=lambda step: -int(np.prod(shapes[step.target]))):
        path, _ = expected[step.target]
        array = read(step, entries, shapes[step.target], grey=summed and step.target == source.first)
        put(params, path, _files.adopt(array))
    params = _in_order(_create.param_shapes(architecture, count, size), params)
    if preprocess is None:
        preprocess = source.style
        words = preprocess if isinstance(preprocess, str) else "its own"
        _note(
            notes,
            f"preprocessing assumed for {what}: {Preprocess.words(words)}, as the published {source.library} weights "
            f"of {source.architecture} expect; --preprocess overrides",
            "preprocess",
        )
    if isinstance(preprocess, str):
        preprocess = Preprocess.named(preprocess)
    if size[2] == 1:
        preprocess = _create.grey(preprocess)
    return _create.assemble(architecture, params, size, classes or count, preprocess, output=kind)


def _output(output: Output | None, said: Output | None, count: int, what: str, notes: list[str] | None) -> Output:
    """What the logits mean: as given, else as the file says, else a softmax over several."""
    if output is not None:
        if said not in (None, output):
            _note(notes, f"{what} ends as {said}; its output is read as {output}, as given", "output", "option")
        return check_output(output)
    if said is not None:
        return said
    if count == 1:
        raise InputError(
            f"{what} has one output and does not say what it means; give output='binary' (one logit of two classes), "
            "'sigmoid' (one finding) or 'regression' (a number); on the command line --output"
        )
    _note(notes, f"output assumed for {what}: softmax over {count} classes; --output sigmoid reads findings", "output")
    return "softmax"


def _note(notes: list[str] | None, text: str, about: About, source: NoteSource = "assumed") -> None:
    if notes is not None:
        notes.append(Note(text, about, source))


def _in_order(like: Any, params: Any) -> Any:
    return {k: _in_order(v, params[k]) for k, v in like.items()} if isinstance(like, Mapping) else params


def _channels(source: Source, entries: Mapping[str, Any]) -> int:
    """Input channels of the kernel that reads the image."""
    for name, value in entries.items():
        found = source.table.target(name)
        if found and found[0] == source.first and len(value.shape) == 4:
            return int(value.shape[1] if found[1] == "conv" else value.shape[2])
    return 3


def _is_grey(source: Source, entries: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return shapes[source.first][2] == 1 and _channels(source, entries) == GREY_FROM


def _pool(source: Source, inputs: int, pool: str | None) -> str:
    if pool is not None:
        return pool
    return "average" if inputs == source.features else "flatten"


def _head_rules(
    source: Source, entries: Mapping[str, Any], head: Sequence[Dense], outputs_first: bool, pool: str
) -> tuple[list[Rule], list[int], dict[str, Any]]:
    """Rules of the head, the widths of its layers, and entries that it leaves out."""
    rules: list[Rule] = []
    widths: list[int] = []
    extra: dict[str, Any] = {}
    for index, layer in enumerate(head, 1):
        last = index == len(head)
        target = "head.logits" if last else f"head.hidden{index}"
        kernel = entries[layer.kernel].shape
        widths.append(int(kernel[0] if outputs_first else kernel[-1]))
        view = "dense" if outputs_first else "same"
        if outputs_first and index == 1 and pool == "flatten":
            view = f"dense_chw{source.features}"
        name = layer.bias
        if name is None:
            name = f"{layer.kernel} (no bias)"
            extra[name] = Zeros(widths[-1])
        rules.append((re.escape(layer.kernel), f"{target}.kernel", view))
        rules.append((re.escape(name), f"{target}.bias", "same"))
    return rules, widths, extra
