"""Checksums of what a run has written: which files are gone or hold other bytes than when they were finished.

Every file of a finished run folder is vouched for by another one, or by itself:

    checksums.json      SHA-256 of what a command wrote that is not of a part, and of itself; no file of anyone else
    parts/<part>.json   SHA-256 of the files of a part, and of itself; a part counts once this is there
    run.json            SHA-256 of its own values

JSON that vouches for itself has the entry `sha256`, the digest of its other values.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._files import TEMPORARY, write_whole

CHECKSUMS = "checksums.json"
PARTS = "parts"
SIGNATURE = "sha256"
LOCK = ".lock"


@dataclasses.dataclass(frozen=True)
class Problem:
    """A file of a run folder that is not as it was written.

    Attributes:
        file: its path in the run folder, with "/".
        what: "is gone", "was changed after it was written", or why it cannot be read.
        part: the part it belongs to, or None.
    """

    file: str
    what: str
    part: str | None = None


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def signed(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values with a digest of themselves.

    Example:
        >>> whole(signed({"seed": 0})), whole(signed({"seed": 0}) | {"seed": 1}), whole({"seed": 0})
        (True, False, True)
    """
    plain = {name: value for name, value in values.items() if name != SIGNATURE}
    return plain | {SIGNATURE: _of_values(plain)}


def whole(values: Mapping[str, Any]) -> bool:
    """Whether JSON values are those that were signed; values without a digest are not in question."""
    if SIGNATURE not in values:
        return True
    return values[SIGNATURE] == _of_values({name: value for name, value in values.items() if name != SIGNATURE})


def _of_values(values: Mapping[str, Any]) -> str:
    # What JSON reads back: lists for tuples, text for keys.
    return _of_json(json.loads(json.dumps(values)))


def _of_json(values: Mapping[str, Any]) -> str:
    """The digest of values that JSON has read."""
    found = hashlib.sha256()
    # Entry by entry: the text of a run with a million images is not made whole a second time.
    for number, name in enumerate(sorted(values)):
        text = json.dumps({name: values[name]}, sort_keys=True, separators=(",", ":"))
        found.update(f"{',' if number else '{'}{text[1:-1]}".encode())
    found.update(b"}" if values else b"{}")
    return found.hexdigest()


def write_signed(path: Path, values: Mapping[str, Any]) -> None:
    """Writes JSON with a digest of itself, whole."""
    text = json.dumps(signed(values), indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def read_signed(path: Path) -> dict[str, Any]:
    """JSON values that vouch for themselves, without their digest.

    Raises:
        InputError: for a file that cannot be read, is no JSON object, or is not as it was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    return parse_signed(content, path)


def parse_signed(content: bytes, path: Path | str) -> dict[str, Any]:
    """The same from the bytes of a file; `path` is what messages call it."""
    try:
        values = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({reason})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no JSON object")
    name = SIGNATURE if SIGNATURE in values else _renamed(values)
    if name != SIGNATURE:
        raise InputError(f"{path} was changed after it was written: its checksum is called {name!r}")
    if SIGNATURE in values and values[SIGNATURE] != _of_json(_without(values, SIGNATURE)):
        raise InputError(f"{path} was changed after it was written: its checksum is another one")
    return _without(values, SIGNATURE)


def _renamed(values: Mapping[str, Any]) -> str:
    """The name of an entry that is the digest of the others, where the name of the digest itself was changed."""
    for name, value in values.items():
        if isinstance(value, str) and len(value) == 64 and value == _of_json(_without(values, name)):
            return name
    return SIGNATURE


def _without(values: Mapping[str, Any], left_out: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != left_out}


def own_files(root: Path) -> set[str]:
    """The files that commands wrote that ended here, by their paths in the run folder."""
    try:
        values = read_signed(root / CHECKSUMS)
    except InputError:
        return set()
    return {str(name) for name in (*values.get("files", ()), *values.get("own", ()))}


def reopen(root: Path) -> None:
    """Before a finished run is resumed: vouches for no file any more, but keeps which files are the run's."""
    if (root / CHECKSUMS).is_file():
        write_signed(root / CHECKSUMS, {"files": {}, "own": sorted(own_files(root))})


def finished(root: Path) -> bool:
    """Whether a command has ended in a run folder, and no other one was started there since."""
    return bool(_listed(root / CHECKSUMS))


def seal(root: Path, names: Iterable[str]) -> None:
    """Keeps the checksums of files of a run folder for which nothing else vouches, and the names of its parts.

    Args:
        root: the run folder.
        names: of files and folders in it; those that are gone are left out.
    """
    parts = {file for part in part_files(root) for file in _listed(root / PARTS / f"{part}.json")}
    kept = {}
    for name in sorted(set(names)):
        path = root / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            inside = file.relative_to(root).as_posix()
            if file.is_file() and inside not in parts:
                kept[inside] = digest(file)
    write_signed(root / CHECKSUMS, {"files": kept, "parts": part_files(root)})


def listed(root: Path) -> dict[str, str]:
    """The files in `checksums.json` of a folder -> their digests; empty where there is none."""
    return _listed(root / CHECKSUMS) if (root / CHECKSUMS).is_file() else {}


def write_part(root: Path, part: str, files: Iterable[Path], made: Mapping[str, Any]) -> None:
    """Marks a part as finished, last of all its files.

    Args:
        root: the run folder.
        part: its name.
        files: of the part, all of them written.
        made: JSON values: what it was made of and by what.
    """
    listed = {file.relative_to(root).as_posix(): digest(file) for file in files}
    write_signed(root / PARTS / f"{part}.json", {"files": listed, "made": dict(made)})


def part_files(root: Path) -> list[str]:
    """The names of the parts that count as finished."""
    found = (path.stem for path in (root / PARTS).glob("*.json") if not path.name.startswith(TEMPORARY))
    return sorted(found, key=_place)


def _place(part: str) -> tuple[str, int, str]:
    """What parts are sorted by: their numbers at the end as numbers, which may have more digits than the first ones."""
    stem = part.rstrip("0123456789")
    number = part[len(stem) :]
    return stem, int(number or 0), number


def read_part(root: Path, part: str) -> dict[str, Any]:
    """What a part says of itself: `{"files": {name: digest}, "made": {...}}`.

    Raises:
        InputError: where it is not as it was written.
    """
    path = root / PARTS / f"{part}.json"
    values = read_signed(path)
    if not isinstance(values.get("files"), dict) or not isinstance(values.get("made"), dict):
        raise InputError(f"{path} does not describe a part")
    return values


def check(root: Path, path: Path, files: Mapping[str, str]) -> None:
    """Refuses a file that is not the one that its part lists.

    Args:
        root: the run folder.
        path: of the file.
        files: of the part, name to digest.

    Raises:
        InputError: naming the file and what to do.
    """
    check_content(root, path, path.read_bytes(), files)


def check_content(root: Path, path: Path, content: bytes, files: Mapping[str, str]) -> None:
    """The same for the bytes of a file, which then need not be read twice; see `check`."""
    name = path.relative_to(root).as_posix()
    if files.get(name) != hashlib.sha256(content).hexdigest():
        raise InputError(
            f"{path} was changed after it was written: `xaijax verify {root}` lists what is damaged, and the command "
            "of the run with --resume computes it again"
        )


def problems(root: Path, description: str) -> list[Problem]:
    """All files of a run folder that are gone or not as they were written.

    Args:
        root: the run folder.
        description: name of the file that describes the run.

    Returns:
        One `Problem` for each, in the order of their names.
    """
    found = []
    if (root / description).is_file():
        found += _reading(root, description, None)
    else:
        found.append(Problem(description, "is gone"))
    for part in part_files(root):
        name = f"{PARTS}/{part}.json"
        wrong = _reading(root, name, part)
        found += wrong or _compare(root, _listed(root / name), part)
    if (root / CHECKSUMS).is_file():
        there = set(part_files(root))
        gone = [part for part in _parts_of(root) if part not in there]
        found += [Problem(f"{PARTS}/{part}.json", "is gone", part) for part in gone]
        found += _reading(root, CHECKSUMS, None) or _compare(root, _listed(root / CHECKSUMS), None)
    return sorted(found, key=lambda one: one.file)


def _reading(root: Path, name: str, part: str | None) -> list[Problem]:
    try:
        read_signed(root / name)
    except InputError as error:
        return [Problem(name, str(error).removeprefix(f"{root / name} "), part)]
    if SIGNATURE not in json.loads((root / name).read_text("utf-8")):
        return [Problem(name, "lacks its own checksum", part)]
    return []


def _compare(root: Path, files: Mapping[str, str], part: str | None) -> list[Problem]:
    found = []
    for name, kept in files.items():
        path = root / name
        if not path.is_file():
            found.append(Problem(name, "is gone", part))
        elif digest(path) != kept:
            found.append(Problem(name, "was changed after it was written", part))
    return found


def _parts_of(root: Path) -> list[str]:
    """The parts that a finished run had."""
    try:
        parts = read_signed(root / CHECKSUMS).get("parts", [])
    except InputError:
        return []
    return [str(part) for part in parts] if isinstance(parts, list) else []


def _listed(path: Path) -> dict[str, str]:
    try:
        files = read_signed(path).get("files", {})
    except InputError:
        return {}
    return files if isinstance(files, dict) else {}


def count(root: Path) -> int:
    """How many files are vouched for by another one."""
    parts = part_files(root)
    listed = [root / PARTS / f"{part}.json" for part in parts] + [root / CHECKSUMS]
    return len(parts) + sum(len(_listed(path)) for path in listed)
