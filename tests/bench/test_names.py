"""Names of any signs: shown as they are in pages, tables and figures, and files of their own."""

import csv
import re

import numpy as np
import pytest

import xaijax
from xaijax._files import safe_names
from xaijax._runs.tables import markdown, to_latex, to_markdown
from xaijax.bench import calibrated, columns, drawing, paper, reading
from xaijax.bench.by_group import GroupRow
from xaijax.bench.store import SCORES
from xaijax.bench.summary import summarise
from xaijax.metrics import Scores
from xaijax.preprocess import Preprocess, read_as

EVIL = "<script>alert('x')</script>|_a_ 50% & $\\frac$ #{}~^[b](c)"


def test_two_names_never_give_one_file_name():
    names = ["a b", "a-b", "a/b", "A-B", "a-b-2", "net_1", "ü"]
    found = safe_names(names)
    assert list(found) == names
    assert len({one.lower() for one in found.values()}) == len(names)
    assert found["a b"] == "a-b"
    assert found["net_1"] == "net_1"
    assert all(re.fullmatch(r"[\w-]+", one) for one in found.values())


def test_a_markdown_cell_ends_no_column_and_opens_no_tag():
    text = to_markdown([{"name": EVIL, "n": 1}, {"name": "two\nlines", "n": 2}], {"name": "a|b", "n": "n"})
    lines = text.splitlines()
    assert len(lines) == 4
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3, 3]
    assert not re.search(r"(?<!\\)[<*`\[]", text)
    assert markdown("grad_cam_pp") == "grad_cam_pp"
    assert markdown("_x_") == r"\_x\_"


def test_a_latex_label_has_no_sign_that_latex_reads():
    text = to_latex([{"a": EVIL}], label=f"tab:{EVIL}")
    (label,) = re.findall(r"\\label\{(.*)\}", text)
    assert re.fullmatch(r"[A-Za-z0-9:._-]+", label)
    assert r"\textbar{}\_a\_ 50\% \& \$\textbackslash{}frac\$ \#\{\}" in text


def test_a_class_that_is_called_like_a_column_keeps_its_own_column():
    rows = [GroupRow("m", "cam", "iou", "class", value, mean, NAN, NAN, 9, 9) for value, mean in MEANS.items()]
    text = paper._grouped(rows, "m", "class")
    assert "metric & method & method & metric & no\\_tumour" in text
    assert "IoU & cam & 0.125 & 0.250 & 0.500" in text


NAN = float("nan")
MEANS = {"method": 0.125, "metric": 0.25, "no_tumour": 0.5}


def test_a_value_that_a_metric_lacks_is_a_dash():
    rows = [GroupRow("m", "cam", metric, "site", value, 0.5, NAN, NAN, 9, 9)
            for metric, value in (("iou", "a"), ("iou", "b"), ("energy", "a"))]  # fmt: skip
    assert re.search(r"cam & 0\.500 & -- ", paper._grouped(rows, "m", "site"))


def test_models_of_like_names_have_figures_tables_and_calibrations_of_their_own(made, tmp_path):
    """ "a b" and "a/b" are one file name: the second overwrote the figures, tables and verdicts of the first."""
    models = ("a b", "a/b")
    rows = [(model, f"c{n}", method, "iou", 0.1 * n + place, "")
            for place, model in enumerate(models) for n in range(5) for method in ("grad_cam", "random")]  # fmt: skip
    run = made.run_description([f"c{n}" for n in range(5)]) | {"metrics": ["iou"], "methods": ["grad_cam", "random"]}
    run["models"] = [run["models"][0] | {"name": model} for model in models]
    store = made.started(tmp_path / "run", run)
    store.write_part("00-a-0000", made.tables(made.table(rows, SCORES), made.CURVES.empty_table()))
    summary = summarise(columns.of_table(made.table(rows, SCORES)))
    drawn = drawing.draw(store, run, reading.read(store), summary, pairs=False)
    paths = [drawn[model]["intervals"][0]["path"] for model in models]
    assert len(set(paths)) == 2
    assert paths[0].read_bytes() != paths[1].read_bytes()
    places = calibrated.files_of(store.root, models)
    assert len(set(places.values())) == 2


def test_a_report_shows_names_of_any_signs(tmp_path):
    """Model, methods, classes, images and groups with signs of HTML, Markdown, LaTeX, formulas and paths."""
    rng = np.random.default_rng(0)
    ids = [f"{EVIL}/{n}.png" for n in range(12)]
    methods = [f"cam {EVIL}", "_cam", "random"]
    rows = [(image, method, metric, float(rng.random() + place), "")
            for image in ids for place, method in enumerate(methods) for metric in ("iou", "sic_mutual")]  # fmt: skip
    maps = {method: rng.random((12, 16, 16)).astype(np.float32) for method in methods}
    classes = [f"class {EVIL}", "method"]
    page = xaijax.report(
        Scores.from_rows(rows), out=tmp_path / f"out {EVIL.replace('/', '')}", ids=ids, classes=classes, maps=maps,
        images=rng.integers(0, 256, (12, 16, 16, 3), np.uint8), labels=np.arange(12) % 2,
        predictions=rng.dirichlet([1, 1], 12), model=f"net {EVIL}",
        groups={"site": [f"{EVIL} {n % 2}" for n in range(12)]}, masks=rng.random((12, 16, 16)) > 0.5, notes=[EVIL],
    )  # fmt: skip
    text = page.read_text("utf-8")
    assert "<script>alert" not in text
    assert "class &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;|_a_ 50% &amp; $\\frac$" in text
    made = sorted((page.parent / "tables").glob("*.tex"))
    assert any("by-site" in one.name for one in made)
    for one in made:
        body = one.read_text("utf-8").replace(r"\{", "").replace(r"\}", "")
        assert body.count("{") == body.count("}"), one
        assert "<" not in body
        for line in body.splitlines():
            assert not re.search(r"(?<!\\)[%#]", line), line
    with (page.parent / "summary.csv").open(newline="", encoding="utf-8") as file:
        assert {row["method"] for row in csv.DictReader(file)} == set(methods)
    with (page.parent / "groups.csv").open(newline="", encoding="utf-8") as file:
        assert {row["value"] for row in csv.DictReader(file) if row["group"] == "class"} == set(classes)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Preprocess.named("identity"), "pixels in [0, 1]"),
        (Preprocess.named("tf"), "black as -1, white as 1 (mean 0.5, std 0.5)"),
        (Preprocess.named("torch"), "mean 0.485 0.456 0.406, std 0.229 0.224 0.225"),
        (Preprocess.of_range(-1024, 1024), "black as -1024, white as 1024 (scale 2048, mean 1024, std 1)"),
        (Preprocess.standardized(np.zeros((2, 8, 4, 1))), "each pixel by its own mean and std over images (8 × 4)"),
    ],
)
def test_how_images_are_read_in_words(made, words):
    assert read_as(made.describe()) == words
    assert read_as(None) == ""
