"""Compares two dumps of a table (see `dump.py`) name by name, bit by bit or within a tolerance."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from dump import ARRAYS, DONE, FAILURES, NOTES, TEXTS


@dataclass
class Difference:
    """What is different between the two dumps of one table.

    Attributes:
        table: its name.
        counts: how many arrays, texts and notes were compared.
        findings: one line each; a table with any is different.
        changed_notes: one line each; they count as differences only where asked for.
        largest: largest absolute difference between two arrays of one shape and type, and the array's name.
    """

    table: str
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    changed_notes: list[str] = field(default_factory=list)
    largest: tuple[float, str] = (0.0, "")

    def line(self) -> str:
        """The table in one line."""
        what = ", ".join(f"{count} {kind}" for kind, count in self.counts.items() if count)
        notes = f", {len(self.changed_notes)} messages changed" if self.changed_notes else ""
        if not self.findings:
            within = f", within {self.largest[0]:.3g}" if self.largest[0] else ""
            return f"same       {self.table}: {what or 'nothing'}{within}{notes}"
        largest = f", largest difference {self.largest[0]:.3g} in {self.largest[1]}" if self.largest[1] else ""
        return f"DIFFERENT  {self.table}: {len(self.findings)} findings in {what or 'nothing'}{largest}{notes}"


def compare(table: str, base: Path, head: Path, *, tolerance: float = 0.0, messages: bool = False) -> Difference:
    """Compares the dumps of one table.

    Args:
        table: its name, for the lines.
        base: folder of one dump.
        head: folder of the other.
        tolerance: largest absolute difference that two numbers may have; 0 compares bytes.
        messages: whether a changed note is a difference.

    Returns:
        What differs.
    """
    found = Difference(table)
    for side, folder in (("base", base), ("head", head)):
        if not (folder / DONE).is_file():
            log = folder / "log.txt"
            last = log.read_text("utf-8", "replace").strip().splitlines()[-1:] if log.is_file() else []
            found.findings.append(f"missing in {side}: the dump did not finish ({last[0] if last else 'no output'})")
    if found.findings:
        return found
    for side, folder in (("base", base), ("head", head)):
        for piece, trace in _read(folder / FAILURES).items():
            found.findings.append(f"failed in {side}: {piece}: {trace.strip().splitlines()[-1]}")
    _compare_texts(found, "texts", found.findings, _read(base / TEXTS), _read(head / TEXTS))
    changed = found.findings if messages else found.changed_notes
    _compare_texts(found, "notes", changed, _read(base / NOTES), _read(head / NOTES))
    with zipfile.ZipFile(base / ARRAYS) as first, zipfile.ZipFile(head / ARRAYS) as second:
        names, others = (_names(archive) for archive in (first, second))
        _missing(found.findings, "array", names, others)
        common = [name for name in names if name in others]
        found.counts["arrays"] = len(common)
        for name in common:
            _compare_arrays(found, name, _array(first, name), _array(second, name), tolerance)
    return found


def _read(path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text("utf-8"))
    return found


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _missing(findings: list[str], kind: str, base: Any, head: Any) -> None:
    findings += [f"missing in head: {kind} {name}" for name in base if name not in head]
    findings += [f"missing in base: {kind} {name}" for name in head if name not in base]


def _compare_texts(
    found: Difference, kind: str, findings: list[str], base: dict[str, str], head: dict[str, str]
) -> None:
    _missing(findings, kind.removesuffix("s"), base, head)
    common = [name for name in base if name in head]
    found.counts[kind] = len(common)
    for name in common:
        if base[name] != head[name]:
            before, after = _around(base[name], head[name])
            findings.append(f"{kind.removesuffix('s')} {name}: {before!r} -> {after!r}")


def _around(one: str, two: str, *, most: int = 160) -> tuple[str, str]:
    """The part of two texts where they begin to differ; all of them where they are short."""
    if max(len(one), len(two)) <= most:
        return one, two
    start = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    start = max(0, start - 30)
    return one[start : start + most], two[start : start + most]


def _compare_arrays(found: Difference, name: str, base: np.ndarray, head: np.ndarray, tolerance: float) -> None:
    if base.dtype != head.dtype or base.shape != head.shape:
        found.findings.append(f"array {name}: {base.dtype} {list(base.shape)} -> {head.dtype} {list(head.shape)}")
        return
    if base.tobytes() == head.tobytes():
        return
    with np.errstate(invalid="ignore"):
        one, two = (array.astype(np.complex128 if array.dtype.kind == "c" else np.float64) for array in (base, head))
        apart = np.abs(one - two)
    apart = np.where((one == two) | (np.isnan(one) & np.isnan(two)), 0.0, apart)
    apart = np.where(np.isnan(apart), np.inf, apart)  # a number on one side only
    largest = float(apart.max(initial=0.0))
    if largest > found.largest[0] or not found.largest[1]:
        found.largest = (largest, name)
    if tolerance == 0 or largest > tolerance:
        count = int((apart > tolerance).sum())
        words = f"{count} of {base.size} numbers differ, by {largest:.3g} at most" if count else "signs of zero or NaN"
        found.findings.append(f"array {name}: {words}")
