"""The image browser of a report: what it keeps, and what happens when a reader clicks through it in Chromium."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from xaijax._runs import checksums
from xaijax.bench import BenchConfig, browser, report, run
from xaijax.bench.groups import belongs
from xaijax.bench.pictures import SIDE, nearest, pictures_of, table_of
from xaijax.bench.plan import Plan
from xaijax.bench.store import PREDICTIONS, RESPONSES, Store, Tables
from xaijax.bench.tables import groups_of
from xaijax.metrics import FAMILIES
from xaijax.metrics.pic import rebuild, revealed

IDS = [f'scan {n} "ä" <b>' for n in range(12)]
METHODS = ("gradient", "grad_cam", "random")
SIZE = 40


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def arrays(number):
    """An image, its mask, and maps with one bright square each, at another place for each image and method."""
    image = np.full((SIZE, SIZE, 1), 60 + 10 * number, np.uint8)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[8:16, 8:16] = True
    maps = {}
    for place, method in enumerate(METHODS):
        maps[method] = np.zeros((SIZE, SIZE))
        maps[method][4 * place : 4 * place + 8, 2 * number : 2 * number + 8] = 1
    return image, mask, maps


def kept(made, root):
    """A run of twelve images whose pictures were kept, with a wrong prediction and two groups."""
    store = made.started(root, made.run_description(IDS))
    for part, ids in enumerate((IDS[:6], IDS[6:])):
        scores, curves = made.parts(ids)
        responses = made.table(made.response_rows(ids), RESPONSES)
        rows = []
        for image in ids:
            pixels, mask, maps = arrays(IDS.index(image))
            rebuilt = {"grad_cam": [(0.02, pixels), (0.05, pixels)]}
            rows += pictures_of(image, pixels, mask if IDS.index(image) else None, maps, rebuilt)
        guesses = [("m", image, "a" if IDS.index(image) % 2 else "b", "a", 0.9) for image in ids]
        named = [{"patient": str(IDS.index(image) // 3), "site": "north" if part else "south"} for image in ids]
        store.write_part(
            f"00-m-000{part}",
            Tables(
                scores, curves, responses, made.table(guesses, PREDICTIONS), {}, table_of(rows), groups_of(ids, named)
            ),
        )
    return store


@pytest.fixture(scope="module")
def page(tmp_path_factory, made):
    return report.write_report(kept(made, tmp_path_factory.mktemp("browser") / "run")).path


# -------------------------------------------------------------------------------------------------- what is kept


def test_pictures_show_what_they_were_made_of():
    image, mask, maps = arrays(3)
    rows = pictures_of("a", image, mask, maps)
    assert rows == pictures_of("a", image, mask, maps)  # the same bytes
    found = {(what, method): decoded(data) for _, what, method, _, data in rows}
    assert list(found) == [("image", ""), ("outline", ""), *(("map", method) for method in METHODS)]
    assert np.abs(found["image", ""].astype(int) - image).max() <= 2
    for method in METHODS:
        grey = found["map", method][..., 0] / 255
        assert np.abs(grey - maps[method]).mean() < 0.02
    # The outline lies around the mask, not in it, and nowhere else.
    seen = found["outline", ""][..., 3] > 0
    assert seen.any()
    assert not (seen & mask).any()
    assert not seen[20:].any()


def test_large_images_are_shrunk_and_maps_with_them():
    large = np.zeros((2 * SIDE, SIDE, 3), np.uint8)
    shapes = {
        decoded(row[4]).shape[:2]
        for row in pictures_of("a", large, np.ones(large.shape[:2], bool), {"cam": large[..., 0]})
    }
    assert shapes == {(SIDE, SIDE // 2)}


def test_rebuilt_images_are_those_of_aic_and_sic():
    rng = np.random.default_rng(0)
    image, maps = rng.integers(0, 256, (24, 24, 1), np.uint8), {"cam": rng.random((24, 24)).astype(np.float32)}
    settings = FAMILIES["pic"].read_settings({})
    places = nearest(settings.fractions)
    assert [settings.fractions[place] for place in places] == [0.02, 0.05, 0.13]

    class Flat:
        def predict(self, images):
            return np.full((len(images), 2), 0.5)

    whole = rebuild(Flat(), image, maps, name="a", measures=["shannon"], settings=settings, seed=7)
    own = revealed(image, maps, name="a", settings=settings, seed=7)
    np.testing.assert_array_equal(own[:, places], whole.images[:, 1:-1][:, places])


@pytest.mark.parametrize(("total", "wanted"), [(10, 10), (1000, 7), (33, 8), (5, 0), (1, 1)])
def test_the_images_that_are_kept_are_spread_evenly_whatever_the_parts(total, wanted):
    cases = tuple(range(100, 100 + total))
    plan = SimpleNamespace(cases=cases, shown=min(wanted, total), places=lambda some: [case - 100 for case in some])
    whole = Plan.in_report(plan, plan.cases)
    assert whole.sum() == wanted
    by_part = [Plan.in_report(plan, plan.cases[i : i + 3]) for i in range(0, total, 3)]
    np.testing.assert_array_equal(np.concatenate(by_part), whole)
    if 1 < wanted < total:
        gaps = np.diff(np.flatnonzero(whole))
        assert gaps.max() - gaps.min() <= 1


def test_groups_come_from_the_columns_that_say_them():
    case = SimpleNamespace(
        group="patient 17", extra={"Patient Gender": "F", "Manufacturer": "A", "Follow-up #": "3", "site": " "}
    )
    assert belongs(case) == {"patient": "17", "sex": "F", "scanner": "A"}
    assert belongs(SimpleNamespace(group="lesion HAM_1", extra={})) == {"lesion": "HAM_1"}
    assert belongs(SimpleNamespace(group=None, extra={})) == {}


def test_a_run_keeps_as_many_images_as_it_is_told(checkpoint, tmp_path):
    shared = {"model": (str(checkpoint),), "methods": ("gradient", "random"), "calibration": ("none",), "part": 2}
    metrics = ("sic_shannon", "iou")
    out = run(BenchConfig(**shared, metrics=metrics, count=5, gallery=3, out=tmp_path / "run"))
    store = Store(out)
    tables = {part.name: table for part, table in store.pictures()}
    images = [image for table in tables.values() for image in dict.fromkeys(table["image"].to_pylist())]
    assert len(images) == 3
    assert set(images) <= set(store.read_run()["data"]["images"])
    first = next(iter(tables.values()))
    kinds = list(zip(first["what"].to_pylist(), first["method"].to_pylist(), strict=True))
    assert kinds.count(("rebuilt", "gradient")) == 3
    assert {("image", ""), ("map", "gradient"), ("map", "random")} <= set(kinds)
    text = (out / "report.html").read_text("utf-8")
    assert "3 of 5 images can be looked at here" in re.sub(r"\s+", " ", text).replace("images</b>", "images")
    assert not checksums.problems(out, "run.json")
    # A part that is computed again has the same bytes.
    for part in tables:
        path = out / "pictures" / f"{part}.parquet"
        before = path.read_bytes()
        (out / "parts" / f"{part}.json").unlink()
        run(BenchConfig(**shared, metrics=metrics, count=5, gallery=3, out=out, resume=True))
        assert path.read_bytes() == before
        break
    none = run(BenchConfig(**shared, metrics=("iou",), count=2, gallery=0, out=tmp_path / "none"))
    assert not list(Store(none).pictures())
    assert 'id="browser"' not in (none / "report.html").read_text("utf-8")


# ----------------------------------------------------------------------------------------------- what a reader sees


def part_of(name):
    return f"document.querySelector('#browser [data-part=\"{name}\"]')"


def choose(chromium, name, value):
    event = "o.dispatchEvent(new Event('input', {bubbles: true}))"
    chromium.js(f"(o => {{ o.value = {json.dumps(value)}; {event} }})({part_of(name)})")


def title(chromium):
    return chromium.js(f"{part_of('title')}.textContent")


def shown(chromium):
    """The images that are listed, in their order."""
    return chromium.js(
        f"Array.from({part_of('tiles')}.querySelectorAll('button')).map(b => b.querySelector('span').textContent)"
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_a_reader_can_look_through_all_images(chromium, page, width):
    chromium.open(page, width=width)
    assert chromium.js("document.documentElement.scrollWidth") <= width
    chromium.js("document.getElementById('browser').scrollIntoView()")
    assert shown(chromium) == IDS
    assert title(chromium) == IDS[0]
    chromium.wait(f"{part_of('left-stage')}.querySelectorAll('img').length == 2")  # no mask, so no outline
    # Two maps side by side, of different methods, over the image.
    sources = chromium.js("['left', 'right'].map(s => document.querySelector(`[data-part=${s}-stage] .map`).src)")
    maps = [decoded(base64.b64decode(source.partition(",")[2]))[..., 0] for source in sources]
    for method, grey in zip(METHODS, maps, strict=False):
        assert np.abs(grey / 255 - arrays(0)[2][method]).mean() < 0.02
    # By the arrow, by keys, by a click on a tile.
    chromium.js(f"{part_of('next')}.click()")
    assert title(chromium) == IDS[1]
    chromium.wait(f"{part_of('left-stage')}.querySelector('.outline')")
    for key, wanted in (("j", 2), ("ArrowRight", 3), ("k", 2), ("ArrowLeft", 1), ("ArrowLeft", 0), ("k", 0)):
        chromium.press(key)
        assert title(chromium) == IDS[wanted], key
    chromium.js(f"{part_of('tiles')}.querySelectorAll('button')[7].click()")
    assert title(chromium) == IDS[7]
    assert chromium.js("decodeURIComponent(location.hash)") == f"#image={IDS[7]}"
    assert chromium.js("document.documentElement.scrollWidth") <= width
    assert chromium.js("document.querySelectorAll('#browser b').length") == 0  # names are text


def test_filters_and_sorting(chromium, page):
    chromium.open(page)
    choose(chromium, "label", "b")
    assert shown(chromium) == IDS[::2]
    choose(chromium, "label", "")
    choose(chromium, "guess", "right")
    assert shown(chromium) == IDS[1::2]
    assert chromium.js(f"{part_of('count')}.textContent") == "6 of 12 images"
    choose(chromium, "guess", "")
    groups = chromium.js(
        f"Array.from({part_of('groups')}.querySelectorAll('label')).map(l => l.firstChild.textContent.trim())"
    )
    assert groups == ["patient", "site"]
    site = f"{part_of('groups')}.querySelectorAll('select')[1]"
    chromium.js(f"(s => {{ s.value = 'north'; s.dispatchEvent(new Event('input', {{bubbles: true}})) }})({site})")
    assert shown(chromium) == IDS[6:]
    chromium.js(f"{part_of('filters')}.reset()")
    chromium.wait(f"{part_of('tiles')}.children.length == 12")
    # Sorting by a metric of a method: those without a score come last.
    data = chromium.js("JSON.parse(document.getElementById('browser-data').textContent)")
    assert [metric["name"] for metric in data["metrics"]] == ["sic_webp", "iou"]
    method = data["methods"].index("grad_cam")
    scores = {image["id"]: image["scores"][0][method] for image in data["models"][0]["images"]}
    unscored = [image for image in IDS if isinstance(scores[image], str)]
    assert {scores[image] for image in unscored} == {"information_not_larger"}
    rest = [image for image in IDS if image not in unscored]
    choose(chromium, "metric", "0")
    choose(chromium, "of", str(method))
    assert shown(chromium) == [*sorted(rest, key=scores.get), *unscored]
    choose(chromium, "order", "best")
    assert shown(chromium) == [*sorted(rest, key=scores.get, reverse=True), *unscored]
    middle = sorted(scores[image] for image in rest)[4]
    choose(chromium, "low", str(middle))
    assert set(shown(chromium)) == {image for image in rest if scores[image] >= middle}
    choose(chromium, "search", "scan 11")
    assert shown(chromium) == [IDS[11]] * (scores[IDS[11]] >= middle)


def test_scores_curves_and_rebuilt_images_of_one_image(chromium, page, made):
    chromium.open(page, fragment="#image=" + "scan%202%20%22%C3%A4%22%20%3Cb%3E")
    assert title(chromium) == IDS[2]
    choose(chromium, "left", "1")
    chromium.wait(f"{part_of('rebuilt')}.querySelectorAll('img').length == 2")
    rows = chromium.js(f"Array.from({part_of('scores')}.rows).map(r => Array.from(r.cells).map(c => c.textContent))")
    wanted = {(row[3], row[2]): row[4] for row in made.score_rows(IDS[:6]) if row[1] == IDS[2]}
    assert rows[0][0].startswith("SIC (webp)")
    assert rows[0][1:] == [f"{wanted['sic_webp', 'grad_cam']:.3f}"] * 2
    assert not chromium.js(f"{part_of('curves')}.hidden")
    assert chromium.js(f"{part_of('plot')}.querySelectorAll('polyline').length") == 2
    label = chromium.js(f"{part_of('plot')}.querySelector('svg').getAttribute('aria-label')")
    assert label == "SIC (webp) ↑ of grad cam and grad cam"
    choose(chromium, "opacity", "20")
    assert chromium.js("document.querySelector('#browser .map').style.opacity") == "0.2"
    chromium.js(f"{part_of('outline')}.click()")
    assert chromium.js("getComputedStyle(document.querySelector('#browser .outline')).display") == "none"
    # What has no score says why.
    chromium.js("location.hash = '#image=' + encodeURIComponent('scan 0 \"ä\" <b>')")
    chromium.wait(f"{part_of('title')}.textContent.startsWith('scan 0')")
    assert "information" in chromium.js(f"{part_of('scores')}.rows[0].cells[1].textContent")
    chromium.js("location.hash = '#image=nowhere'")
    chromium.wait(f"{part_of('count')}.textContent.includes('not among those')")


def test_everything_has_a_name_and_can_be_reached_by_keyboard(chromium, page):
    chromium.open(page)
    chromium.wait(f"{part_of('left-stage')}.querySelector('img')")
    unnamed = chromium.js(
        "Array.from(document.querySelectorAll('#browser input, #browser select, #browser button')).filter(one => "
        "!(one.labels && one.labels.length) && !one.textContent.trim() && !one.getAttribute('aria-label'))"
        ".map(one => one.outerHTML)"
    )
    assert unnamed == []
    assert chromium.js("Array.from(document.querySelectorAll('#browser .stage img')).every(one => one.alt)")
    first = f"{part_of('tiles')}.querySelector('button')"
    chromium.js(f"{first}.focus()")
    chromium.press("j")
    assert title(chromium) == IDS[1]
    chromium.js(f"{part_of('search')}.focus()")
    chromium.press("j")  # typed into the field
    assert chromium.js(f"{part_of('search')}.value") == "j"
    assert chromium.js(f"getComputedStyle({part_of('search')}).outlineStyle") == "solid"


def test_what_does_not_fit_lies_in_a_folder_next_to_the_page(chromium, made, tmp_path, monkeypatch):
    store = kept(made, tmp_path / "run")
    sizes = [len(data) * 4 / 3 for _, table in store.pictures() for data in table["webp"].to_pylist()]
    found = browser.build(store, store.read_run(), {}, total=12, limit=int(sum(sizes)) - 100)
    assert found.said == ("Rebuilt images are left out: with them the page would hold more than 0 MB.",)
    assert "UklG" in next(iter(found.pictures.values()))
    assert all(not json.loads(text)["rebuilt"] for text in found.pictures.values())
    monkeypatch.setattr(browser.build, "__kwdefaults__", {"limit": 1000})
    page = report.write_report(store).path
    folder = store.root / browser.FOLDER
    assert len(list(folder.iterdir())) == len(IDS)
    assert page.stat().st_size < 2**20
    chromium.open(page)
    assert "report-images" in chromium.js("document.querySelector('#browser p').textContent")
    chromium.wait(f"{part_of('left-stage')}.querySelector('img.map')")
    chromium.js("document.getElementById('browser').scrollIntoView()")
    chromium.press("j")
    chromium.wait(f"{part_of('left-stage')}.querySelector('.outline')")
    folder.rename(tmp_path / "elsewhere")
    chromium.open(page)
    chromium.wait(f"{part_of('left-stage')}.textContent.includes('is not next to this page')")
    # A report that fits again leaves no folder behind.
    monkeypatch.setattr(browser.build, "__kwdefaults__", {"limit": browser.LIMIT})
    folder.mkdir()
    report.write_report(store)
    assert not folder.exists()
