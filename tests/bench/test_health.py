import re

from xaijax.bench.health import falling_share, statements, usage
from xaijax.bench.store import CURVES, SCORES
from xaijax.bench.summary import summarise

IDS = [f"i{n:02d}" for n in range(12)]
BETTER = {"sic_webp": True, "iou": True}
SENTENCES = {"information_not_larger": "the original holds no more information"}


def said(scores, curves=None, **options):
    curves = CURVES.empty_table() if curves is None else curves
    return statements(scores, curves, summarise(scores), better=BETTER, sentences=SENTENCES, **options)


def swapped(rows, first, second):
    names = {first: second, second: first}
    return [(m, i, names.get(method, method), *rest) for m, i, method, *rest in rows]


def test_usage_counts_images_not_scores(made):
    found = {entry.metric: entry for entry in usage(made.table(made.score_rows(IDS), SCORES))}
    assert found["sic_webp"].scored == 11
    assert found["sic_webp"].reasons == {"information_not_larger": 1}
    assert found["iou"].scored == 12


def test_skipped_images_are_named_with_their_reason(made):
    texts = [s.text for s in said(made.table(made.score_rows(IDS), SCORES), skipped=[("broken.png", "truncated")])]
    assert any("1 image could not be read" in text and "broken.png: truncated" in text for text in texts)
    assert any("1 because the original holds no more information" in text for text in texts)


def test_falling_information_is_counted_once_for_both_curves(made):
    rows = made.curve_rows(IDS[:3], falls=True) + made.curve_rows(IDS[3:6])
    both = rows + [(m, i, method, "aic", *rest) for m, i, method, _, *rest in rows]
    share = falling_share(made.table(both, CURVES))
    assert share == {("m", "webp"): (3 * len(made.METHODS), 6 * len(made.METHODS))}
    texts = [s.text for s in said(made.table(made.score_rows(IDS), SCORES), made.table(both, CURVES))]
    assert any("50 % of the webp curves" in text for text in texts)


def test_a_fall_below_the_original_or_the_blurred_image_counts(made):
    row = made.curve_rows(["x"])[0]
    above = (*row[:8], [0.2, 0.9, 1.2, 1.3, 1.4], row[9])
    below = (*row[:8], [-0.1, 0.2, 0.3, 0.4, 0.5], row[9])
    assert falling_share(made.table([above], CURVES)) == {("m", "webp"): (1, 1)}
    assert falling_share(made.table([below], CURVES)) == {("m", "webp"): (1, 1)}


def test_random_beating_the_oracle_is_said_with_its_size(made):
    quiet = said(made.table(made.score_rows(IDS), SCORES))
    assert not any("oracle" in s.text for s in quiet)
    loud = [
        s for s in said(made.table(swapped(made.score_rows(IDS), "random", "oracle"), SCORES)) if "oracle" in s.text
    ]
    assert len(loud) == 1
    assert loud[0].warns
    assert re.search(r"sic_webp by 0\.(19|20|21)\d \(95 % interval 0\.1\d+ to 0\.2\d+\)", loud[0].text)


def test_methods_below_random_and_methods_that_cannot_be_told_from_it(made):
    texts = {s.text: s.warns for s in said(made.table(made.score_rows(IDS), SCORES))}
    worse = [text for text in texts if "worse than the random control" in text]
    assert [text.split()[0] for text in worse] == ["gradient", "grad_cam"]
    assert all(texts[text] and "sic_webp" in text and "iou" not in text for text in worse)
    assert any(text.startswith("Not to be told") and "gradient in iou" in text for text in texts)


def test_few_images_are_a_warning(made):
    assert any("only 2 images" in s.text and s.warns for s in said(made.table(made.score_rows(IDS[:3]), SCORES)))


def test_marking_an_artefact_is_not_called_worse(made):
    scores = made.table(made.score_rows(IDS), SCORES)
    texts = [s.text for s in said(scores, artefacts={"sic_webp"})]
    assert not any("worse than" in text for text in texts)
    marks = [text for text in texts if "marks the artefact more than the random control in sic_webp" in text]
    assert [text.split()[0] for text in marks] == ["gradient", "grad_cam"]
