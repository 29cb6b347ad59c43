"""Compares runs: prints, and with --out writes compare.html, compare.csv and configuration.csv."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._runs import checksums, page, provenance, storage, tables
from xaijax._runs.folder import DESCRIPTION, read_json, write_folder, write_text
from xaijax.bench.conclusion import FEWEST as ENOUGH
from xaijax.compare.config import CompareConfig

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax.compare.scores import Change

KIND = "comparison"
ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        runs: their names.
        configuration: rows of what differs in the configurations.
        changes: each further run against the first.
        said: sentences on what was assumed and left out, by the name of the further run.
    """

    runs: list[str]
    configuration: list[dict[str, Any]]
    changes: "list[Change]"
    said: dict[str, list[str]]


def run(config: CompareConfig) -> Comparison:
    """Compares runs and prints what differs.

    Args:
        config: which.

    Returns:
        What was found.

    Raises:
        InputError: for folders that cannot be compared, in one sentence; nothing is written then.
    """
    from rich.console import Console

    from xaijax.compare.configuration import differences
    from xaijax.compare.runs import open_runs
    from xaijax.compare.scores import compare

    with storage.reading(config.runs) as folders:
        opened = open_runs(folders)
    changes: list[Change] = []
    said: dict[str, list[str]] = {}
    for other in opened[1:]:
        own, said[other.name] = compare(opened[0], other)
        changes += own
    found = Comparison([one.name for one in opened], differences(opened), changes, said)
    if config.out is not None:
        _write(config.out.expanduser(), found, config.runs)
    if config.json:
        print(json.dumps(_plain(dataclasses.asdict(found)), indent=2, ensure_ascii=False))
    else:
        _show(found, Console())
        if config.out is not None:
            print(f"\nreport: {config.out.expanduser() / 'compare.html'}")
    return found


def _write(out: Path, found: Comparison, places: Sequence[Path]) -> None:
    def fill(folder: Path) -> None:
        about = {
            "kind": KIND,
            "runs": [storage.address_of(one) or str(one.expanduser().resolve()) for one in places],
            **provenance.describe(),
        }
        checksums.write_signed(folder / DESCRIPTION, about)
        write_text(folder / "configuration.csv", tables.to_csv(*_configuration(found)))
        names = [field.name for field in dataclasses.fields(found.changes[0])] if found.changes else []
        write_text(folder / "compare.csv", tables.to_csv([dataclasses.asdict(one) for one in found.changes], names))
        page.write(
            folder / "compare.html",
            "xaijax.compare",
            "compare.html.j2",
            found=found,
            sections=[_section(found, name) for name in found.runs[1:]],
            version=about["versions"]["xaijax"],
        )
        checksums.seal(folder, [path.name for path in folder.iterdir() if path.name != DESCRIPTION])

    write_folder(out, fill, KIND, is_one=_is_comparison)


def _is_comparison(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file() and read_json(folder / DESCRIPTION, KIND).get("kind") == KIND


def _configuration(found: Comparison) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of what differs in the configurations, and {key: heading}; keys are numbered: a run may be called "what"."""
    rows = [
        {"about": row["about"], "what": row["what"]} | {f"run {n}": value for n, value in enumerate(row["values"])}
        for row in found.configuration
    ]
    return rows, {"about": "about", "what": "what"} | {f"run {n}": name for n, name in enumerate(found.runs)}


def _section(found: Comparison, name: str) -> dict[str, Any]:
    """One further run against the first: sentences and a table for each model and metric."""
    from xaijax.bench.results import describe

    own = [one for one in found.changes if one.second == name]
    grids: dict[tuple[str, str], list[Change]] = {}
    for change in own:
        grids.setdefault((change.model, change.metric), []).append(change)
    several = len({model for model, _ in grids}) > 1
    made = [
        {
            "title": describe(metric)["title"] + (f", {model}" if several else ""),
            "doubted": lines[0].believed is False,
            "unjudged": lines[0].believed is None,
            "lines": [_line(one) for one in lines],
        }
        for (model, metric), lines in grids.items()
    ]
    return {"name": name, "summary": summary(own), "said": found.said[name], "tables": made}


def _line(one: "Change") -> dict[str, Any]:
    sure = math.isfinite(one.low)
    return {
        "method": one.method.replace("_", " "),
        "first": tables.rounded(one.mean_first),
        "second": tables.rounded(one.mean_second),
        "difference": f"{one.difference:+.3f}" if math.isfinite(one.difference) else "–",
        "interval": f"{one.low:+.3f} to {one.high:+.3f}" if sure else "",
        "n": one.n,
        "p": tables.rounded(one.p_holm),
        "better": "metric not believed"
        if one.believed is False
        else one.better or ("–" if not sure else "too few images" if one.apart else "no difference shown"),
        "differs": bool(one.better) and one.believed is not False,
        "note": one.note,
    }


def summary(changes: "list[Change]") -> str:
    """How many comparisons differ, in one sentence: by the metrics that are believed, where the runs were calibrated.

    Where the calibrations support no metric, nothing is concluded.
    """
    sure = [one for one in changes if math.isfinite(one.low)]
    if not sure:
        return "Nothing can be said: no score has values of enough images in both runs."
    chosen = [one for one in sure if one.believed] or [one for one in sure if one.believed is None]
    if not chosen:
        return "Nothing can be said: no metric is supported by the calibrations of both runs."
    what = (
        "metrics that both calibrations support" if chosen[0].believed else "metrics that are not known to be believed"
    )
    differing = [one for one in chosen if one.better]
    if not differing:
        few = sum(one.apart for one in chosen)
        why = f"{few} of {len(chosen)} intervals exclude 0" + (f", on fewer than {ENOUGH} images" if few else "")
        return f"By {what} no method is shown to differ between the runs ({why})."
    counts = Counter(one.better for one in differing)
    names = [name for name in (differing[0].first, differing[0].second) if counts[name]]
    parts = " and ".join(f"{counts[name]} better in {name}" for name in names)
    corrected = sum(one.p_holm <= ALPHA for one in differing)
    return (
        f"By {what} {len(differing)} of {len(chosen)} comparisons differ (95 % interval excludes 0; {corrected} of "
        f"these with p ≤ {ALPHA:g} after Holm): {parts}."
    )


def _show(found: Comparison, console: "Console") -> None:
    if found.configuration:
        console.print("What differs in the configuration", style="bold")
        rows, columns = _configuration(found)
        tables.print_rows(console, rows, columns=columns)
    else:
        console.print("The configurations are the same.")
    for name in found.runs[1:]:
        section = _section(found, name)
        console.print(f"\n{name} against {found.runs[0]}\n{section['summary']}", markup=False, highlight=False)
        for line in section["said"]:
            console.print(f"· {line}", markup=False, highlight=False, style="dim")
        for table in section["tables"]:
            columns = {"method": "method", "first": found.runs[0], "second": name, "difference": "difference"}
            columns |= {"interval": "95 % interval", "n": "n", "p": "p (Holm)", "better": "better"}
            doubt = " (not believed)" if table["doubted"] else ""
            console.print(f"\n{table['title']}{doubt}", markup=False, highlight=False, style="bold")
            tables.print_rows(console, table["lines"], columns=columns)
            notes: dict[str, list[str]] = {}
            for line in table["lines"]:
                notes.setdefault(line["note"], []).append(line["method"])
            for note, methods in notes.items():
                if note:
                    console.print(f" {', '.join(methods)}: {note}", markup=False, highlight=False, style="dim")


def _plain(value: Any) -> Any:
    """Values as JSON has them: NaN as null."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
