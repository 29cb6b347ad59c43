"""Calibrations as files: read, checked against a model and data, and those that come with the package.

A calibration holds for one model (by its parameters) and one data set (by its content): `calibration.json` has the
digests of both. Those of the built-in models lie next to their weights, as `NAME.calibration.json`.
"""

import dataclasses
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._runs import checksums
from xaijax._runs.folder import read_json
from xaijax.calibrate.verdicts import VERDICTS, short_reason

FILE = "calibration.json"
SCHEMA = 1
SHIPPED = ".calibration.json"
NEEDED = ("model", "data", "settings", "textures", "thresholds", "controls", "constructions", "metrics", "answers")


TABLES = ("model", "data", "settings", "thresholds", "controls", "constructions", "metrics")


@dataclasses.dataclass(frozen=True)
class Found:
    """A calibration that was found for a model.

    Attributes:
        values: of `calibration.json`.
        source: where it comes from, in words: a folder, or "the calibration that comes with xaijax".
    """

    values: Mapping[str, Any] = dataclasses.field(repr=False)
    source: str

    @property
    def model(self) -> str:
        """The digest of the model."""
        return str(self.values["model"]["digest"])

    @property
    def data(self) -> str:
        """The digest of the data set."""
        return str(self.values["data"]["digest"])

    @property
    def cases(self) -> int:
        """How many cases it rests on."""
        return sum(int(one["cases"]) for one in self.values["constructions"].values())

    def verdict(self, metric: str, settings: Mapping[str, Mapping[str, Any]], family: str) -> tuple[str, str]:
        """(verdict, why) of a metric with these settings.

        Args:
            metric: its name.
            settings: {family: {option: value}} in use, defaults included.
            family: of the metric.
        """
        one = self.values["metrics"].get(metric)
        doubt = self.doubt(metric, settings, family)
        if one is None or doubt:
            return "not_judged", doubt
        return one["verdict"], short_reason(one, self.values["thresholds"])

    def doubt(self, metric: str, settings: Mapping[str, Mapping[str, Any]], family: str) -> str:
        """Why the calibration says nothing of a metric with these settings; `""` where it does."""
        one = self.values["metrics"].get(metric)
        if one is None:
            return why_unjudged(metric)
        now, then = settings.get(family, {}), self.values["settings"].get(family, {})
        if one["constructions"]:
            for option, value in now.items():
                if option in then and then[option] != value:
                    return f"it was judged with {family}.{option}={then[option]}, not {value}"
        return ""


def why_unjudged(metric: str) -> str:
    """Why a calibration has no verdict on a metric.

    Example:
        >>> why_unjudged("iou"), why_unjudged("sic_mutual")
        ('it reads the mask, not the model', 'the calibration was made for other metrics')
    """
    from xaijax.metrics import METRICS
    from xaijax.metrics.calibration import cost

    code = cost.why_not(METRICS[metric]) if metric in METRICS else ""
    return cost.NOT_JUDGED[code] if code else "the calibration was made for other metrics"


def load(path: Path | str) -> Found:
    """Reads the calibration of a run folder of `xaijax calibrate`, or a file of one.

    Raises:
        InputError: where there is none, or it is damaged.
    """
    place = Path(path).expanduser()
    file = place / FILE if place.is_dir() else place
    if not file.is_file() or file.suffix != ".json":
        raise InputError(
            f"--calibration is {path}, which holds no {FILE}: give the folder of xaijax calibrate, auto, quick or none"
        )
    kept = checksums.listed(file.parent).get(file.name)
    if kept is not None and kept != checksums.digest(file):
        raise InputError(
            f"{file} was changed after it was written; xaijax calibrate --resume --out {file.parent} writes it again"
        )
    return Found(checked(read_json(file, "calibration"), str(file)), str(path))


def checked(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The values of a calibration file, where they are what this version reads.

    Raises:
        InputError: naming what is missing.
    """
    if values.get("schema") != SCHEMA:
        raise InputError(
            f"{name} has the schema {values.get('schema')!r}; this version reads {SCHEMA}: calibrate again"
        )
    missing = [key for key in NEEDED if key not in values]
    if missing:
        raise InputError(f"{name} has no {' and no '.join(missing)}; calibrate again")
    wrong = [key for key in TABLES if not isinstance(values[key], Mapping)]
    if not wrong:
        wrong = [f"metrics.{key}" for key, one in values["metrics"].items() if not isinstance(one, Mapping)]
    if wrong:
        raise InputError(f"{name} holds no table {wrong[0]}: it is damaged; calibrate again")
    unknown = {one.get("verdict") for one in values["metrics"].values()} - set(VERDICTS)
    if unknown:
        raise InputError(f"{name} has the verdict {unknown.pop()!r}; choose from {', '.join(VERDICTS)}")
    return values


def shipped() -> list[Found]:
    """The calibrations that come with the package."""
    folder = importlib.resources.files("xaijax.models").joinpath("weights")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(SHIPPED)), key=lambda file: file.name)
    source = "the calibration that comes with xaijax"
    return [Found(checked(json.loads(file.read_text("utf-8")), file.name), source) for file in files]


def nearby(folder: Path) -> list[Found]:
    """The calibrations in the run folders of a folder, of benchmarks too; those that cannot be read are left out."""
    found = []
    for file in [*sorted(folder.glob(f"*/{FILE}")), *sorted(folder.glob(f"*/calibration/*/{FILE}"))]:
        try:
            found.append(load(file.parent))
        except InputError:
            continue
    return found


def matching(found: Iterable[Found], model: str, data: str) -> Found | None:
    """The calibration of this model and this data set; of several a full one, then the one of most cases."""
    own = [one for one in found if (one.model, one.data) == (model, data)]
    return max(own, key=lambda one: (one.values["depth"] == "full", one.cases), default=None)
