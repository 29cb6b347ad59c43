"""What is kept of a clustering in its run folder.

    run.json                 configuration, versions, machine, data, model or bundle, the command that repeats it
    maps/<number>.npz        of some images: `maps` [n, h, w] float32, the evidence on at most 64 cells a side; `cover`
                             [n, R, h, w], the share of each cell that masks of each role cover; artefacts, label,
                             predicted, explained
    parts/<number>.json      the digest of a part, and what it was made by; a part counts once this is there
    clusters.csv             a row per image: cluster, class, predicted, place in the figure, its columns
    enrichment.csv           a row per test
    clusters.json            the conclusion, and what is known of each cluster
    figures/, report.html

A part is written whole: a killed run loses the part it was in.
"""

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._runs import checksums, identity
from xaijax.clusters.grouping import pool
from xaijax.clusters.plan import Answers
from xaijax.data import Batch, Element

MAPS = "maps"
CELLS = 64  # most cells of a side that are kept


@dataclass(frozen=True)
class Kept:
    """Of N images.

    Attributes:
        maps: `[N, h, w]` evidence.
        roles: names of the R roles of masks.
        cover: `[N, R, h, w]` the share of each cell that masks of each role cover.
        there: `[N, R]` bool, whether an image has a mask of the role.
        artefacts: `[N]` names of what masks outline as artefacts, such as `("ruler",)`.
        answers: names of classes.
    """

    maps: np.ndarray
    roles: tuple[str, ...]
    cover: np.ndarray
    there: np.ndarray
    artefacts: tuple[tuple[str, ...], ...]
    answers: Answers


def cells(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of the grid that maps of a size are kept on.

    Example:
        >>> cells((224, 112)), cells((7, 7))
        ((64, 32), (7, 7))
    """
    factor = max(1.0, max(shape[:2]) / CELLS)
    return max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor))


def write_part(root: Path, name: str, batch: Batch, evidence: np.ndarray, answers: Answers) -> None:
    """Writes a part, whole, and marks it as finished."""
    size = cells(evidence.shape[1:])
    roles = list(batch.roles)
    covered = [pool(batch.roles[role].astype(np.float32), size) for role in roles]
    arrays: dict[str, Any] = {
        "maps": pool(evidence, size).astype(np.float32),
        "roles": np.array(roles, np.str_),
        "cover": (np.stack(covered, 1) if covered else np.zeros((len(batch), 0, *size))).astype(np.float32),
        "there": np.stack([batch.has_role[role] for role in roles], 1) if roles else np.zeros((len(batch), 0), bool),
        "artefacts": np.array([json.dumps(_named(elements)) for elements in batch.elements], np.str_),
        "label": np.array(answers.label, np.str_),
        "predicted": np.array(answers.predicted, np.str_),
        "explained": np.array(answers.explained, np.str_),
    }
    path = _path(root, name)
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))
    checksums.write_part(root, name, [path], identity.made_by())


def finished(root: Path, name: str) -> bool:
    """Whether a part is there."""
    return name in checksums.part_files(root)


def read(root: Path, names: Sequence[str]) -> Kept:
    """All parts together.

    Raises:
        InputError: for a part that is not as it was written.
    """
    found: dict[str, list[np.ndarray]] = {}
    for name in names:
        path = _path(root, name)
        checksums.check(root, path, checksums.read_part(root, name)["files"])
        try:
            with np.load(path) as arrays:
                for key in arrays.files:
                    found.setdefault(key, []).append(arrays[key])
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} holds no maps ({' '.join(str(error).split())}); the command with --resume computes them again"
            ) from error
    whole = {key: np.concatenate(values) for key, values in found.items() if key != "roles"}
    answers = Answers(*(whole[key].tolist() for key in ("label", "predicted", "explained")))
    named = tuple(tuple(json.loads(text)) for text in whole["artefacts"].tolist())
    return Kept(whole["maps"], tuple(found["roles"][0].tolist()), whole["cover"], whole["there"], named, answers)


def _named(elements: Sequence[Element]) -> list[str]:
    """What masks outline as artefacts, each kind once: the second of two rulers is "ruler 2"."""
    names = [re.sub(r" \d+$", "", one.name) for one in elements if one.role == "artefact"]
    return list(dict.fromkeys(names))


def _path(root: Path, name: str) -> Path:
    return root / MAPS / f"{name}.npz"
