"""Every metric of the registry can be named in a run, and one whose masks are not there is refused."""

import numpy as np
import pytest
from PIL import Image

from xaijax.bench import BenchConfig, InputError
from xaijax.bench.inputs import prepare
from xaijax.bench.part import score_part
from xaijax.bench.store import Store
from xaijax.metrics import FAMILIES, METRICS

# What neither phantoms nor a single map have.
ELSEWHERE = {name for name, metric in METRICS.items() if "artefact" in metric.roles or "variants" in metric.needs}


@pytest.fixture
def score(checkpoint):
    def run(**changes):
        options = {"model": (str(checkpoint),), "methods": ("grad_cam",), "images": 2, "part": 2, "gallery": 0}
        job = prepare(BenchConfig(**options | changes))
        return score_part(job, job.models[0], job.cases, gallery=0, progress=lambda share: None)

    return run


@pytest.mark.parametrize("family", [f for f in FAMILIES if any(m.name not in ELSEWHERE for m in FAMILIES[f].metrics)])
def test_every_metric_can_be_named(score, family, tmp_path):
    names = tuple(m.name for m in FAMILIES[family].metrics if m.name not in ELSEWHERE)
    scores, curves, gallery, predictions, responses = score(metrics=names)
    assert set(scores["metric"].to_pylist()) == set(names)
    rows = zip(scores["method"].to_pylist(), scores["metric"].to_pylist(), scores["reason"].to_pylist(), strict=True)
    # The oracle is a map without a method.
    assert all(reason != "no_explainer" for method, _, reason in rows if method != "oracle")
    assert (responses.num_rows > 0) == (family in ("perturbation", "sanity"))
    store = Store.create(tmp_path / "run", {})
    store.write_part("00-tiny-0000", scores, curves, gallery, predictions, responses)
    assert store.responses().equals(responses)


def test_artefact_masks_are_scored_where_the_data_have_them(score, tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    lines = ["file,label,mask"]
    for number, name in enumerate(("glioma", "pituitary")):
        file = f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (40, 48), np.uint8)).save(folder / "images" / file)
        mask = np.zeros((40, 48), np.uint8)
        mask[4:20, 4:20] = 255
        Image.fromarray(mask).save(folder / "masks" / file)
        lines.append(f"images/{file},{name},masks/{file}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    data = {"data": str(folder), "mask_role": "artefact", "split": "all"}
    scores, *_ = score(metrics=("artefact_mass", "artefact_top15"), **data)
    assert scores.num_rows == 4
    assert set(scores["method"].to_pylist()) == {"grad_cam"}
    assert all(0 <= value <= 1 for value in scores["value"].to_pylist())
    with pytest.raises(InputError, match="metric artefact_mass_against_lesion"):
        score(metrics=("artefact_mass_against_lesion",), **data)
    with pytest.raises(InputError, match="metric iou cannot be computed"):
        score(metrics=("iou",), **data)


def test_phantoms_have_no_artefacts(score):
    with pytest.raises(InputError, match="artefact_mass needs artefact masks; the data have lesion: leave it out"):
        score(metrics=("artefact_mass", "iou"))
