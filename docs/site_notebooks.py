"""Makes an executed notebook of every tutorial, in docs/notebooks.

    pip install -e '.[test]' nbclient nbformat ipykernel torch grad-cam && python docs/site_notebooks.py [NAME ...]

Python blocks become cells, and so do lines that begin with `xaijax` (`pip` lines stay text) and files with a title. A
notebook runs in an empty folder that holds `brain_mri`, small phantoms in one folder per class, so that it stands in
for a reader's own images. Processes that a page starts end with its notebook; what needs a batch system stays text.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

HERE = Path(__file__).parent
SETUP = """# Small generated images stand in for a folder of your own.
%matplotlib inline
from pathlib import Path

import numpy as np
from PIL import Image

from xaijax import data

phantoms = data.open_dataset("phantoms", count=48, size=96, seed=3)
batch = phantoms.read(shape=(96, 96, 1))
for row, (image, mask, label) in enumerate(zip(batch.images, batch.masks, batch.labels)):
    for place, pixels in (("brain_mri", image[..., 0]), ("brain_mri/masks", np.uint8(255 * mask))):
        path = Path(place, phantoms.classes[label], f"{row}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)"""
START = """# These processes take the place of a terminal on each machine; they end with the notebook.
import atexit
import shlex
import subprocess

for line in {lines!r}:
    process = subprocess.Popen(shlex.split(line), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(process.terminate)"""
BLOCK = re.compile(
    r"^```python[^\n]*\n(?P<python>[\s\S]*?)^```$"
    r"|^```\w+ title=\"(?P<title>[^\"]+)\"\n(?P<file>[\s\S]*?)^```$"
    r"|^(?P<commands>(?:    xaijax .*\n)+)"
    r"|^(?P<processes>(?:    dask .*\n)+)",
    re.MULTILINE,
)
BATCH = re.compile(r"--cluster (slurm|pbs|lsf|sge)")


def notebook(text):
    """The notebook of a page, not executed."""
    cells, at = [new_code_cell(SETUP)], 0
    for block in BLOCK.finditer(text):
        if BATCH.search(block.group()):
            continue
        if text[at : block.start()].strip():
            cells.append(new_markdown_cell(text[at : block.start()].strip()))
        cells.append(new_code_cell(code(block).strip()))
        at = block.end()
    if text[at:].strip():
        cells.append(new_markdown_cell(text[at:].strip()))
    cells.insert(0, cells.pop(1) if len(cells) > 1 and cells[1].cell_type == "markdown" else new_markdown_cell(""))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # the same in every run
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def code(block):
    """The code of a block."""
    if block["title"]:
        return f"%%writefile {block['title']}\n{block['file']}"
    if block["processes"]:
        return START.format(lines=[line.strip() for line in block["processes"].splitlines()])
    if block["commands"]:
        # Not "!": that is a terminal, on which bars move.
        return "%%bash\n" + re.sub(r"^    ", "", block["commands"], flags=re.MULTILINE)
    return block["python"]


def links(text):
    """Links that lead from docs/tutorials lead from docs/notebooks, both are one folder below docs."""
    return re.sub(r"\]\((?!https?:|#|\.\./)([\w-]+\.md)", r"](../tutorials/\1", text)


def cleaned(outputs, folder):
    """Outputs with each stream in one piece, without colours, bars and the name of the temporary folder."""
    found = [one for one in outputs if one.output_type != "stream"]
    for name in ("stderr", "stdout"):
        text = "".join(one.text for one in outputs if one.output_type == "stream" and one.name == name)
        text = re.sub(r"[^\n]*\x1b\[2K", "", text)  # a line that was erased
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace(f"{folder}/", "")
        lines = [line for line in text.splitlines(keepends=True) if line.strip() and not re.search("[━⠀-⣿]", line)]
        if lines:
            found.insert(0, new_output("stream", name=name, text="".join(lines)))
    return found


def main(names):
    """Writes the notebooks of the pages with these names, or of all."""
    os.environ["COLUMNS"] = "110"
    out = HERE / "notebooks"
    out.mkdir(exist_ok=True)
    for page in sorted((HERE / "tutorials").glob("*.md")):
        if names and page.stem not in names:
            continue
        made = notebook(links(page.read_text("utf-8")))
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(made, timeout=900, resources={"metadata": {"path": folder}}).execute()
        for cell in made.cells:
            cell.get("metadata", {}).pop("execution", None)  # times
            if cell.cell_type == "code":
                cell.outputs = cleaned(cell.outputs, folder)
        nbformat.write(made, out / f"{page.stem}.ipynb")
        print(out / f"{page.stem}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
