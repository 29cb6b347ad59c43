"""The figure, the page and the words of a calibration."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from xaijax._runs import provenance
from xaijax.calibrate import VERDICTS, figures, report
from xaijax.calibrate.verdicts import by_verdict, conclusion, headline, images_to_decide, in_order, short_reason
from xaijax.plot._style import encode

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checker(HTMLParser):
    """Collects what a page loads, and sees that its tags are balanced."""

    def __init__(self):
        super().__init__()
        self.open, self.loads = [], []

    def handle_starttag(self, tag, attributes):
        self.loads += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def written(found, tmp_path):
    run = {"command": "xaijax calibrate --count 24", "config": {"count": 24}, **provenance.describe()}
    moves = [{"moved": "random_dominance-0.05", "changes": {"irof": "undecided"}}]
    path = report.write(tmp_path / "a <run>", found, run, moves)
    return path.read_text("utf-8"), path.parent


def texts(figure):
    from matplotlib.text import Text

    return [one.get_text() for one in figure.findobj(Text) if one.get_text()]


def test_the_figure_has_a_row_for_each_metric_under_its_verdict(found):
    titles = {name: report.title(name) for name in found["metrics"]}
    figure = figures.calibration(found, titles)
    there = texts(figure)
    assert set(titles.values()) <= set(there)
    for verdict, names in by_verdict(found["metrics"]).items():
        assert f"{VERDICTS[verdict].title.upper()} ({len(names)})" in there
        assert VERDICTS[verdict].mark in there  # not by colour alone
    heights = {one.get_text(): one.get_position()[1] for one in figure.texts}
    order = [heights[titles[name]] for name in in_order(found["metrics"])]
    assert order == sorted(order, reverse=True)
    left, right = figure.axes
    assert [
        line.get_xdata()[0] for line in left.lines if len(set(line.get_xdata())) == 1 and line.get_linestyle() == "--"
    ]
    assert len(right.patches) - 1 == sum(one["concordance"] is not None for one in found["metrics"].values())


def test_verdicts_differ_in_colour_and_in_shape():
    used = ("believe", "same_kind", "undecided", "no", "not_judged")
    assert len({figures.COLOURS[one] for one in used}) == len({figures.MARKERS[one] for one in used}) == len(used)
    assert set(figures.COLOURS) == set(figures.MARKERS) == set(VERDICTS)


def test_the_same_calibration_gives_the_same_figure(found):
    first, second = (encode(figures.calibration(found, {}), "png") for _ in range(2))
    assert first == second


def test_one_metric_without_numbers_can_be_drawn(found):
    found["metrics"] = {"pointing_game": found["metrics"]["pointing_game"]}
    assert "no value" in texts(figures.calibration(found, {}))
    assert headline(found) == "None of 1 metrics can be believed for builtin on phantoms"


def test_the_page_is_whole_loads_nothing_and_escapes(written, found):
    text, root = written
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert all(load.startswith("data:") for load in checker.loads)
    assert "a &lt;run&gt;" in text
    assert "<run>" not in text
    assert (root / "figures" / "calibration.png").is_file()
    for heading in ("Every metric", "By construction", "Is the calibration itself sound", "Thresholds", "To repeat"):
        assert heading in text
    assert text.index("Believe: SIC (mutual)") < text.index("Every metric")  # the verdict first
    assert "irof: believe → undecided" in text
    assert "The model is sure of images that hold no evidence: black (pituitary, 0.99)" in text
    assert re.search(r"glioma.*scored in fewer than 50 % of the cases by AIC \(webp\)", text)


def test_the_table_has_every_number(written, found):
    _, root = written
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO((root / "summary.csv").read_text()))}
    assert list(rows) == in_order(found["metrics"])
    assert float(rows["irof"]["concordance"]) == found["metrics"]["irof"]["concordance"]
    assert float(rows["irof"]["twin_low"]) == pytest.approx(found["metrics"]["irof"]["twin_interval"][0])
    assert rows["pointing_game"]["concordance"] == ""
    assert rows["aic_webp"]["scored_glioma"] == "0.1"


def test_a_failed_control_is_said_first(found, made):
    found["controls"] |= {"passed": False, "reason": "D of sparseness is 0.60"}
    for one in found["metrics"].values():
        one["verdict"] = "no_verdict"
    assert headline(found).startswith("No verdict on 12 metrics")
    assert conclusion(found, {})[0] == (
        "No verdict: D of sparseness is 0.60. Nothing may be concluded from any of the 12 metrics."
    )


def test_the_conclusion_names_what_to_believe_and_what_to_do(found):
    lines = conclusion(found, {name: report.title(name) for name in found["metrics"]})
    assert lines[0] == "For builtin on phantoms you can believe 3 of 12 metrics: SIC (mutual), deletion mean and irof."
    assert lines[-1] == (
        "Next: score your methods with --metrics sic_mutual deletion_mean irof. To decide pixel flipping, "
        "calibrate again with --count 122."
    )


def test_undecided_metrics_ask_for_images_or_time(found):
    found["metrics"] = {"pixel_flipping": found["metrics"]["pixel_flipping"]}
    # 61 cases are needed, and 24 images gave 12 cases of the rarest construction.
    assert images_to_decide(found) == 122
    assert conclusion(found, {})[-1].startswith("Next: calibrate again with --count 122")
    assert headline(found) == "1 of 1 metrics are undecided for builtin on phantoms, none can be believed yet"
    found["metrics"] |= {
        name: found["metrics"]["pixel_flipping"] | {"images_to_decide": cases}
        for name, cases in (("a", 5000), ("b", 70))
    }
    # The one that needs 5000 does not decide how many are asked for.
    assert images_to_decide(found) == 140
    assert "--count 140, which should decide b and pixel_flipping." in conclusion(found, {})[-1]
    found["constructions"]["view"]["left_out"]["no_time"] = 5
    assert conclusion(found, {})[-1].startswith("Next: give it more time")


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("sic_mutual", "the truer map wins, and noise rarely does"),
        ("sparseness", "does not see where the map points"),
        ("road", "too often misses where the map points"),
        ("insertion_linear", "right within one kind of map only"),
        ("pixel_flipping", "too few images to decide"),
        ("aic_webp", "it scores only 10 % of class glioma"),
        ("pointing_game", "it reads the lesion mask, which is no statement about the model"),
    ],
)
def test_reasons_in_a_few_words(found, metric, words):
    assert short_reason(found["metrics"][metric], found["thresholds"]) == words


def test_the_reason_is_noise_where_the_place_is_seen(found):
    one = {"verdict": "no", "twin_interval": [0.85, 0.95], "twin": 0.9, "random_dominance": 0.55}
    assert short_reason(one, found["thresholds"]) == "noise beats the truth in 55 % of the images"


def test_the_figure_and_the_terminal_say_what_truth_and_noise_are(found, capsys):
    from rich.console import Console

    assert any("The truth is a map of exactly" in one for one in texts(figures.calibration(found, {})))
    report.show(Console(width=120), found)
    said = capsys.readouterr().out
    for name in ("concordance", "twin", "noise beats truth"):
        assert re.search(rf"^{name}: ", said, re.MULTILINE)


GATE = {"sentence": "on 352 unseen images it changed in 340", "passed": False}


def test_a_cue_that_was_left_out_is_said_on_the_page(found, tmp_path):
    cue = {"cases": 0, "groups": 0, "left_out": {"gate": 24}, "gate": GATE}
    found["constructions"]["cue"] = cue
    run = {"command": "xaijax calibrate", "config": {}, **provenance.describe()}
    text = report.write(tmp_path / "run", found, run, []).read_text("utf-8")
    assert "The construction cue was left out: on 352 unseen images it changed in 340." in text
    assert "24 left out: the fine-tuned network did not pass the acceptance gate" in text
    assert "Not accepted: on 352 unseen images" in text


def test_believed_metrics_that_fail_on_the_cue_are_named(found):
    found["constructions"]["cue"] = {"cases": 24, "groups": 24, "left_out": {}, "gate": GATE | {"passed": True}}
    for one in found["metrics"].values():
        if one["constructions"]:
            one["constructions"]["cue"] = dict(one["constructions"]["view"])
    assert report.about_cue(found) == []
    found["metrics"]["irof"]["constructions"]["cue"] |= {"twin": 0.5, "twin_interval": [0.4, 0.6]}
    found["metrics"]["road"]["constructions"]["cue"] |= {"twin": 0.1, "twin_interval": [0.0, 0.2]}
    assert report.about_cue(found) == [
        "On the planted cue, on which no verdict rests, irof misses what believe needs: look at the table by "
        "construction."
    ]
