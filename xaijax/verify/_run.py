"""Says which files of a folder are gone or changed, and how to get them back."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._runs import bundle, checksums, storage
from xaijax._runs.checksums import Problem
from xaijax._runs.folder import DESCRIPTION, read_json
from xaijax.verify.config import VerifyConfig

DAMAGED = 2  # the exit status of bad input


def run(config: VerifyConfig) -> int:
    """Prints what is damaged in a folder.

    Args:
        config: which folder.

    Returns:
        0 where every file has the bytes that were written, else 2.

    Raises:
        InputError: for a folder that holds neither a run nor a bundle.
    """
    from rich.console import Console

    found = verify(config.path.expanduser())
    if config.json:
        print(json.dumps(found, indent=2))
    else:
        console = Console()
        for line in lines(found):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    return DAMAGED if found["problems"] else 0


def verify(path: Path) -> dict[str, Any]:
    """What is damaged in a folder that a command wrote.

    Args:
        path: the folder, or an address in object storage.

    Returns:
        JSON values: `path`, `kind` ("run", "training", ..., "bundle"), `finished` (whether a command ended there),
        `files` (how many were compared), `problems` (each with `file`, `what` and `part`), and `remedy` (a sentence).

    Raises:
        InputError: for what is no folder, or one that holds neither a run nor a bundle.
    """
    address = storage.address_of(path)
    if address is None:
        return _folder(path, {})
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "run"
        folder.mkdir()
        found = _folder(folder, storage.copied(address, folder))
        return found | {"path": address}


def _folder(path: Path, damaged: Mapping[str, str]) -> dict[str, Any]:
    """The same of a folder on this disk.

    Args:
        path: the folder.
        damaged: files that were left out of it -> what is wrong with them.
    """
    if (path / bundle.MANIFEST).is_file() and not (path / DESCRIPTION).is_file():
        return _bundle(path)
    if not path.is_dir():
        raise InputError(
            f"{path} is {'a file' if path.exists() else 'not there'}: give the folder that a command wrote with --out"
        )
    if not damaged and not any((path / name).exists() for name in (DESCRIPTION, checksums.CHECKSUMS, checksums.PARTS)):
        raise InputError(f"{path} holds no run and no bundle: give the folder that a command wrote with --out")
    found = _with(checksums.problems(path, DESCRIPTION), damaged)
    kind = "run"
    if not any(one.file == DESCRIPTION for one in found):
        kind = str(read_json(path / DESCRIPTION, "run").get("kind", "run"))
    finished = checksums.finished(path)
    return {
        "path": str(path),
        "kind": kind,
        "finished": finished,
        "files": checksums.count(path) + 1,
        "problems": [{"file": one.file, "what": one.what, "part": one.part} for one in found],
        "remedy": _remedy(kind, found, finished=finished),
    }


def _with(found: list[Problem], damaged: Mapping[str, str]) -> list[Problem]:
    """Problems with those of files that were left out: what is wrong with them is not that they are gone."""
    others = [dataclasses.replace(one, what=damaged.get(one.file, one.what)) for one in found]
    known = {one.file for one in others}
    parts = {f"{checksums.PARTS}/{Path(file).stem}.json": Path(file).stem for file in damaged}
    more = [Problem(file, what, parts.get(file)) for file, what in damaged.items() if file not in known]
    return sorted([*others, *more], key=lambda one: one.file)


def _bundle(path: Path) -> dict[str, Any]:
    problems = []
    try:
        bundle.read(path)
    except InputError as error:
        problems = [{"file": bundle.MANIFEST, "what": str(error), "part": None}]
    remedy = "write the bundle again, or put the files back as they were" if problems else ""
    files = 0 if problems else sum(1 for one in path.rglob("*") if one.is_file())
    return {
        "path": str(path), "kind": "bundle", "finished": True, "files": files, "problems": problems, "remedy": remedy
    }  # fmt: skip


def _remedy(kind: str, found: list[Problem], *, finished: bool) -> str:
    if not found:
        return "" if finished else f"no command has ended here yet: resume the {kind} with --resume to finish it"
    if any(one.file == DESCRIPTION for one in found):
        return f"start a new {kind} in another folder: what it was made of is not known any more"
    parts = {one.part for one in found if one.part is not None}
    if len(parts) == len({one.part for one in found}):
        return f"run the command of the {kind} again with --resume: it computes the damaged parts again"
    return f"run the command of the {kind} again with --resume: it writes these files again, or says that it cannot"


def lines(found: dict[str, Any]) -> list[str]:
    """The same in words."""
    if not found["problems"]:
        ending = "" if found["finished"] else f" ({found['remedy']})"
        return [f"{found['path']}: {found['kind']}, {found['files']} files, all as they were written{ending}"]
    said = [
        f"{found['path']}/{one['file']}: {one['what']}" + (f" (part {one['part']})" if one["part"] else "")
        for one in found["problems"]
    ]
    return [*said, f"What to do: {found['remedy']}."]
