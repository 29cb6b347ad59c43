"""The page of metrics is the registry's, its example runs, and so do the docstrings'."""

import re
from pathlib import Path

import pytest

from xaijax import metrics
from xaijax._errors import InputError
from xaijax.metrics import FAMILIES, METRICS, REASONS, _table

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_tables_of_the_page_are_up_to_date():
    text = PAGE.read_text("utf-8")
    assert _table.insert(text) == text, "run: python -m xaijax.metrics._table docs/metrics.md"


def test_every_metric_and_reason_has_its_row():
    text = PAGE.read_text("utf-8")
    for name, metric in METRICS.items():
        assert text.count(f"| `{name}` |") == 1
        assert metric.parity, f"{name} does not say what it is validated against"
        assert metric.unit
    for code in REASONS:
        assert not code or text.count(f"| `{code}` |") == 1
    assert sum(len(family.metrics) for family in FAMILIES.values()) == len(METRICS)


def test_every_setting_has_its_row_and_its_words():
    import dataclasses

    text = PAGE.read_text("utf-8")
    for family in FAMILIES.values():
        for item in dataclasses.fields(family.settings):
            assert len(re.findall(rf"\| `{family.name}\.{item.name}` \| .+ \| .+ \| \S.+ \|", text)) == 1


def test_metrics_are_described_as_data():
    found = metrics.describe()
    assert [one.name for one in found] == list(METRICS)
    for one in found:
        metric, family = METRICS[one.name], FAMILIES[one.family]
        assert one.title == metric.title
        assert one.family_title == family.title
        assert one.better == ("higher" if metric.higher_is_better else "lower")
        assert one.roles == metric.roles
        assert len(one.needs) == len(metric.roles) + len(metric.needs - {"mask"})
        assert [setting.name for setting in one.settings] == list(family.kinds)
        assert all(setting.allowed and setting.summary for setting in one.settings)
    (iou,) = metrics.describe("IoU")
    assert (iou.name, iou.title, iou.range, iou.unit, iou.needs) == ("iou", "IoU", "0 to 1", "share", ("lesion mask",))
    assert [one.name for one in metrics.describe("Sanity")] == [m.name for m in FAMILIES["sanity"].metrics]
    meant = "pointing_game or grid_pointing_game"
    with pytest.raises(InputError, match=rf"^unknown metric 'pointng game': did you mean {meant}\?$"):
        metrics.describe("pointng game")


def test_titles_are_those_of_the_reports():
    assert METRICS["sic_webp"].title == "SIC (webp)"
    assert METRICS["top15_energy"].title == "top-15 % energy"
    assert METRICS["deletion_noisy_linear"].title == "deletion noisy linear"
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)


def test_every_metric_with_curves_has_axes():
    with_curves = [name for name, metric in METRICS.items() if metric.axes is not None]
    families = {METRICS[name].family for name in with_curves}
    assert families == {"pic", "perturbation", "faithfulness", "sanity"}
    for family in ("pic", "perturbation"):
        assert {metric.name for metric in FAMILIES[family].metrics} <= set(with_curves)
    for name in with_curves:
        axes = METRICS[name].axes
        assert axes.title
        assert axes.x
        assert axes.y
        assert (axes.kind == "information") == (METRICS[name].family == "pic")
    assert METRICS["aic_shannon"].axes.title == "AIC, Shannon entropy"
    assert METRICS["sic_mutual"].axes.x == "information: mutual information with the original"


def test_the_example_of_the_page_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    for code in blocks:
        exec(code, names)
    assert len(blocks) > 1
    assert names["values"].shape == (4, 2)
    assert (names["scores"].reason == "").mean() > 0.5
    assert (names["stable"].reason == "").mean() > 0.5
    assert "flip_spearman" in capsys.readouterr().out


def test_the_axes_of_metrics_of_regions_name_their_regions():
    assert METRICS["irof"].axes.x == "share of the pixels hidden, segments of the largest means first"
    assert METRICS["region_perturbation"].axes.x == "share of the pixels hidden, squares of the largest means first"
    assert METRICS["insertion_blur"].axes.x == "share of the pixels shown, largest first"


def test_a_page_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="has no lines"):
        _table.insert("# Metrics\n")
