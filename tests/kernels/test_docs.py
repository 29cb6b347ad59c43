"""The code of docs/kernels.md runs, block after block."""

import importlib.util
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_code_of_the_page_runs(capsys):
    names = {}
    for block in BLOCKS:
        if "import torch" in block and importlib.util.find_spec("torch") is None:
            continue
        exec(compile(block, str(PAGE), "exec"), names)
    assert "images must be [..., H, W, C], and a last axis of 48 may be a width" in capsys.readouterr().out
    assert len(BLOCKS) >= 6


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
