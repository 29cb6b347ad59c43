"""The box at the top of a report and what may be called best: every conclusion is one that the numbers carry."""

import base64
import re
import shlex

import numpy as np
import pytest

from xaijax import cli
from xaijax.bench import calibrated, columns, conclusion, report, results, statistics, verdict
from xaijax.bench.cautions import about_agreement, about_counts, folded
from xaijax.bench.store import SCORES
from xaijax.metrics import METRICS, Statement

IDS = [f"case {n}" for n in range(12)]


def judged(**verdicts):
    return {"m": calibrated.Judged({name: (one, "") for name, one in verdicts.items()}, "here")}


def statistics_of(made, quality, *, n=30, metrics=("irof",), noise=0.1):
    """Statistics of made-up scores, higher is better: {method: its quality}."""
    rng = np.random.default_rng(0)
    rows = [
        ("m", f"case {number}", method, metric, one + noise * rng.random(), "")
        for number in range(n)
        for metric in metrics
        for method, one in quality.items()
    ]
    return statistics.tabulate(columns.of_table(made.table(rows, SCORES)))


def concluded(found, **verdicts):
    return conclusion.conclude(found, judged(**verdicts))[0]


CLEAR = {"grad_cam": 0.9, "gradient": 0.5, "random": 0.2}


def test_a_method_that_beats_random_on_enough_images_is_the_best(made):
    one = concluded(statistics_of(made, CLEAR), irof="believe")
    assert one.state == "best"
    assert one.can == ("By the one metric that calibration supports here (irof) grad cam is the best explanation.",)
    assert one.next == ("use grad cam for this model.",)


def test_two_images_name_no_best_method(made):
    found = statistics_of(made, CLEAR | {"smoothgrad": 0.4, "occlusion": 0.3}, n=5, noise=1e-3)
    assert found.models["m"]["irof"].ranking.p < 0.05  # the test alone would
    one = concluded(found, irof="believe")
    assert one.state == "nothing"
    assert "Too few images have a value for all methods (10 are needed): irof has 5." in one.cannot
    assert one.can == ()


def test_what_a_control_outdoes_is_not_the_best(made):
    found = statistics_of(made, {"sobel": 1.5, **CLEAR})
    one = concluded(found, irof="believe")
    assert one.state == "open"
    assert "Sobel, which knows nothing of the model, does better than they do in irof." in one.cannot
    assert conclusion.best("irof", found.models["m"]["irof"]) == []


def test_what_is_level_with_random_is_not_the_best(made):
    found = statistics_of(made, {"grad_cam": 0.5, "gradient": 0.1, "random": 0.5})
    one = concluded(found, irof="believe")
    assert one.state == "open"
    assert any(line.startswith("Not shown to be better than a random map: grad cam") for line in one.cannot)
    assert conclusion.best("irof", found.models["m"]["irof"]) == []


def test_a_single_explanation_is_the_best_of_nothing(made):
    found = statistics_of(made, {"grad_cam": 0.9, "random": 0.2, "sobel": 0.1})
    one = concluded(found, irof="believe")
    assert one.state == "above random"
    assert one.can[0].endswith("grad cam explains more than a random map on these images.")
    assert one.next == ("score other methods too, to compare grad cam with.",)
    assert conclusion.best("irof", found.models["m"]["irof"]) == []
    alone = concluded(statistics_of(made, {"grad_cam": 0.9}), irof="believe")
    assert (alone.state, alone.can) == ("nothing", ())
    assert alone.cannot[0] == "There is no other explanation that grad cam could be compared with."
    none = concluded(statistics_of(made, {"random": 0.5, "sobel": 0.9}), irof="believe")
    assert none.cannot[0] == "Only controls were scored, and there is no method to conclude on."


def test_methods_that_are_alike_are_not_recommended_under_a_control(made):
    """Both beat the random map by far, and a control that ignores the model beats them."""
    one = concluded(
        statistics_of(made, {"grad_cam": 0.9, "gradient": 0.9, "random": 0.2, "sobel": 1.5}), irof="believe"
    )
    assert one.state == "open"
    assert one.cannot == ("Sobel, which knows nothing of the model, does better than both methods in irof.",)
    assert one.next == ("try other methods: a control that ignores the model does better than these.",)


def test_a_method_without_any_value_is_named(made):
    """More images do not help there."""
    rows = [("m", f"c{n}", m, "irof", v, "" if v == v else "flat_map") for n in range(20)
            for m, v in (("grad_cam", 0.9), ("gradient", np.nan), ("random", 0.2))]  # fmt: skip
    one = concluded(statistics.tabulate(columns.of_table(made.table(rows, SCORES))), irof="believe")
    assert one.state == "nothing"
    assert "No value at all, so that no image counts: gradient (irof)." in one.cannot
    assert one.next == ("leave out gradient with --methods.",)


def test_all_tied_methods_share_the_best_mean_rank(made):
    found = statistics_of(made, {"grad_cam": 0.9, "gradient": 0.9, "random": 0.9}, noise=0.0).models["m"]["irof"]
    assert "best mean rank: grad_cam and gradient and random" in repr(found)
    assert conclusion.best("irof", found) == []


def test_without_a_random_control_nothing_is_the_best(made):
    one = concluded(statistics_of(made, {"grad_cam": 0.9, "gradient": 0.5, "occlusion": 0.2}), irof="believe")
    assert one.state == "open"
    assert "No method can be called best, because none was compared with a random map." in one.cannot
    assert one.next == ("score the random control too: add random to --methods.",)


def test_the_gap_has_the_direction_of_the_metric(made):
    rows = [("m", f"c{n}", method, "deletion_mean", value + 0.01 * (n % 3), "") for n in range(12)
            for method, value in (("grad_cam", 0.2), ("random", 0.6))]  # fmt: skip
    found = statistics.tabulate(columns.of_table(made.table(rows, SCORES)))
    (gap,) = conclusion.gaps("deletion_mean", found.models["m"]["deletion_mean"])
    assert (gap.method, round(gap.mean, 9)) == ("grad_cam", 0.4)
    assert gap.low <= gap.mean <= gap.high
    assert gap.low > 0


def test_the_box_says_how_sure_and_what_is_not_concluded(made):
    found = statistics_of(made, CLEAR, metrics=("irof", "iou"))
    known = judged(irof="believe", iou="not_judged")
    said = [Statement("irof could score 0 of 9 images of glioma and 9 of 9 of all others: ...", True, "class")]
    conclusions = conclusion.conclude(found, known)
    (box,) = verdict.boxes(made.run_description(IDS), found, known, conclusions, said)
    assert box["badge"] == "one best method"
    (row,) = box["evidence"]
    assert (row["title"], row["n"], row["best"]) == ("irof ↑", 30, ["grad cam"])
    (gap,) = row["gaps"]
    pair = next(p for p in found.models["m"]["irof"].pairs if {p.first, p.second} == {"grad_cam", "random"})
    assert gap["range"] == f"{min(abs(pair.low), abs(pair.high)):+.3f} to {max(abs(pair.low), abs(pair.high)):+.3f}"
    text = " ".join(box["cannot"])
    assert "Nothing is concluded from IoU: compared with masks" in text
    assert said[0].text in text  # a class that a believed metric does not score


def test_the_box_says_why_a_metric_was_not_judged(made):
    """One sentence for each reason; a metric that reads masks has its own."""
    names = ("irof", "iou", "road", "saco", "deletion_mean", "insertion_mean", "sic_webp", "pixel_flipping")
    verdicts = {
        "irof": ("believe", ""),
        "sic_webp": ("undecided", "too few images to decide"),
        "pixel_flipping": ("no", "does not see where the map points"),
    } | {
        name: ("not_judged", why)
        for name, why in {
            "iou": "it reads the mask, not the model",
            "road": "it was judged with perturbation.steps=10, not 32",
            "saco": "it scores only 30 % of class glioma",
            "deletion_mean": "the calibration was made for other metrics",
            "insertion_mean": "the calibration was made for other metrics",
        }.items()
    }
    known = {"m": calibrated.Judged(verdicts, "runs/cal")}
    found = statistics_of(made, CLEAR, metrics=names)
    (box,) = verdict.boxes(made.run_description(IDS), found, known, conclusion.conclude(found, known), [])
    title = {name: METRICS[name].title for name in names}
    assert [line for line in box["cannot"] if line.startswith("Nothing is concluded")] == [
        f"Nothing is concluded from {title['sic_webp']}: undecided, because the calibration had too few images.",
        f"Nothing is concluded from {title['pixel_flipping']}: not believed, for the reason that stands at its column "
        "in the results.",
        f"Nothing is concluded from {title['iou']}: compared with masks, so about what a person would mark and not "
        "about what the model uses.",
        f"Nothing is concluded from {title['road']}: not judged, because it was judged with perturbation.steps=10, not "
        "32.",
        f"Nothing is concluded from {title['saco']}: not judged, because it scores only 30 % of class glioma.",
        f"Nothing is concluded from {title['deletion_mean']} and {title['insertion_mean']}: not judged, because the "
        "calibration was made for other metrics.",
    ]


def test_a_run_without_a_calibration_names_the_reason_once(made):
    why = "The metrics were not calibrated: no image gives a case."
    known = {"m": calibrated.Judged({"irof": ("no_verdict", "not calibrated")}, "", why)}
    found = statistics_of(made, CLEAR)
    (box,) = verdict.boxes(made.run_description(IDS), found, known, conclusion.conclude(found, known), [])
    assert box["cannot"] == [f"Nothing can be concluded about the methods: {why[0].lower()}{why[1:]}"]


@pytest.mark.parametrize(
    ("metrics", "output", "why"),
    [
        (["sic_webp", "iou"], "softmax", "The metrics were not calibrated: it is not known"),
        (["iou", "pointing_game"], "softmax", "Every metric here compares maps with masks"),
        (["sic_webp"], "sigmoid", "that needs one class per image"),
    ],
)
def test_without_a_calibration_the_box_says_why_nothing_is_concluded(made, metrics, output, why):
    run = made.run_description(IDS) | {"metrics": metrics}
    run["models"] = [run["models"][0] | {"output": output}]
    (box,) = verdict.boxes(run, statistics_of(made, CLEAR), {}, [], [])
    assert box["state"] == "nothing"
    assert why in box["cannot"][0]
    assert box["next"]
    assert bool(box["command"]) == (why.startswith("The metrics") and output == "softmax")


def test_the_command_of_the_box_calibrates_the_model_and_the_data_of_the_run(made):
    run = made.run_description(IDS)
    run["config"] |= {"data": "my scans"}
    (box,) = verdict.boxes(run, statistics_of(made, CLEAR), {}, [], [])
    assert box["command"] == "xaijax calibrate --data 'my scans' --model m"
    # How images and models are read belongs to it: other pixels are another model.
    run["config"] |= {"preprocess": ["torch"], "mask_role": "lesion", "size": 128, "methods": ["random"], "count": 7}
    (box,) = verdict.boxes(run, statistics_of(made, CLEAR), {}, [], [])
    words = "--mask-role lesion --preprocess torch --size 128"
    given = shlex.split(box["command"])
    assert sorted(given) == sorted(["xaijax", "calibrate", "--data", "my scans", "--model", "m", *words.split()])
    assert cli.parse("calibrate", given[2:]).preprocess == ("torch",)


def test_a_mean_over_fewer_images_than_the_others_says_so():
    counts = {"grad_cam": 30, "mine": 12, "rise": 29, "random": 30, "oracle": 21}
    rows = [results.Row("m", method, "irof", 0.5, 0.5, 0.4, 0.6, n, 30 - n, "") for method, n in counts.items()]
    (shown,) = results.tables(rows, "m")
    assert {line["method"]: line["cells"][0]["fewer"] for line in shown["lines"]} == {
        name: name in ("mine", "rise", "oracle") for name in counts
    }
    said = {one.text.partition(" has")[0]: one for one in about_counts(rows)}
    assert {name: one.warns for name, one in said.items()} == {"mine": True, "rise": False, "The oracle": False}
    assert "(irof 12 of 30): its means are over other images than theirs" in said["mine"].text
    assert not about_counts([row for row in rows if row.n == 30])


def test_a_control_that_ignores_the_model_is_no_floor_of_agreement():
    run = {"metrics": ["agreement_spearman", "iou"], "methods": ["grad_cam", "random", "sobel"]}
    (one,) = about_agreement(run)
    assert one.warns
    assert one.text.startswith("sobel agrees perfectly between models in")
    assert about_agreement(run | {"metrics": ["iou"]}) == []
    assert about_agreement(run | {"methods": ["grad_cam", "random"]}) == []  # it has maps of its own for each model


def test_cautions_are_folded_by_kind_those_that_warn_first():
    said = [Statement("a"), Statement("b", True, "worse"), Statement("c", kind="level"), Statement("d", True, "few")]
    groups = folded(said)
    assert [group["summary"] for group in groups] == [
        "Methods and controls: 1 caution, 1 remark",
        "Images without a score: 1 caution",
        "Choices of this run: 1 remark",
    ]
    assert sum(len(group["said"]) for group in groups) == len(said)


@pytest.fixture(scope="module")
def page(tmp_path_factory, made):
    store = made.started(tmp_path_factory.mktemp("report") / "run", made.run_description(IDS))
    store.write_part("00-m-0000", made.tables(*made.parts(IDS), made.gallery_arrays()))
    return report.write_report(store).path


def test_the_box_comes_before_all_results(page):
    text = page.read_text("utf-8")
    assert text.index('class="verdict') < text.index('class="facts"') < text.index('id="results"')
    assert 'id="conclusion"' in text


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_window(chromium, page, width):
    chromium.open(page, width=width)
    assert chromium.js("document.documentElement.scrollWidth") <= width
    box = chromium.js("JSON.stringify(document.querySelector('.verdict').getBoundingClientRect())")
    assert float(re.search(r'"top":([\d.]+)', box)[1]) < 300  # what a reader sees first
    # Sorting a table works by a click on a heading.
    column = "document.querySelectorAll('table.sortable')[0]"
    chromium.js(f"{column}.querySelectorAll('th button')[1].click()")
    cells = chromium.js(f"Array.from({column}.tBodies[0].rows).map(r => r.cells[1].dataset.value)")
    values = [float(cell) for cell in cells if cell]
    assert values == sorted(values, reverse=True)


def test_on_paper_everything_is_unfolded_and_nothing_is_cut_off(chromium, page, tmp_path):
    chromium.open(page)
    assert chromium.js("document.querySelectorAll('details:not([open])').length") > 0
    chromium.js("addEventListener('beforeprint', () => { window.folded = document.querySelectorAll("
                "'details:not([open])').length })")  # fmt: skip
    made = base64.b64decode(chromium.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])
    assert made.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", made)) <= 12
    assert chromium.js("window.folded") == 0
    assert chromium.js("document.querySelectorAll('details:not([open])').length") > 0  # as it was
    chromium.ask("Emulation.setEmulatedMedia", media="print")
    width = 700  # pixels of a sheet's width between its margins
    chromium.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    chromium.js("document.querySelectorAll('details').forEach(one => { one.open = true })")
    wide = chromium.js(
        "Array.from(document.querySelectorAll('table, figure, pre')).filter("
        f"one => one.getBoundingClientRect().right > {width + 1}).map(one => one.outerHTML.slice(0, 200))"
    )
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(chromium, page, scheme):
    """WCAG AA: 4.5 to 1 for text on the ground, on panels and on what is marked."""
    chromium.open(page)
    chromium.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    style = "getComputedStyle(document.documentElement)"
    names = ("ground", "panel", "best", "warn-ground", "ink", "soft", "accent", "warn", "good")
    read = {name: chromium.js(f"{style}.getPropertyValue('--{name}').trim()") for name in names}

    def luminance(colour):
        linear = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(first, second):
        a, b = sorted((luminance(read[first]), luminance(read[second])))
        return (b + 0.05) / (a + 0.05)

    pairs = [("ink", g) for g in ("ground", "panel", "best", "warn-ground")]
    pairs += [("soft", "ground"), ("soft", "panel"), ("accent", "ground"), ("warn", "ground"), ("warn", "warn-ground")]
    for first, second in [*pairs, ("good", "ground"), ("soft", "best")]:
        assert contrast(first, second) >= 4.5, (first, second)


def test_the_tables_mark_what_may_be_called_best_and_nothing_else(made):
    found = statistics_of(made, CLEAR)
    marks = {"irof": conclusion.best("irof", found.models["m"]["irof"])}
    rows = [results.Row("m", method, "irof", one, one, one, one, 30, 0, "") for method, one in CLEAR.items()]
    (table,) = results.tables(rows, "m", best=marks)
    assert {line["method"]: line["cells"][0]["best"] for line in table["lines"]} == {
        "grad_cam": True,
        "gradient": False,
        "random": False,
    }
