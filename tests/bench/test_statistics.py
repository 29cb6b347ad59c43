import csv
import io

import numpy as np
import pyarrow.compute as pc
import pytest

from xaijax import plot
from xaijax._runs import page
from xaijax.bench import columns, curves, statistics
from xaijax.bench.store import CURVES, SCORES
from xaijax.metrics import statistics as st
from xaijax.plot._statistics import p_matrix

IDS = [f"i{n}" for n in range(9)]


def tabulated(scores, behind):
    models = columns.of_table(scores)
    for name, one in models.items():
        one.curves = curves.without_points(behind.filter(pc.equal(behind["model"], name)))
    return statistics.tabulate(models)


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def found(made):
    scores = made.table(made.score_rows(IDS, "m") + made.score_rows(IDS, "n", seed=1), SCORES)
    rows = []
    for model in "mn":
        for draw in range(2):
            drawn = made.curve_rows(IDS[1:], model, seed=draw)
            rows += [(*row[:5], draw, *row[6:]) for row in drawn]
    return scores, tabulated(scores, made.table(rows, CURVES))


def values(scores, model, method, metric="sic_webp"):
    names = ("model", "method", "metric", "value")
    return np.array([v for m, k, n, v in zip(*(scores[x].to_pylist() for x in names), strict=True)
                     if (m, k, n) == (model, method, metric)])  # fmt: skip


def test_every_pair_of_methods_and_of_models_is_a_line(found):
    scores, made = found
    lines = read(statistics.pairs_csv(made))
    pairs = {(x["compared"], x["model"], x["method"], x["metric"], x["first"], x["second"]): x for x in lines}
    assert len(pairs) == len(lines)
    for model in ("m", "n", "all models"):
        inside = [key for key in pairs if key[:2] == ("methods", model)]
        assert {key[4:] for key in inside} == {
            ("gradient", "grad_cam"), ("gradient", "random"), ("grad_cam", "random"),
        }  # fmt: skip
    # Two images short of nine: the first of each model has no value.
    line = pairs["methods", "m", "", "sic_webp", "gradient", "grad_cam"]
    peer = st.compare_two(values(scores, "m", "gradient"), values(scores, "m", "grad_cam"))
    assert (int(line["n"]), int(line["missing"])) == (8, 1) == (peer.n, peer.missing)
    assert float(line["p_w"]) == pytest.approx(peer.p_w, rel=1e-5)
    assert float(line["cohens_d"]) == pytest.approx(peer.cohens_d, rel=1e-5)
    # iou is the same for all methods of an image.
    line = pairs["methods", "m", "", "iou", "gradient", "grad_cam"]
    assert line["note"] == "both have the same value on every image"
    assert line["p_t"] == line["p_w_holm"] == ""
    # Between models: the oracle too, which has a value there.
    line = pairs["models", "", "grad_cam", "sic_webp", "m", "n"]
    peer = st.compare_two(values(scores, "m", "grad_cam"), values(scores, "n", "grad_cam"))
    assert float(line["p_t_holm"]) == pytest.approx(peer.p_t, rel=1e-5)  # one pair: nothing to correct


def test_the_mean_over_models_is_one_more_model(found):
    scores, made = found
    mean = np.mean([values(scores, model, "grad_cam") for model in "mn"], axis=0)
    entry = made.models["all models"]["sic_webp"]
    row = next(row for row in entry.means if row.method == "grad_cam")
    assert row.mean == pytest.approx(np.nanmean(mean))
    assert (row.n, row.missing) == (8, 1)


def test_ranks_and_stability_are_tables(found):
    _, made = found
    ranks = read(statistics.ranks_csv(made))
    best = [x for x in ranks if (x["model"], x["metric"]) == ("m", "sic_webp")]
    assert [x["method"] for x in best] == ["random", "grad_cam", "gradient"]  # as conftest makes them, clearly apart
    assert [float(x["mean_rank"]) for x in best] == [1.0, 2.0, 3.0]
    assert float(best[0]["friedman"]) == pytest.approx(16.0)  # N (k - 1) for the same order on all of 8 images
    equal = next(x for x in ranks if x["metric"] == "iou")
    assert equal["p"] == ""
    assert equal["note"] == "all methods have the same value on every image"
    stability = read(statistics.stability_csv(made))
    assert {x["over"] for x in stability if x["metric"] == "sic_webp" and x["model"] == "m"} == {"subsets", "masks"}
    assert all(x["note"] == "fewer than three methods" for x in stability)  # without the control there are two


def test_one_image_has_no_p_value_and_the_table_says_so(made):
    made_of_one = tabulated(made.table(made.score_rows(IDS[:2])[7:], SCORES), CURVES.empty_table())
    lines = read(statistics.pairs_csv(made_of_one))
    assert [line["note"][:30] for line in lines] == ["one image has no p-value: scor"] * 2
    assert all(line["first"] == line["p_t"] == line["p_w"] == "" for line in lines)
    assert [line["note"] for line in statistics.overview(made_of_one, "m")] == [
        "fewer than two images have a value for every method"
    ] * 2


def test_the_overview_names_no_method_on_few_images(found):
    _, made = found
    line = statistics.overview(made, "m")[0]
    assert (line["metric"], line["n"], line["missing"], line["p"]) == ("sic_webp", 8, 1, "<0.001")
    assert (line["best"], line["like"]) == ([], [])
    assert line["note"] == "no method is named on fewer than 10 images"


def test_the_overview_names_the_best_and_what_is_like_it(made):
    quality = {"random": 0.9, "grad_cam": 0.5, "gradient": 0.1}
    rows = [("m", f"c{n}", m, "irof", v + 0.01 * (n % 3), "") for n in range(10) for m, v in quality.items()]
    line = statistics.overview(statistics.tabulate(columns.of_table(made.table(rows, SCORES))), "m")[0]
    assert (line["n"], line["best"]) == (10, ["random"])
    # Nemenyi: 2.34 sqrt(3 4 / (6 10)) = 1.05 ranks are a difference, so neighbours one rank apart are not told apart.
    assert line["like"] == ["grad_cam"]


@pytest.mark.parametrize("count", [3, 7, 12])
def test_figures_are_drawn_for_any_number_of_methods(count, tmp_path):
    rng = np.random.default_rng(count)
    names = [f"method_{i}" for i in range(count)]
    table = rng.normal(size=(20, count)) + np.arange(count)
    ranking, pairs = st.friedman(table, names), st.compare_pairs(table, names)
    drawn = (
        plot.critical_difference(ranking, title="a title"),
        p_matrix(pairs, ranking.methods, title="a title", higher_is_better=True),
    )
    for number, figure in enumerate(drawn):
        path = page.save_figure(figure, tmp_path / f"{number}.svg")
        assert all(name in path.read_text() for name in ("method", "a title"))
