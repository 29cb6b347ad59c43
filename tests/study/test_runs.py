"""Whole studies on generated images: interrupted and resumed, trainings shared, failures said, and the tiny forms."""

import csv
import io
import json
import re

import pytest
import yaml
from rich.console import Console

from xaijax import cli, study, train
from xaijax.study import StudyConfig
from xaijax.study.reading import read

FILE = {
    "study": "mine",
    "title": "Two small networks",
    "data": {"heads": {"data": "phantoms:brain_mri", "count": 24}},
    "models": {"short": {"model": "small_cnn"}, "long": {"model": "small_cnn", "epochs": 2}},
    "training": {"size": 32, "epochs": 1, "batch_size": 8, "validation": 0.25, "test": 0.25},
    "embeddings": True,
    "choose": {"best": 1, "by": "accuracy"},
    "chapters": {
        "hiding": {
            "question": "Which map hides what the network needs?",
            "per_class": ["deletion_black"],
            "options": {
                "methods": ["gradient", "attention_rollout", "random"],
                "metrics": ["deletion_black", "artefact_mass", "agreement_ssim"],
                "set": ["perturbation.steps=3"],
                "count": 4,
                "gallery": 1,
                "calibration": ["none"],
            },
        }
    },
    "published": [
        {
            "chapter": "classifiers", "title": "Accuracy", "source": "nobody", "metrics": ["accuracy"],
            "rows": {"short": [0.5], "vgg16": [0.9]},
        },
        {
            "chapter": "hiding", "title": "Deletion", "source": "nobody", "metrics": ["deletion_black"],
            "rows": {"gradient": [0.25]},
        },
    ],
}  # fmt: skip


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def quiet():
    return Console(file=io.StringIO(), width=200)


def test_a_study_is_interrupted_resumed_and_shares_its_trainings(tmp_path, monkeypatch):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(FILE, sort_keys=False))
    trained = []
    original = train.run

    def interrupting(config, **options):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(config.out.name)
        return original(config, **options)

    monkeypatch.setattr(train, "run", interrupting)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        study.run(StudyConfig(study=str(file), out=out), console=quiet())
    monkeypatch.setattr(
        train, "run", lambda config, **options: trained.append(config.out.name) or original(config, **options)
    )
    assert cli.main(["study", str(file), "--out", str(out)]) == 2  # --resume is missing
    console = quiet()
    done = study.run(StudyConfig(study=str(file), out=out, resume=True), console=console)
    assert trained == ["heads-short", "heads-long"]  # the first was not trained again
    assert all(done.cells.values())
    assert set(done.cells) == {"heads-short", "heads-long", "evaluation-heads", "hiding-heads"}

    # The rule: the better of the two on their validation images.
    scores = {}
    for name in ("short", "long"):
        (folder,) = (tmp_path / "trainings").glob(f"*/heads-{name}")
        scores[name] = json.loads((folder / "metrics.json").read_text())["accuracy"]
    best = max(scores, key=lambda name: scores[name])
    assert done.chosen == {"heads": (best,)}
    run = json.loads((out / "cells" / "hiding-heads" / "run.json").read_text())
    assert [best in model["path"] for model in run["models"]] == [True]
    assert run["methods"] == ["gradient", "random", "oracle"]
    assert run["metrics"] == ["deletion_black"]

    page = (out / "report.html").read_text("utf-8")
    assert "Two small networks" in page
    assert "attention_rollout is left out" in page
    assert "heads has no artefact masks: not scored are artefact_mass" in page
    assert "one model has no others to agree with: not scored are agreement_ssim" in page
    assert "Deletion, next to ours" in page
    assert "rest on fewer than 10 images: no conclusion" in page  # four images tell nothing
    assert "▲</td>" not in page
    assert (out / "figures" / f"embedding-heads-{best}.png").stat().st_size > 5000
    for link in re.findall(r'href="([^"#]+)"', page):
        assert (out / link).is_file(), link
    tables = {path.stem: rows(path) for path in (out / "tables").glob("*.csv")}
    ours = {row["method"]: row for row in tables["hiding-heads"]}
    summary = rows(out / "cells" / "hiding-heads" / "summary.csv")
    expected = {row["method"]: row["mean"] for row in summary}
    assert {name: row["deletion_black"] for name, row in ours.items()} == expected
    by_class = [row for row in tables["hiding-heads-per-class"] if row["method"] == "gradient"]
    total = sum(float(row["mean"]) * int(row["images"]) for row in by_class)
    assert total / sum(int(row["images"]) for row in by_class) == pytest.approx(float(expected["gradient"]), abs=1e-5)
    published = {row["name"]: row for row in tables["published-1-heads"]}
    assert published["short"]["accuracy published"] == "0.5"
    assert published["short"]["accuracy here"]
    assert published["vgg16"]["accuracy here"] == ""  # not part of this study

    # Nothing is done twice, and another study takes the trainings.
    before = len(trained)
    assert cli.main(["study", str(file), "--out", str(out), "--resume"]) == 0
    other = FILE | {"study": "other", "models": {"short": FILE["models"]["short"]}, "choose": {"best": 1}}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other, sort_keys=False))
    made = study.run(StudyConfig(study=str(tmp_path / "other.yaml"), out=tmp_path / "second"), console=quiet())
    assert len(trained) == before
    assert made.chosen == {"heads": ("short",)}

    # Another study in the same folder is refused.
    file.write_text(yaml.safe_dump(FILE | {"training": FILE["training"] | {"epochs": 3}}, sort_keys=False))
    with pytest.raises(Exception, match="was started with other options"):
        study.run(StudyConfig(study=str(file), out=out, resume=True), console=quiet())


def test_a_cell_that_fails_is_said_and_the_others_are_done(tmp_path, capsys):
    table = FILE | {"models": {"short": FILE["models"]["short"], "wild": {"model": "small_cnn", "learning_rate": 1e30}}}
    table = {key: value for key, value in table.items() if key != "chapters"} | {
        "chapters": {"hiding": FILE["chapters"]["hiding"] | {"models": ["short"]}},
        "published": [],
    }
    file = tmp_path / "wild.yaml"
    file.write_text(yaml.safe_dump(table, sort_keys=False))
    out = tmp_path / "out"
    assert cli.main(["study", str(file), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "1 of 4 cells of the study could not be done; the first is heads-wild: the loss is not a number" in said
    assert (out / "cells" / "hiding-heads" / "report.html").is_file()
    assert "heads-wild could not be done" in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["pic-medical", "cam-reliability", "cam-confidence", "cascam"])
def test_the_tiny_form_of_a_shipped_study_runs(name, tmp_path):
    """Two architectures are trained, and every chapter has numbers."""
    out = tmp_path / "out"
    done = study.run(StudyConfig(study=name, tiny=True, out=out), console=quiet())
    assert all(done.cells.values())
    page = (out / "report.html").read_text("utf-8")
    assert "This is the tiny form" in page
    assert page.count("next to ours") >= 1
    made = read(name, tiny=True)
    assert len(made.models) == 2
    tables = {path.stem: rows(path) for path in (out / "tables").glob("*.csv")}
    for chapter, one in made.chapters.items():
        for data in one.data:
            found = [row for stem, table in tables.items() if stem.startswith(f"{chapter}-{data}") for row in table]
            values = [value for row in found for key, value in row.items() if key not in ("model", "method", "class")]
            assert any(value not in ("", "nan", "0") for value in values), (chapter, data)
    if name == "cam-reliability":
        # The attention family next to Grad-CAM, on the transformer; localization without masks.
        assert {row["method"] for row in tables["transformer-lung"]} > {
            "attention_rollout",
            "generic_attention",
            "grad_cam",
        }
        games = [row["grid_pointing_game"] for row in tables["localization-lung"]]
        assert any(0 <= float(value) <= 1 for value in games if value)
