"""The 14 observations of the CheXpert labeller, in the tables of CheXpert and MIMIC-CXR, and the rule for their cells.

1 is present, 0 absent. -1 is uncertain: the finding is not known (NaN), so it is neither trained nor scored. A blank
cell is a finding that the report does not mention: it counts as absent, as in the paper's own models.

References:
    Irvin et al., "CheXpert", AAAI 2019, sections 2 and 3.
"""

from xaijax._errors import InputError
from xaijax.data.found import Census
from xaijax.data.tables.columns import is_blank
from xaijax.data.tables.labels import UNKNOWN, Findings
from xaijax.data.tables.text import TextTable

OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
_MEANING = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": UNKNOWN, "-1.0": UNKNOWN}


def observations(table: TextTable, census: Census) -> list[Findings]:
    """The findings of each row, in the order of `OBSERVATIONS`; what was assumed is noted.

    Raises:
        InputError: for a missing column, or a cell that is not 1, 0, -1 or blank.
    """
    known: dict[tuple[str, ...], Findings] = {}
    rows = []
    uncertain = blank = 0
    for line, cells in zip(table.lines, zip(*(table.cells(name) for name in OBSERVATIONS), strict=True), strict=True):
        if cells not in known:
            strange = [cell for cell in cells if not is_blank(cell) and cell not in _MEANING]
            if strange:
                raise InputError(f"{table.path}, line {line}: {strange[0]!r} is not 1, 0, -1 or blank")
            known[cells] = tuple(0.0 if is_blank(cell) else _MEANING[cell] for cell in cells)
        rows.append(known[cells])
        uncertain += sum(cell.startswith("-") for cell in cells)
        blank += sum(map(is_blank, cells))
    if uncertain:
        census.note(f"{uncertain} cells of {table.name} are uncertain (-1): these findings are not known.")
    if blank:
        census.note(f"{blank} cells of {table.name} are blank (not mentioned): these findings count as absent.")
    return rows
