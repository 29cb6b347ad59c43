"""WebDataset shards: tar archives in which files of one image share a name up to the first dot.

`000012.jpg` with `000012.cls` (the number or name of its class) or `000012.json` (an object with a label, and a
patient or split, under usual names), and `000012.mask.png` or `000012.mask_lesion.png`. A source is one `.tar`, a
pattern of them (`shards/{000..003}.tar`), a folder of them, or either under a URL that fsspec opens
(`s3://bucket/set/{000..127}.tar`). Opening reads the headers of every shard once and the labels, no pixels; reading an
image fetches the bytes of its files alone.

Names that leave the archive (absolute, `..`) and members that are no regular files are left out.
"""

import json
import posixpath
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data._spooled import Bytes, SpooledImage
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import is_image, natural, primary_role
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading, Table
from xaijax.data.tables import is_blank
from xaijax.data.tables.columns import side, usual
from xaijax.data.tables.labels import placed

LARGEST_TEXT = 1 << 20  # bytes of a label or of a .json
MOST_SHARDS = 100_000
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_URL = re.compile(r"[a-z0-9+.-]+(::|://)")
_MASKS: dict[str, MaskRole | None] = {"mask": None} | {f"mask_{role}": role for role in get_args(MaskRole)}


@dataclass(frozen=True, slots=True)
class Member:
    """The bytes of one file in a shard."""

    files: Any  # an fsspec file system
    shard: str
    start: int
    size: int

    def read(self) -> bytes:
        """The bytes.

        Raises:
            OSError, ValueError: with the reason, if the shard cannot be read.
        """
        try:
            data = self.files.cat_file(self.shard, start=self.start, end=self.start + self.size)
        except OSError:
            raise
        except Exception as error:  # each file system of fsspec has exceptions of its own
            raise OSError(f"its shard cannot be read ({' '.join(str(error).split())})") from error
        if len(data) != self.size:
            raise ValueError("its shard is cut off")
        return bytes(data)


@dataclass(slots=True)
class _Sample:
    """What a shard holds under one name."""

    id: str
    shard: str
    image: tuple[str, Member] | None = None
    masks: list[tuple[MaskRole | None, str, Member]] = field(default_factory=list)
    label: str | None = None
    group: str | None = None
    split: str | None = None


def matches(source: object) -> bool:
    """Whether the source is a shard, a pattern of shards, a folder of them, or a URL."""
    if not isinstance(source, str | Path):
        return False
    text = str(source)
    if _URL.match(text) or text.lower().endswith(".tar"):
        return True
    folder = Path(text).expanduser()
    return folder.is_dir() and _only_shards(folder)


def read(source: str | Path, reading: Reading, table: Table = Table()) -> Dataset:  # noqa: B008 - it is frozen
    """List the images of shards.

    Args:
        source: a shard, a pattern, a folder, or a URL.
        reading: how to read images and masks.
        table: none; labels are in the shards.

    Returns:
        The data set: ids `shard/name`, classes by name, or by number where all labels are numbers.

    Raises:
        FileNotFoundError: if there is no shard.
        InputError: if no shard holds an image with a label, or a package for the URL is missing.
    """
    if table != Table():
        raise InputError("shards have their labels in themselves; leave out --labels and the names of columns")
    files, shards, others = _shards(str(source))
    census = Census("WebDataset shards")
    for other in others:
        census.leave("it is not a shard", other)
    names = _short(shards)
    samples: list[_Sample] = []
    for shard, name in zip(shards, names, strict=True):
        samples += _scan(files, shard, name, census)
    kept = _labelled(samples, census)
    if not kept:
        raise InputError(
            f"{source} holds no image with a label; a sample is NAME.jpg (or .png ...) with NAME.cls or NAME.json"
        )
    classes, position = placed([sample.label or "" for sample in kept], census)
    cases = tuple(
        Case(
            sample.id,
            position[sample.label or ""],
            SpooledImage(*_image(sample), tuple(sample.masks), reading),
            sample.group,
            split=sample.split,
        )
        for sample in kept
    )
    primary = primary_role(case.source for case in cases)
    name = posixpath.basename(str(source).rstrip("/")) or "shards"
    return Dataset(name, classes, reading.mask_role or primary, cases, found=census.found())


def _image(sample: _Sample) -> tuple[str, Bytes]:
    assert sample.image is not None
    return sample.image


def _shards(source: str) -> tuple[Any, list[str], list[str]]:
    """The file system, the shards in order, and other files of the folder."""
    import fsspec

    patterns = _expanded(source if _URL.match(source) else str(Path(source).expanduser()))
    try:
        files, first = fsspec.core.url_to_fs(patterns[0])
        paths = [first, *(fsspec.core.url_to_fs(one)[1] for one in patterns[1:])]
        if len(paths) == 1 and not first.lower().endswith(".tar"):
            listed = sorted(str(one) for one in files.find(first)) if files.exists(first) else []
            shards = [one for one in listed if one.lower().endswith(".tar")]
            return files, _there(source, shards), [one for one in listed if one not in set(shards)]
        if len(paths) == 1 and "*" in first:
            return files, _there(source, sorted(str(one) for one in files.glob(first))), []
        missing = [one for one in paths if not files.isfile(one)]
    except (FileNotFoundError, InputError):
        raise
    except ImportError as error:
        raise InputError(f"{source} needs a package that is not installed ({error})") from None
    except Exception as error:  # each file system of fsspec has exceptions of its own
        raise InputError(f"{source} cannot be opened ({' '.join(str(error).split())})") from error
    if missing:
        raise FileNotFoundError(f"there is no shard {missing[0]}; give the .tar files that are there")
    return files, paths, []


def _there(source: str, shards: list[str]) -> list[str]:
    if not shards:
        raise FileNotFoundError(f"there is no .tar file in {source}; give a folder or a pattern of shards")
    return sorted(shards, key=lambda one: natural(Path(one)))


def _expanded(pattern: str) -> list[str]:
    """`{000..003}` as four names, and so for every pair of braces."""
    braces = _BRACES.search(pattern)
    if braces is None:
        return [pattern]
    first, last = int(braces[1]), int(braces[2])
    if not first <= last < first + MOST_SHARDS:
        raise InputError(f"{pattern} counts from {first} to {last}; write {{000..127}}, at most {MOST_SHARDS} shards")
    width = len(braces[1])
    rest = _expanded(pattern[braces.end() :])
    if (last - first + 1) * len(rest) > MOST_SHARDS:
        raise InputError(f"{pattern} means more than {MOST_SHARDS} shards; give fewer")
    start = pattern[: braces.start()]
    return [f"{start}{number:0{width}d}{end}" for number in range(first, last + 1) for end in rest]


def _short(shards: list[str]) -> list[str]:
    """Names of shards in ids: without their suffix, and with their folders where two agree."""
    stems = [posixpath.basename(one)[:-4] for one in shards]
    if len(set(stems)) == len(stems):
        return stems
    common = posixpath.commonpath([posixpath.dirname(one) for one in shards])
    return [posixpath.relpath(one, common)[:-4] for one in shards]


def _scan(files: Any, shard: str, name: str, census: Census) -> list[_Sample]:
    """The samples of one shard, from the headers of its members."""
    samples: dict[str, _Sample] = {}
    try:
        size = files.size(shard)
        with files.open(shard, "rb") as stream:
            for member in _members(stream, census, name):
                place = member.offset_data
                if size is not None and place + member.size > size:
                    census.leave("its shard is cut off", f"{name}/{member.name}")
                    continue
                path = posixpath.normpath(member.name)
                key, _, suffix = posixpath.basename(path).partition(".")
                key = posixpath.join(posixpath.dirname(path), key)
                sample = samples.setdefault(key, _Sample(f"{name}/{key}", shard))
                _add(sample, f"{name}/{path}", suffix.lower(), Member(files, shard, place, member.size), census)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, OSError) as error:
        if not samples:
            census.leave(f"it is not a tar archive ({' '.join(str(error).split())})", name)
            return []
        census.note(f"Shard {name} is damaged after {len(samples)} samples ({' '.join(str(error).split())}).")
    census.take("shard")
    return list(samples.values())


def _members(stream: Any, census: Census, name: str) -> Iterator[tarfile.TarInfo]:
    """The regular files of an archive; each is seen once and not kept by the archive."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # it would keep every header
            if member.isdir():
                continue
            shown = f"{name}/{member.name}"
            if not _is_text(member.name):
                census.leave("its name is not UTF-8", shown.encode(errors="replace").decode())
            elif not member.isreg() or member.issparse():
                census.leave("it is not a regular file", shown)
            elif member.name.startswith("/") or ".." in member.name.replace("\\", "/").split("/"):
                census.leave("its name leaves the archive", shown)
            elif posixpath.basename(member.name).startswith("."):
                census.leave("it is hidden", shown)
            else:
                yield member


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _add(sample: _Sample, path: str, suffix: str, member: Member, census: Census) -> None:
    """Puts one file where it belongs."""
    kind, _, last = suffix.rpartition(".")
    if is_image(Path(f"x.{last}")) and kind in _MASKS:
        sample.masks.append((_MASKS[kind], f".{last}", member))
        census.take("mask")
    elif is_image(Path(f"x.{suffix}")):
        if sample.image is not None:
            census.leave("its sample has another image", path)
        else:
            sample.image = f".{suffix}", member
            census.take("image")
    elif suffix in ("cls", "json"):
        _describe(sample, path, suffix, member, census)
    else:
        census.leave("it is not an image, a mask or a label", path)


def _describe(sample: _Sample, path: str, suffix: str, member: Member, census: Census) -> None:
    """Takes the label of a .cls, and the label, patient and split of a .json."""
    if member.size > LARGEST_TEXT:
        census.leave("it is too large for a label", path)
        return
    try:
        text = member.read().decode("utf-8-sig").strip()
        values = {"label": text} if suffix == "cls" else json.loads(text)
    except (ValueError, RecursionError):
        census.leave("it is not UTF-8 text, or not JSON", path)
        return
    census.take("annotation")
    if not isinstance(values, dict):
        return
    label, group, part = (_value(values, holds) for holds in ("label", "group", "split"))
    sample.label = label if suffix == "cls" or sample.label is None else sample.label
    sample.group = sample.group or (f"patient {group}" if group else None)
    sample.split = sample.split or (side(part) if part else None)
    if part and side(part) is None:
        census.note(f"The split {part} of a sample is not a side: training, validation or test.")


def _value(values: dict[str, Any], holds: str) -> str | None:
    """The value under a usual name, if it is one number or text."""
    for names in usual(holds):
        for name, value in values.items():
            if normal(str(name)) in names and isinstance(value, str | int | float) and not is_blank(str(value)):
                return str(value)
    return None


def _labelled(samples: list[_Sample], census: Census) -> list[_Sample]:
    """The samples with an image and a label; the others are counted as rows are."""
    kept = []
    for sample in samples:
        if sample.image is None:
            census.leave_row("it has no image", sample.id)
        elif sample.label is None or is_blank(sample.label):
            census.leave_row("it has no label", sample.id)
        else:
            kept.append(sample)
    return kept


def _only_shards(folder: Path) -> bool:
    """Whether a folder holds .tar files and no images of its own."""
    found = False
    for child in folder.iterdir():
        if is_image(child) or child.suffix.lower() in (".csv", ".tsv"):
            return False
        found = found or (child.suffix.lower() == ".tar" and child.is_file())
    return found
