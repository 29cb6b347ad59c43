import re
from html.parser import HTMLParser

import numpy as np
import pytest

from xaijax._runs import page
from xaijax.bench import report, results
from xaijax.bench.store import RESPONSES
from xaijax.plot import _style as style

IDS = [f"case {n}" for n in range(6)]
# The closing tags that HTML lets out.
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checker(HTMLParser):
    """Collects what a page loads, and sees that its tags are balanced."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.images = [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.loads += [values[name] for name in ("src", "href") if name in values]
        if tag == "img":
            self.images.append(values)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(tmp_path_factory, made):
    root = tmp_path_factory.mktemp("report") / "a <run> & more"
    store = made.started(root, made.run_description(IDS))
    first, second = made.parts(IDS[:3]), made.parts(IDS[3:])
    curves = [made.table(made.response_rows(ids), RESPONSES) for ids in (IDS[:3], IDS[3:])]
    store.write_part("00-m-0000", made.tables(*first, made.gallery_arrays(), curves[0]))
    store.write_part("00-m-0001", made.tables(*second, responses=curves[1]))
    made_of = report.write_report(store)
    rows, said, path = made_of.rows, made_of.said, made_of.path
    return store, rows, said, path.read_text("utf-8")


def test_the_report_is_one_well_formed_page_that_loads_nothing(written):
    _, _, _, text = written
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.loads
    assert all(load.startswith("data:") for load in checker.loads)
    assert not re.search(r"url\((?!#|data:)", re.sub(r"data:[^\"]+", "data:", text))
    assert all(image["alt"] for image in checker.images)


def test_every_figure_is_there_in_the_run_and_in_the_page(written):
    store, _, _, text = written
    names = sorted(path.name for path in (store.root / "figures").iterdir())
    assert names == [
        "m-curve-deletion_blur.svg",
        "m-curve-mprt_ssim.svg",
        "m-gallery.png",
        "m-mean-iou.svg",
        "m-mean-sic_webp.svg",
        "m-pairs-sic_webp.svg",  # iou is the same for all methods: no pair has a p-value
        "m-ranks-sic_webp.svg",
        "m-rebuilt-grad_cam.png",
        "m-sic-webp.svg",
    ]
    assert text.count("<img ") == len(names)


def test_the_page_says_what_was_run_and_escapes_it(written):
    store, _, _, text = written
    assert "a &lt;run&gt; &amp; more" in text
    assert "<run>" not in text
    run = store.read_run()
    assert run["command"] in text
    assert "broken.png" in text
    assert "A note." in text


def test_perturbation_and_randomised_layers_have_a_section_each(written):
    *_, text = written
    first, second = text.index("The model's answer as pixels change"), text.index("Maps of ever more random models")
    assert first < text.index("deletion blur ↓: mean curve and 95 % interval per method, m") < second
    assert second < text.index("mprt ssim ↓: mean curve and 95 % interval per method, m")


def test_the_table_has_the_numbers_of_the_summary(written):
    _, rows, _, text = written
    for row in rows:
        if np.isfinite(row.mean):
            assert f">{row.mean:.3f}<" in text
    marked = {"sic_webp": ["grad_cam"]}
    chosen = {table["title"]: table for table in results.tables(rows, "m", best=marked)}
    assert list(chosen) == ["Performance information curves", "Localization"]
    lines = chosen["Performance information curves"]["lines"]
    assert [line["method"] for line in lines] == ["gradient", "grad_cam", "random", "oracle"]
    assert [line["cells"][0]["best"] for line in lines] == [False, True, False, False]
    assert "heat maps of 2 methods and 1 control say" in " ".join(text.split())


def test_an_oracle_that_no_metric_scores_is_not_explained(made, tmp_path):
    store = made.started(tmp_path / "run", made.run_description(IDS))
    scores = made.table([row for row in made.score_rows(IDS) if row[2] != "oracle"], made.SCORES)
    store.write_part("00-m-0000", made.tables(scores, made.CURVES.empty_table()))
    text = report.write_report(store).path.read_text("utf-8")
    assert "the oracle is the ground-truth mask" not in text
    assert "know nothing of the model." in text


def test_the_area_under_the_drawn_curve_is_the_mean_score(made):
    """The legend and the table must not disagree: the mean of the curves has the mean of the areas."""
    from xaijax.metrics.pic_curve import area, read_curve

    curves = made.curve_rows(IDS)
    areas = [float(area(read_curve(row[6], row[7]))) for row in curves if row[2] == "grad_cam"]
    mean = np.mean([read_curve(row[6], row[7]) for row in curves if row[2] == "grad_cam"], axis=0)
    assert float(area(mean)) == pytest.approx(np.mean(areas), abs=1e-12)


def test_the_same_run_gives_the_same_files(written, tmp_path):
    store, *_ = written
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    report.write_report(store)
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


def test_a_run_without_curves_or_masks_has_a_report(made, tmp_path):
    store = made.started(tmp_path / "run", made.run_description(IDS))
    scores = made.table([row for row in made.score_rows(IDS) if row[3] == "iou"], made.SCORES)
    store.write_part("00-m-0000", made.tables(scores, made.CURVES.empty_table()))
    path = report.write_report(store).path
    text = path.read_text("utf-8")
    assert "The curves" not in text
    assert "One image, rebuilt" not in text


def test_svg_ink_follows_the_theme_only_inside_the_page(written):
    store, _, _, _ = written
    svg = (store.root / "figures" / "m-sic-webp.svg").read_text("utf-8")
    assert style.INK in svg
    assert "var(--ink)" not in svg
    themed = page.themed(svg)
    assert "prefers-color-scheme" in themed
    assert themed.count(style.INK) == 1


def test_styles_tell_methods_apart():
    names = [f"method {n}" for n in range(20)]
    looks = style.styles([*names, "random", "sobel", "oracle"])
    assert len({(look.color, look.dash, look.width) for look in looks.values()}) == len(looks)
    assert style.in_order(["oracle", "random", "a", "sobel", "b"]) == ["a", "b", "sobel", "random", "oracle"]
