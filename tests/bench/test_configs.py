"""Option files that come with bench: options that the user's own override, whole runs on tiny phantoms and models."""

import csv
import dataclasses
import shlex
import shutil

import numpy as np
import pytest

from xaijax import cli
from xaijax._errors import InputError
from xaijax._runs import command_line
from xaijax._runs.metrics import expand_metrics
from xaijax.bench import BenchConfig, run
from xaijax.bench import config as configuration
from xaijax.bench.plan import prepare
from xaijax.bench.store import Store

STUDIES = ("cam-confidence", "cam-reliability", "pic-medical")


def shipped(name, **changed):
    """The configuration of a file that comes with bench, with some options changed."""
    return dataclasses.replace(cli.parse("bench", ["--config", name]), **changed)


def test_the_files_are_named_as_the_studies():
    from xaijax.study.reading import shipped as studies

    assert tuple(command_line.shipped(BenchConfig)) == STUDIES
    assert set(STUDIES) <= set(studies())


@pytest.mark.parametrize("name", STUDIES)
def test_a_file_names_what_there_is(name):
    from xaijax.explain import METHODS
    from xaijax.metrics import METRICS
    from xaijax.models import list_models

    config = shipped(name)
    configuration.check(config)
    assert set(config.methods) <= set(METHODS)
    assert set(expand_metrics(config.metrics)) <= set(METRICS)
    assert set(config.model) <= set(list_models())


def test_the_studies_are_those_of_the_literature():
    pic, confidence, reliability = (shipped(name) for name in ("pic-medical", "cam-confidence", "cam-reliability"))
    assert len([method for method in pic.methods if method != "random"]) == 8
    assert "random" in pic.methods
    assert pic.metrics == ("aic", "sic")
    assert confidence.methods == ("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "eigen_grad_cam")
    assert confidence.model == ("resnet50", "densenet121", "vgg16", "efficientnet_b0")
    assert "confidence_increase" in confidence.metrics
    assert len(reliability.model) == 5
    assert "vit_b16" in reliability.model


def test_the_users_options_come_first(tmp_path):
    config = cli.parse("bench", ["--config", "cam-confidence", "--count", "32", "--model", "builtin"])
    # 32 is the plain default: given is given
    assert config == shipped("cam-confidence", count=32, model=("builtin",))
    # A copy of a file is one's own.
    file = tmp_path / "mine.yaml"
    file.write_text(command_line.shipped(BenchConfig)["pic-medical"].read_text().replace("count: 100", "count: 7"))
    config = cli.parse("bench", ["--config", str(file), "--metrics", "sic"])
    assert (config.count, config.metrics) == (7, ("sic",))
    assert config.methods == shipped("pic-medical").methods


@pytest.mark.parametrize("name", STUDIES)
def test_the_command_repeats_the_configuration(name):
    for config in (shipped(name), shipped(name, count=32, methods=("random",), seed=4)):
        words = shlex.split(config.command())[2:]
        assert cli.parse("bench", words) == dataclasses.replace(config, config=None)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("bench", "--config is 'pic-medcal'; give a file .* with the command: did you mean pic-medical"),
        ("train", "--config is 'pic-medcal'; give a file .* with the command: choose from fine-tune, quick"),
        ("explain", "the configuration file pic-medcal does not exist"),  # no file comes with it
    ],
)
def test_a_name_that_there_is_not_is_refused(command, words):
    with pytest.raises(InputError, match=words):
        cli.parse(command, ["--config", "pic-medcal"])


def test_untrained_models_are_refused_and_the_sentence_says_how_to_train_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        prepare(shipped("cam-confidence", data="my brains"))
    text = str(caught.value)
    assert "xaijax train --data 'my brains' --model resnet50 --out runs/resnet50" in text
    assert "likewise densenet121, vgg16, efficientnet_b0" in text
    assert text.endswith("--model runs/resnet50 runs/densenet121 runs/vgg16 runs/efficientnet_b0")
    assert "\n" not in text
    with pytest.raises(
        InputError, match="the model vgg16 must be trained first: run `xaijax train --data phantoms --model vgg16"
    ):
        prepare(BenchConfig(model=("vgg16",)))


# --------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two tiny untrained networks of other seeds."""
    from xaijax import models

    folder = tmp_path_factory.mktemp("pair")
    for key, name in enumerate(("one", "two")):
        classes = ("glioma", "meningioma", "pituitary")
        models.save(models.create("small_cnn", input_shape=(32, 32, 1), classes=classes, key=key), folder / name)
    return str(folder / "one"), str(folder / "two")


def read(store, name):
    return list(csv.DictReader((store.root / name).read_text().splitlines()))


def study(name, models, tmp_path, **options):
    tiny = {"count": 4, "part": 2, "gallery": 1, "batch_size": 32, "model": models, "out": tmp_path / "run"}
    tiny["calibration"] = ("none",)
    return Store(run(shipped(name, **{**tiny, **options})))


def test_study_confidence_runs(pair, tmp_path):
    store = study("cam-confidence", pair, tmp_path)
    scores = store.scores()
    assert set(scores["model"].to_pylist()) == {"one", "two"}
    assert set(scores["method"].to_pylist()) - {"oracle"} == set(shipped("cam-confidence").methods)
    lines = read(store, "statistics.csv")
    inside = [x for x in lines if (x["model"], x["metric"]) == ("one", "confidence_gain")]
    assert len(inside) == 10  # five methods
    assert {x["model"] for x in lines if x["compared"] == "methods"} == {"one", "two", "all models"}
    assert {(x["first"], x["second"]) for x in lines if x["compared"] == "models"} == {("one", "two")}
    text = (store.root / "report.html").read_text("utf-8")
    assert "Models side by side" in text
    assert (store.root / "figures" / "models-mean-confidence_gain.svg").exists()


@pytest.mark.slow
def test_study_reliability_compares_the_models(pair, tmp_path):
    store = study("cam-reliability", pair, tmp_path)
    table = store.scores().to_pydict()
    rows = list(zip(table["model"], table["image"], table["method"], table["metric"], table["value"], strict=True))
    values = {row[:4]: row[4] for row in rows}
    assert {row[3] for row in rows} >= {"iou", "insertion_blur", "agreement_spearman"}
    # Two models: each agrees with the other as much as the other with it.
    for model, image, method, metric, value in rows:
        if metric.startswith("agreement") and model == "one":
            np.testing.assert_allclose(value, values["two", image, method, metric], atol=1e-12)
    gradient = [row[4] for row in rows if (row[2], row[3]) == ("gradient", "agreement_spearman")]
    assert max(gradient) < 0.9
    assert not (store.root / "maps").exists()  # dropped with the last part


def test_the_random_control_is_a_floor_of_agreement_and_no_ceiling(pair, tmp_path):
    """Each model has random maps of its own: the same ones would agree perfectly."""
    some = {"metrics": ("agreement_spearman",), "methods": ("gradient", "random"), "gallery": 0}
    table = study("cam-reliability", pair, tmp_path, **some).scores().to_pydict()
    rows = list(zip(table["method"], table["value"], strict=True))
    random = [value for method, value in rows if method == "random"]
    assert len(random) == 8  # two models, four images
    # Independent maps of 32 by 32 pixels: the standard deviation is 1 / sqrt(1023).
    assert np.abs(random).max() < 5 / np.sqrt(1023)
    assert np.mean([value for method, value in rows if method == "gradient"]) > np.mean(random)


def test_agreement_does_not_depend_on_how_a_run_was_cut(pair, tmp_path, monkeypatch):
    small = {"metrics": ("agreement_pearson",), "methods": ("grad_cam", "gradient"), "gallery": 0}
    whole = study("cam-reliability", pair, tmp_path, **small)
    written = []
    original = Store.write_part

    def interrupted(self, part, *tables):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(part)
        original(self, part, *tables)

    monkeypatch.setattr(Store, "write_part", interrupted)
    out = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        study("cam-reliability", pair, tmp_path, **small, out=out)
    monkeypatch.undo()
    assert (out / "maps").is_dir()
    shutil.rmtree(out / "maps")  # made again where they are not there
    again = study("cam-reliability", pair, tmp_path, **small, out=out, resume=True)
    assert repr(again.scores().to_pydict()) == repr(whole.scores().to_pydict())


def test_agreement_of_one_model_is_refused(pair):
    config = dataclasses.replace(shipped("cam-reliability", count=4), model=pair[:1])
    with pytest.raises(InputError, match="agreement_spearman compares the maps of several models: give two or more"):
        prepare(config)


@pytest.mark.slow
def test_study_pic_runs(pair, tmp_path):
    store = study("pic-medical", pair[:1], tmp_path, count=2)
    scores = store.scores()
    assert set(scores["method"].to_pylist()) - {"oracle"} == set(shipped("pic-medical").methods)
    metrics = {f"{kind}_{entropy}" for kind in ("aic", "sic") for entropy in ("shannon", "webp", "mutual")}
    assert set(scores["metric"].to_pylist()) == metrics
    assert read(store, "statistics.csv")
