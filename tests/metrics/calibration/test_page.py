"""The page's code runs, and the page names what there is."""

import re
from pathlib import Path

from xaijax.metrics.calibration import CONSTRUCTIONS, TEXTURES, Thresholds
from xaijax.metrics.calibration.peers import GRAD_CAM, QUANTUS
from xaijax.metrics.calibration.verdict import MOVED

TEXT = (Path(__file__).parents[3] / "docs" / "calibration.md").read_text("utf-8")


def test_the_code_of_the_page_runs(capsys):
    names = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        if not block.startswith("# not run here"):
            exec(block, names)
    assert "sparseness" in capsys.readouterr().out
    assert names["found"].metrics["kept"].verdict in ("believe", "same_kind", "no", "undecided")


def test_the_page_names_constructions_textures_verdicts_and_thresholds():
    for name in (*CONSTRUCTIONS, *TEXTURES, "believe", "undecided", "same_kind", "no", "not_judged", "no_verdict"):
        assert f"`{name}`" in TEXT, name
    limits = Thresholds()
    for name in MOVED:
        value = getattr(limits, name)
        assert f"{value:g}" in TEXT or f"{value:.0%}" in TEXT, name
    assert f"fewer than {limits.groups} images" in TEXT


def test_the_page_names_the_metrics_of_other_packages():
    for name in (*QUANTUS, *GRAD_CAM):
        assert name.removesuffix("Average") in TEXT, name
