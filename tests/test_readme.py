"""README: its Python runs, its links exist, and its counts are those of the package."""

import re
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_python_of_the_readme_runs(capsys):
    first, second = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    assert set(names["maps"]) == {"Grad-CAM", "Integrated Gradients", "sobel"}
    printed = capsys.readouterr().out
    for metric in names["names"]:
        assert metric in printed
    exec(second, names)
    assert names["rebuilt"].shape == (4, 224, 224, 3)
    assert names["rebuilt"].dtype == np.uint8
    assert names["bits"].shape == (4,)
    assert names["bits"].dtype == np.float64


def test_links_of_the_readme_exist():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_counts_of_the_readme_are_those_of_the_package():
    from xaijax import explain, metrics, models

    assert f"| explainers | {len(explain.METHODS)}: " in TEXT
    assert f"| metrics | {len(metrics.METRICS)}: " in TEXT
    assert f"| models | {len(models.list_models())} architectures" in TEXT


def test_readme_is_short_and_keeps_its_two_commands():
    assert len(TEXT.splitlines()) <= 110
    assert "    pip install . && xaijax bench\n" in TEXT
    assert "    pip install -e '.[test]' && pytest\n" in TEXT
