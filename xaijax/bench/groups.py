"""What images belong to besides their class: patient, sex, site, scanner, as the tables of the data say it."""

import pyarrow as pa
import pyarrow.compute as pc

from xaijax import _names
from xaijax.data import Case

PATIENT = "patient"
GROUPING = {
    "sex": "sex gender patientsex patientgender",
    "site": "site centre center hospital institution institutionname clinic location",
    "scanner": "scanner device manufacturer vendor manufacturermodelname scannermodel camera",
    "view": "view viewposition projection viewpoint",
    "age group": "agegroup ageband agecategory",
    "skin type": "skintype fitzpatrick fitzpatrickskintype",
    "ethnicity": "ethnicity race ethnicgroup",
}
"""Group -> the names of columns that say it, without case and separators."""
_KNOWN = {_names.normal(word): group for group, words in GROUPING.items() for word in words.split()}


def grouping(column: str) -> str | None:
    """The group that a column of a table says, or None.

    Example:
        >>> grouping("Patient Gender"), grouping("View Position"), grouping("Follow-up #")
        ('sex', 'view', None)
    """
    return _KNOWN.get(_names.normal(column))


def belongs(case: Case) -> dict[str, str]:
    """group -> value of an image; what is not known is left out."""
    found = {}
    if case.group is not None:
        what, _, rest = str(case.group).partition(" ")
        found[PATIENT if what == PATIENT or not rest else what] = rest or what
    for column, value in case.extra.items():
        name = grouping(column)
        if name and str(value).strip():
            found.setdefault(name, str(value).strip())
    return found


def patients(groups: pa.Table) -> dict[str, str]:
    """image -> its patient, from a table of schema `xaijax.bench.store.GROUPS`."""
    own = groups.filter(pc.equal(groups["group"], PATIENT))
    return dict(zip(own["image"].to_pylist(), own["value"].to_pylist(), strict=True))
