"""MIMIC-CXR and MIMIC-CXR-JPG: tables by study and by image, images `files/p10/p10000032/s50414267/<dicom_id>.dcm`.

`mimic-cxr-2.0.0-chexpert.csv` has the findings of each study (`tables.observations` has the rule for uncertain and
blank cells), `mimic-cxr-2.0.0-split.csv` names the images with their side, patient and study; without it
`mimic-cxr-2.0.0-metadata.csv` names them. The tables may be gzipped, as PhysioNet publishes them.

References:
    Johnson et al., "MIMIC-CXR-JPG", PhysioNet, doi 10.13026/8360-t248.
"""

import re
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import FileIndex, Row, assemble, leave_broken, listed, read_table, sides
from xaijax.data.tables.observations import OBSERVATIONS, observations

_TABLE = re.compile(r"mimic-cxr-\d+\.\d+\.\d+-(?P<what>chexpert|split|metadata)\.csv(\.gz)?")


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return "chexpert" in _tables(folder)


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of MIMIC-CXR.

    Args:
        folder: the folder with the tables and `files/`.
        reading: how to read them.

    Returns:
        The multi-label data set: 14 observations in the published order, grouped by patient, with the published split.

    Raises:
        InputError: without a table that names the images, for a table without the published columns or cells, or if
            none of the images is there.
    """
    tables = _tables(folder)
    named = tables.get("split") or tables.get("metadata")
    if named is None:
        raise InputError(
            f"{folder} has the findings of MIMIC-CXR but no table of its images; add mimic-cxr-2.0.0-split.csv or "
            "mimic-cxr-2.0.0-metadata.csv"
        )
    census = Census("MIMIC-CXR")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    for path in (tables["chexpert"], named):
        index.take(path.name, "table")
    studies = read_table(tables["chexpert"])
    found = dict(zip(studies.cells("study_id"), observations(studies, census), strict=True))
    images = read_table(named)
    side = sides(images, "split", census, named=True) if "split" in images.columns else [None] * len(images.rows)
    rows = [
        Row(
            line,
            f"p{patient[:2]}/p{patient}/s{study}/{image}" if image else "",
            findings=found.get(study),
            group=f"patient {patient}",
            split=side[at],
        )
        for at, (line, image, study, patient) in enumerate(
            zip(
                images.lines,
                images.cells("dicom_id"),
                images.cells("study_id"),
                images.cells("subject_id"),
                strict=True,
            )
        )
    ]
    kept = leave_broken(named, rows, images.ragged, census, labelled=lambda row: row.findings is not None)
    return assemble(folder, kept, OBSERVATIONS, reading, index, census, source=str(named))


def _tables(folder: Path) -> dict[str, Path]:
    found = {}
    for path in listed(folder, _TABLE):
        form = _TABLE.fullmatch(path.name)
        assert form is not None
        found[form["what"]] = path
    return found
