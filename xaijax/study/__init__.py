"""`xaijax study`: a whole study from one file: trains, evaluates, chooses models, explains, scores, and reports.

`reading` reads and checks the file, `plan` decides the cells, `run` does them, `report` makes one page of them. Every
cell is a run folder of the command that does it.
"""

from xaijax.study._run import StudyResult, run
from xaijax.study.config import StudyConfig

__all__ = ["StudyConfig", "StudyResult", "run"]
