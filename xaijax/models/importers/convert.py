"""Foreign arrays into the places of ours: which goes where, by which permutation of its axes.

Every source entry must find a rule (`xaijax.models.zoo._weights`) or carry nothing, every entry of ours must be filled,
every shape must fit; what does not is one error that lists all of it. Arrays are read piece by piece into their places,
so that no weight is held twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.models import _files
from xaijax.models.zoo._weights import Table

# Name of a permutation -> our array seen in the layout of the source. Reading is writing into that view, in pieces:
# nothing is held twice.
VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "same": lambda ours: ours,
    "conv": lambda ours: ours.transpose(3, 2, 0, 1),  # OIHW; depthwise O1HW alike
    "depthwise": lambda ours: ours.transpose(0, 1, 3, 2),  # HWC1 of Keras
    "dense": lambda ours: ours.T,  # OI
    "ohwi": lambda ours: ours.transpose(3, 0, 1, 2),
    "1hwc": lambda ours: ours.transpose(2, 0, 1, 3),  # depthwise
}
GREY_FROM = 3  # input channels that are summed for grey images
IGNORED = (r".*\.num_batches_tracked", r"top_level_model_weights/.*", r".*seed_generator_state.*")


def view_of(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The view of that name; `dense_chw512` reads `[O, 512 h w]` (channels first) for our `[h w 512, O]`."""
    if not name.startswith("dense_chw"):
        return VIEWS[name]
    channels = int(name.removeprefix("dense_chw"))
    return lambda ours: ours.reshape(-1, channels, ours.shape[1]).transpose(2, 1, 0)


@dataclass(frozen=True)
class Step:
    """One source entry, where it goes, and how."""

    source: str
    target: str
    view: str


def plan(
    entries: Mapping[str, Any],
    tables: Iterable[Table],
    shapes: Mapping[str, tuple[int, ...]],
    source: str,
    *,
    grey: str | None = None,
) -> list[Step]:
    """Which source entry goes where.

    Args:
        entries: source name -> anything with a shape.
        tables: where a name is looked up, in this order.
        shapes: our names -> the shapes that the model has.
        source: what the error calls the weights.
        grey: our name of the first kernel, if its input channels are to be summed to one.

    Returns:
        Steps that fill every entry of `shapes` once.

    Raises:
        ValueError: one message that lists every unmapped, doubly mapped, missing and mis-shaped entry.
    """
    tables = list(tables)
    steps: dict[str, Step] = {}
    wrong: list[str] = []
    for name, value in entries.items():
        shape = tuple(value.shape)
        found = next((hit for hit in (table.target(name) for table in tables) if hit), None)
        if found is None:
            if not any(re.fullmatch(pattern, name) for pattern in IGNORED):
                wrong.append(f"unmapped: {name} {list(shape)}")
            continue
        target, view = found
        if target not in shapes:
            wrong.append(f"unmapped: {name} {list(shape)} (the model has no {target})")
        elif target in steps:
            wrong.append(f"mapped twice: {steps[target].source} and {name} both give {target}")
        else:
            steps[target] = Step(name, target, view)
            ours = shapes[target]
            if target == grey:
                ours = (*ours[:2], GREY_FROM, ours[3])
            layout = view_of(view)(np.broadcast_to(np.float32(0), ours)) if _viewable(ours, view) else None
            if layout is None or not _fits(layout.shape, shape):
                wrong.append(f"mis-shaped: {name} {list(shape)} does not fit {target} {list(shapes[target])}")
    wrong += [f"missing: {target} {list(shape)}" for target, shape in shapes.items() if target not in steps]
    if wrong:
        count = f"{len(wrong)} entr{'y' if len(wrong) == 1 else 'ies'}"
        raise InputError(f"the weights of {source} do not fit the model ({count}):\n  " + "\n  ".join(wrong))
    return list(steps.values())


def read(step: Step, entries: Mapping[str, Any], shape: tuple[int, ...], *, grey: bool = False) -> np.ndarray:
    """The array of one step.

    Args:
        step: from `plan`.
        entries: source name -> array, or anything that has a shape and gives arrays by slices of its first axis.
        shape: ours.
        grey: True to sum three input channels to one.

    Returns:
        float32 of `shape`.
    """
    value = entries[step.source]
    if grey:
        whole = np.empty((*shape[:2], GREY_FROM, shape[3]), np.float32)
        view_of(step.view)(whole)[...] = np.asarray(value[:])
        return whole.sum(2, keepdims=True)
    ours = _files.zeros(shape)
    _files.fill(view_of(step.view)(ours), value)
    return ours


def _viewable(shape: tuple[int, ...], view: str) -> bool:
    axes = {"conv": 4, "depthwise": 4, "ohwi": 4, "1hwc": 4, "same": len(shape)}.get(view, 2)
    if len(shape) != axes:
        return False
    return not view.startswith("dense_chw") or shape[0] % int(view.removeprefix("dense_chw")) == 0


def _fits(layout: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """The same shape, but for axes that one of the two has in one piece."""
    return layout == shape or (len(layout) == 3 and len(shape) == 2 and (layout[0], layout[1] * layout[2]) == shape)
