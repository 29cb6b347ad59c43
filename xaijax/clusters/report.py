"""What a clustering writes for people and programs: tables, figures, page, and the lines in the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import plot
from xaijax._runs import answers, checksums, folder, page, tables
from xaijax._runs.progress import say
from xaijax.clusters import describing, enrichment, figures, store
from xaijax.clusters.analysis import Made, analyse
from xaijax.clusters.conclusion import Finding, findings, headline, percent, q_text
from xaijax.clusters.describing import Cluster
from xaijax.clusters.enrichment import Test
from xaijax.clusters.plan import Answers, Work
from xaijax.plot._overlay import to_rgb

if TYPE_CHECKING:
    from rich.console import Console

TABLE = "clusters.csv"
TESTS = "enrichment.csv"
FILE = "clusters.json"
REPORT = "report.html"
PROTOTYPES = "figures/prototypes.png"
SHOWN = 6  # tests of a cluster that the page shows outside the table of all


def write(out: Path, work: Work) -> dict[str, Any]:
    """Clusters the maps of a run folder, and writes tables, figures and the page.

    Args:
        out: its run folder, with all parts.
        work: what was requested.

    Returns:
        The values of `clusters.json`.

    Raises:
        InputError: for a part that is not as it was written, or too few maps with evidence.
    """
    kept = store.read(out, [name for name, _ in work.parts()])
    made = analyse(work, kept)
    found = _values(work, made) | {"predictions": _predictions(work, kept.answers)}
    folder.write_text(out / TABLE, tables.to_csv(_rows(made)))
    folder.write_text(out / TESTS, tables.to_csv([test.row() for test in made.tests]))
    folder.write_json(out / FILE, found)
    _write_page(out, work, made, found)
    return found


def show(console: "Console", found: Mapping[str, Any]) -> None:
    """What the model predicts, the conclusion, and a line for each cluster."""
    predictions = found["predictions"]
    for line in (predictions["accuracy"], *(f"! {one}" for one in predictions["cautions"])):
        if line:
            say(console, line)
    say(console, found["conclusion"])
    console.print()
    rows = [
        {
            "cluster": one["cluster"],
            "images": one["images"],
            "place": one["place"],
            "points at": one["points_at"],
            "strongest column": one["strongest"] or "–",
        }
        for one in found["clusters"]
    ]
    tables.print_rows(console, rows)


def _rows(made: Made) -> list[dict[str, Any]]:
    """A row per image, in the order of the run."""
    typical = {int(position) for own in made.typical for position in own}
    rows = []
    for at, name in enumerate(made.ids):
        row: dict[str, Any] = {
            "image": name,
            "cluster": int(made.labels[at]) + 1,
            "explained": made.kept.answers.explained[at],
            "prototype": "yes" if at in typical else "no",
            "silhouette": float(made.silhouettes[at]),
            "x": float(made.points[at, 0]),
            "y": float(made.points[at, 1]),
        }
        row |= {column.name: column.values[at] for column in made.columns if column.name not in row}
        rows.append(row)
    return rows


def _values(work: Work, made: Made) -> dict[str, Any]:
    """The values of clusters.json."""
    total = len(made.ids)
    said = findings(made.clusters, made.tests, total)
    by_cluster = {one.cluster: one for one in said}
    rows = []
    for one in made.clusters:
        strongest = next((t for t in made.tests if t.cluster == one.number and t.significant), None)
        text = f"{strongest.column} {strongest.value} ({percent(strongest.share)})" if strongest else ""
        rows.append(
            one.row(total)
            | {
                "points_at": by_cluster[one.number].kind,
                "sentence": by_cluster[one.number].sentence,
                "strongest": text,
                "prototypes": [made.ids[position] for position in made.typical[one.number]],
            }
        )
    chosen = "option" if work.config.clusters else "eigengap"
    return {
        "conclusion": headline(said, total),
        "shortcuts": [one.cluster + 1 for one in said if one.shortcut],
        "images": total,
        "without_evidence": made.empty,
        "skipped": [list(entry) for entry in work.skipped],
        "method": work.method,
        "number": {
            "clusters": len(made.clusters),
            "chosen_by": chosen,
            "eigengap": made.spectrum.clusters,
            "clear": made.spectrum.clear,
        },
        "eigenvalues": [float(value) for value in made.spectrum.eigenvalues],
        "clusters": rows,
        "findings": [{"cluster": one.cluster + 1, "points_at": one.kind, "sentence": one.sentence} for one in said],
        "roles": list(made.kept.roles),
        "tests": enrichment.describe(made.labels, made.tests, made.left),
    }


def cautions(work: Work, made: Made) -> list[str]:
    """What a reader must know before the clusters."""
    lines = []
    if not made.spectrum.clear:
        lines.append(
            "The maps are one cloud rather than separate groups: its parts are named by what they have in common, and "
            "another number of clusters would cut it elsewhere (--clusters)."
        )
    if made.empty:
        lines.append(
            f"{len(made.empty)} images are in no cluster: their maps of {work.method} have no positive evidence "
            f"({', '.join(made.empty[:3])}{' ...' if len(made.empty) > 3 else ''})."
        )
    if work.skipped:
        lines.append(
            f"{len(work.skipped)} images could not be read, such as {work.skipped[0][0]}: {work.skipped[0][1]}."
        )
    return [*lines, *work.notes]


def _predictions(work: Work, known: Answers) -> dict[str, Any]:
    """How many images are predicted right, and what is suspicious; a bundle may not know what was predicted."""
    pairs = Counter(
        (label, guess) for label, guess in zip(known.label, known.predicted, strict=True) if label and guess
    )
    if work.model is not None:
        name, classes, path = work.model.name, work.model.classifier.classes, work.model.path
    else:
        assert work.bundle is not None  # `plan.prepare` gives one of the two
        name, classes, path = f"of the bundle {work.bundle.label}", tuple(work.dataset.classes), ""
    said = [answers.sentence(line) for line in answers.cautions(name, pairs, classes, path)]
    return {"accuracy": answers.accuracy_line(name, *answers.right(pairs)) if pairs else "", "cautions": said}


def _write_page(out: Path, work: Work, made: Made, found: Mapping[str, Any]) -> None:
    names = [f"cluster {one.number + 1}" for one in made.clusters]
    drawn = figures.embedding(made.points, made.labels, made.kept.answers.label, names, work.config.embedding)
    path = page.save_figure(drawn, out / "figures/embedding.svg")
    alt = "Every map as a point, near the maps that are like it, coloured by cluster and by class"
    embedding = page.inline({"path": path, "alt": alt, "wide": True})
    path = page.save_figure(
        figures.eigenvalues(made.spectrum.eigenvalues, len(made.clusters)), out / "figures/eigenvalues.svg"
    )
    values = page.inline({"path": path, "alt": "The smallest eigenvalues, with the gap after the number of clusters"})
    said = findings(made.clusters, made.tests, len(made.ids))
    shown = _pictures(out, work, made)
    page.write(
        out / REPORT,
        "xaijax.clusters",
        "clusters.html.j2",
        name=out.resolve().name,
        found=found,
        title=found["conclusion"],
        others=[one for one in said if one.sentence != found["conclusion"]],
        cautions=[*found["predictions"]["cautions"], *cautions(work, made)],
        embedding=embedding,
        eigenvalues=values,
        sections=[_section(one, by, made, shown) for one, by in _in_order(made.clusters, said)],
        tests=[_cells(test) for test in made.tests],
        roles=[role for role in made.kept.roles if any(one.lying[role].images for one in made.clusters)],
        work=work,
        run=checksums.read_signed(out / folder.DESCRIPTION),
        dense=describing.DENSE,
        least=enrichment.LEAST,
    )


def _in_order(clusters: Sequence[Cluster], said: Sequence[Finding]) -> list[tuple[Cluster, Finding]]:
    """The clusters in the order of the conclusion: those that point at a shortcut first."""
    return [(clusters[one.cluster], one) for one in said]


def _section(one: Cluster, by: Finding, made: Made, shown: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    tests = [test for test in made.tests if test.cluster == one.number and test.significant]
    return {
        "number": one.number + 1,
        "images": len(one.positions),
        "share": percent(len(one.positions) / len(made.ids)),
        "finding": by,
        "place": one.place,
        "border": percent(one.border),
        "right": percent(one.right),
        "silhouette": tables.rounded(one.silhouette),
        "lying": {
            role: {
                "images": f"{lying.images} image{'' if lying.images == 1 else 's'}",
                "inside": percent(lying.inside),
                "area": percent(lying.area),
                "density": "–" if lying.density != lying.density else f"{lying.density:.1f}",
                "on_it": lying.on_it,
            }
            for role, lying in one.lying.items()
        },
        "tests": [_cells(test) for test in tests[:SHOWN]],
        "more": max(0, len(tests) - SHOWN),
        **shown[one.number],
    }


def _cells(test: Test) -> dict[str, Any]:
    return {
        "cluster": test.cluster + 1,
        "column": test.column,
        "value": test.value,
        "inside": f"{percent(test.share)} ({test.inside} of {test.size})",
        "outside": f"{percent(test.share_outside)} ({test.outside} of {test.others})",
        "q": q_text(test.q),
        "significant": test.significant,
    }


def _pictures(out: Path, work: Work, made: Made) -> dict[int, dict[str, Any]]:
    """Of each cluster its mean map and its prototypes, as data of the page; all of them in a file of their own too."""
    found: dict[int, dict[str, Any]] = {}
    rows: list[tuple[str, list[np.ndarray]]] = []
    known = {column.name: column.values for column in made.columns if column.kind == "artefact"}
    place = dict(zip(work.ids, work.cases, strict=True))
    for one in made.clusters:
        own = made.typical[one.number]
        batch = work.read([place[made.ids[position]] for position in own])
        overlays = []
        cards = []
        for position, image in zip(own, batch.images, strict=True):
            drawn = plot.overlay(image, _grown(made.maps[position], image.shape[:2]))
            overlays.append(drawn)
            guess = made.kept.answers.predicted[position]
            label = made.kept.answers.label[position]
            notes = [
                f"{name}: {values[position]}"
                for name, values in known.items()
                if values[position] not in ("", describing.ABSENT)
            ]
            cards.append(
                {
                    "name": Path(made.ids[position]).name,
                    "image": page.picture(to_rgb(image)),
                    "overlay": page.picture(drawn),
                    "label": label,
                    "predicted": guess,
                    "wrong": bool(guess) and guess != label,
                    "notes": notes,
                }
            )
        found[one.number] = {"mean": page.picture(figures.heat(one.mean)), "cards": cards}
        # The table of pictures has as many columns in each row.
        rows.append((f"cluster {one.number + 1}", overlays))
    _write_table(out, rows)
    return found


def _write_table(out: Path, rows: Sequence[tuple[str, list[np.ndarray]]]) -> None:
    from PIL import Image

    from xaijax._files import write_whole

    most = max(len(drawn) for _, drawn in rows)
    blank = np.full_like(rows[0][1][0], 255)
    table = plot.image_table([(name, [*drawn, *[blank] * (most - len(drawn))]) for name, drawn in rows])
    write_whole(out / PROTOTYPES, lambda file: Image.fromarray(table).save(file, "PNG", optimize=True))


def _grown(heat: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A map on the pixels of its image, bilinearly."""
    from PIL import Image

    grown = Image.fromarray(heat.astype(np.float32)).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(grown)
