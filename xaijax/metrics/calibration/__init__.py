"""Which metric can be believed for this model and these images? Metrics are judged on truths that hold by construction.

`calibrate` does everything in one call; `plan`, `score_case` and `judge` are its steps, for those who keep parts and
resume. docs/calibration.md has the definitions.
"""

from xaijax.metrics.calibration._calibrate import calibrate
from xaijax.metrics.calibration._evidence_free import evidence_free
from xaijax.metrics.calibration.case import CONSTRUCTIONS, DECIDING, LEFT_OUT, Case, Row, Scene
from xaijax.metrics.calibration.cost import NOT_JUDGED, QUICK_SETTINGS, judgeable
from xaijax.metrics.calibration.cue import PlantedCue, with_cue
from xaijax.metrics.calibration.gate import Gate, measure_gate
from xaijax.metrics.calibration.judging import judge
from xaijax.metrics.calibration.others import OtherMetric
from xaijax.metrics.calibration.peers import from_captum, from_pytorch_grad_cam, from_quantus
from xaijax.metrics.calibration.planning import Plan, plan
from xaijax.metrics.calibration.prediction import Predicted, leave_one_out
from xaijax.metrics.calibration.result import Calibration, Controls, Judgement, Numbers
from xaijax.metrics.calibration.scoring import score_case
from xaijax.metrics.calibration.textures import TEXTURES
from xaijax.metrics.calibration.verdict import Thresholds

__all__ = [
    "CONSTRUCTIONS",
    "DECIDING",
    "LEFT_OUT",
    "NOT_JUDGED",
    "QUICK_SETTINGS",
    "TEXTURES",
    "Calibration",
    "Case",
    "Controls",
    "Gate",
    "Judgement",
    "Numbers",
    "OtherMetric",
    "Plan",
    "PlantedCue",
    "Predicted",
    "Row",
    "Scene",
    "Thresholds",
    "calibrate",
    "evidence_free",
    "from_captum",
    "from_pytorch_grad_cam",
    "from_quantus",
    "judge",
    "judgeable",
    "leave_one_out",
    "measure_gate",
    "plan",
    "score_case",
    "with_cue",
]
