"""`xaijax clusters`: known groups are found, a killed run resumes to the same bytes, and what is wrong is refused."""

import csv
import html
import json
import re

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import adjusted_rand_score

from xaijax import bundle, cli, data
from xaijax._errors import InputError
from xaijax.clusters import ClustersConfig, plan, run

TABLES = ("clusters.csv", "enrichment.csv", "clusters.json")


def config(folder, maps, out, **more):
    return ClustersConfig(data=str(folder), maps=(maps,), methods=("cam",), out=out, **more)


def rows(out, name="clusters.csv"):
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(folder, maps, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "clusters"
    return run(config(folder, maps, out, prototypes=3), quiet=True)


def test_known_groups_are_found_and_the_site_is_named(finished, capsys):
    found = rows(finished.out)
    assert adjusted_rand_score([row["truth"] for row in found], [row["cluster"] for row in found]) == 1.0
    assert finished.found["number"] == {"clusters": 3, "chosen_by": "eigengap", "eigengap": 3, "clear": True}
    mine = next(row["cluster"] for row in found if row["truth"] == "g0")
    by = {str(one["cluster"]): one for one in finished.found["clusters"]}
    assert {row["truth"]: by[row["cluster"]]["place"] for row in found} == {
        "g0": "top left",
        "g1": "middle",
        "g2": "bottom left",
    }
    tests = rows(finished.out, "enrichment.csv")
    site = next(row for row in tests if row["column"] == "site" and row["value"] == "A" and row["cluster"] == mine)
    assert (site["share"], site["other_share"]) == ("1", "0")
    assert float(site["q"]) < 0.001
    # The column that repeats the groups is tied to all of them, the class to none.
    assert not [row for row in tests if row["column"] == "class" and float(row["q"]) < 0.05]
    assert all(one["points_at"] == "column" for one in finished.found["clusters"])
    assert finished.found["conclusion"] == finished.found["findings"][0]["sentence"]


def test_what_is_left_out_is_counted(finished):
    assert len(rows(finished.out)) == 46  # one image has no map, and the map of one has no positive evidence
    assert finished.found["without_evidence"] == ["000.png"]
    left = finished.found["tests"]["left_out"]
    assert left["device"] == "one value for all images"
    assert left["age"] == "no value of 5 images or more"
    notes = json.loads((finished.out / "run.json").read_text())["notes"]
    assert "1 of the 48 images have no map in the bundle maps: left out." in notes


def test_the_page_states_its_conclusion_first_and_stands_alone(finished):
    text = (finished.out / "report.html").read_text("utf-8")
    body = text[text.index("<body>") :]
    heading = re.search(r"<h1>(.*?)</h1>", body).group(1)
    assert html.unescape(heading) == finished.found["conclusion"]
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert body.count("data:image/webp") == 3 * (1 + 2 * 3)  # a mean, and the prototypes with their maps
    assert "1 images are in no cluster" in body
    with Image.open(finished.out / "figures/prototypes.png") as image:
        assert image.size[0] > 3 * 32


def test_a_finished_run_can_be_verified_and_damage_is_found(finished, folder, maps, capsys):
    assert cli.main(["verify", str(finished.out)]) == 0
    path = next((finished.out / "maps").glob("*.npz"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    try:
        assert cli.main(["verify", str(finished.out)]) != 0
        before = {name: (finished.out / name).read_bytes() for name in TABLES}
        run(config(folder, maps, finished.out, resume=True, prototypes=3), quiet=True)  # computed again
        assert cli.main(["verify", str(finished.out)]) == 0
        assert {name: (finished.out / name).read_bytes() for name in TABLES} == before
    finally:
        path.write_bytes(whole)


def test_a_killed_run_resumes_to_the_same_bytes(finished, folder, maps, tmp_path, monkeypatch):
    calls = []
    make = plan.maps_of

    def killed(work, batch):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(batch.ids)
        return make(work, batch)

    monkeypatch.setattr(plan, "maps_of", killed)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(config(folder, maps, out, prototypes=3), quiet=True)
    assert not (out / "clusters.csv").exists()
    calls.clear()
    monkeypatch.setattr(plan, "maps_of", lambda work, batch: calls.append(batch.ids) or make(work, batch))
    run(config(folder, maps, out, prototypes=3, resume=True), quiet=True)
    assert len(calls) == 2  # of three parts the first was finished
    for name in TABLES:
        assert (out / name).read_bytes() == (finished.out / name).read_bytes()
    assert cli.main(["verify", str(out)]) == 0


def test_another_number_of_clusters_needs_no_new_maps(folder, maps, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run(config(folder, maps, out), quiet=True)
    monkeypatch.setattr(plan, "maps_of", None)  # a call would fail
    again = run(config(folder, maps, out, resume=True, clusters=4, embedding="spectral"), quiet=True)
    assert again.found["number"] == {"clusters": 4, "chosen_by": "option", "eigengap": 3, "clear": True}
    described = json.loads((out / "run.json").read_text())
    assert described["config"]["clusters"] == 4
    assert "--clusters 4" in described["command"]
    assert "The eigengap would give 3 clusters." in (out / "report.html").read_text("utf-8")


def test_maps_that_follow_a_planted_cue_are_named_by_it(tmp_path):
    """Maps of phantoms that lie on the marker where there is one, else on the lesion."""
    options = {"data": "phantoms", "cues": ("marker:glioma",), "count": 90, "out": tmp_path / "out"}
    from xaijax._runs.data import SCORED_PHANTOMS

    dataset = data.open_dataset("phantoms", count=90, seed=SCORED_PHANTOMS, cues=("marker:glioma",))
    batch = dataset.read(shape=(64, 64, 1))
    cue, lesion = batch.roles["artefact"], batch.roles["lesion"]
    assert 25 <= batch.has_role["artefact"].sum() <= 35
    heat = np.where(batch.has_role["artefact"][:, None, None], cue, lesion).astype(np.float32)
    heat = gaussian_filter(heat, (0, 3, 3))
    classes = list(dataset.classes)
    targets = [classes[label] for label in batch.labels]
    path = bundle.write(tmp_path / "maps", images=batch.ids, maps={"CAM": heat}, targets=targets, classes=classes)
    found = run(ClustersConfig(maps=(path,), **options), quiet=True).found
    assert re.search(
        r"^Cluster \d \(\d+ % of the images\) lies where the marker is: 100 % of its images carry it, \d+ % of the "
        r"others \(q [<=] 0\.0\d+\)\.$",
        found["conclusion"],
    )
    on = [one for one in found["clusters"] if one["points_at"] == "cue"]
    assert sum(one["images"] for one in on) >= 0.7 * batch.has_role["artefact"].sum()
    assert all(one["artefact_evidence"] > 0.5 for one in on)
    assert not any("predicted class" in test["column"] for test in rows(tmp_path / "out", "enrichment.csv"))


def test_a_model_is_explained(tmp_path, capsys):
    arguments = "clusters --count 12 --methods sobel --target label --prototypes 1 --embedding spectral --clusters 2"
    assert cli.main([*arguments.split(), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "maps of sobel on builtin, 12 images" in said.err
    assert "report:" in said.out
    found = rows(tmp_path / "out")
    assert all(row["explained"] == row["class"] for row in found)
    assert {row["prediction"] for row in found} <= {"right", "wrong"}
    assert {row["cluster"] for row in found} == {"1", "2"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"methods": ("cam", "other")}, "--methods takes one method whose maps are clustered; got 2"),
        ({"methods": ()}, "has maps of CAM, other: name the one to cluster with --methods"),
        ({"methods": ("rise",)}, "unknown method 'rise'"),
        ({"model": ("builtin",)}, "--maps brings maps that are made already: leave --model out"),
        ({"count": 10}, "10 images of .* are left; clusters need at least 12"),
        ({"clusters": 30}, "--clusters is 30; it must be at most half of the 47 images"),
        ({"split": "test"}, "--split is test, and the data .* have no split of their own"),
        ({"resume": True}, "holds no clusters to resume"),
        ({"grid": 1}, "--grid is 1"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence_and_leaves_nothing(folder, maps, tmp_path, more, sentence):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=sentence):
        run(ClustersConfig(**{"data": str(folder), "maps": (maps,), "methods": ("cam",), "out": out} | more))
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"model": ("a", "b")}, "--model takes one model"),
        ({"methods": ("attention_rollout",)}, "model builtin: "),
        ({"target": "fracture"}, "--target is 'fracture', which is not a class of model builtin"),
    ],
)
def test_models_and_methods_that_do_not_fit_are_refused(tmp_path, more, sentence):
    with pytest.raises(InputError, match=sentence):
        run(ClustersConfig(count=12, out=tmp_path / "out", **more))
    assert not (tmp_path / "out").exists()


def test_a_run_with_other_options_is_not_resumed(finished, folder, maps):
    with pytest.raises(InputError, match="started with other options: --methods"):
        run(ClustersConfig(data=str(folder), maps=(maps,), methods=("other",), out=finished.out, resume=True))
