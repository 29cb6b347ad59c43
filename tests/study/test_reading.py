"""Study files are checked at the door, and the shipped ones hold what their publications have."""

import json

import pytest
import yaml

from xaijax import cli
from xaijax._errors import InputError
from xaijax.study.reading import read, shipped

SMALL = {
    "study": "mine",
    "data": {"heads": {"data": "phantoms:brain_mri", "count": 12}},
    "models": ["small_cnn"],
    "training": {"size": 32, "epochs": 1},
    "chapters": {"one": {"question": "Which?", "options": {"methods": ["Grad-CAM"], "metrics": ["deletion_black"]}}},
}


@pytest.fixture
def write(tmp_path):
    """`write(table)`: the path of a study file."""

    def made(table, name="mine.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(table, sort_keys=False))
        return str(tmp_path / name)

    return made


def test_the_shipped_studies_have_the_contents_of_their_publications():
    assert set(shipped()) == {"pic-medical", "cam-reliability", "cam-confidence", "cascam"}
    pic = read("pic-medical")
    assert list(pic.models) == [
        "vgg16", "vgg19", "resnet50", "resnet50v2", "xception", "inception_v3", "inception_resnet_v2", "densenet121",
        "efficientnet_b0",
    ]  # fmt: skip
    assert (pic.training["size"], pic.training["optimizer"], pic.choose.best) == (225, "sgd", 3)
    recipe = {"standardize": "all", "head": "flatten", "dropout": 0.5, "momentum": 0.939, "nesterov": False}
    assert {name: pic.training[name] for name in recipe} == recipe
    assert (pic.training["validation"], pic.training["test"]) == (0.1, 0.1)
    medical = pic.chapters["medical"].options
    assert len(medical["methods"]) == 14
    assert "random" in medical["methods"]
    assert set(medical["metrics"]) == {f"{kind}_{by}" for kind in ("aic", "sic") for by in ("shannon", "webp", "mean")}
    assert "pic.convention=medical" in medical["set"]
    assert pic.chapters["calibrated"].options["calibration"] == ["auto"]
    lung = read("cam-reliability")
    assert list(lung.models) == ["resnet50", "resnet101", "densenet161", "efficientnet_b0", "vit_b16"]
    assert set(lung.chapters["transformer"].options["methods"]) >= {
        "attention_rollout",
        "generic_attention",
        "grad_cam",
    }
    assert lung.chapters["transformer"].models == ("vit_b16",)
    # Every model has random maps of its own.
    assert "random" in lung.chapters["between"].options["methods"]
    assert "grid_pointing_game" in lung.chapters["localization"].options["metrics"]  # there are no masks
    confidence = read("cam-confidence")
    assert len(confidence.data) == 3
    assert confidence.chapters["confidence"].per_class == ("confidence_gain",)
    assert len(confidence.seeds) > 1
    cascam = read("cascam")
    pets = cascam.chapters["pets"].options
    assert (pets["rounds"], pets["theta"], pets["threshold"], pets["decay"]) == (10, 0.3, "top_k:10", 0.1)
    assert sum(name.startswith("of-") for name in cascam.chapters) == 9  # and pets itself: cascades of ten methods
    published = {one.title: one for one in pic.published}
    brain = published["Area under the aggregated curve, InceptionResNetV2 on brain MRI"]
    assert brain.rows["score_cam"] == (0.084, 0.706, 0.579, 0.768)
    assert cascam.published[0].rows["fullgrad"] == (0.4940, 0.2350, 0.5961, 0.5142)


@pytest.mark.parametrize("name", ["pic-medical", "cam-reliability", "cam-confidence", "cascam"])
def test_every_tiny_form_is_small_and_needs_no_files(name):
    study = read(name, tiny=True)
    assert all(str(one.options["data"]).startswith("phantoms:") for one in study.data.values())
    assert len(study.models) == 2
    assert set(study.models) <= {"small_cnn", "small_resnet", "small_vit"}
    assert study.training["epochs"] <= 20
    assert study.chapters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modles": []}, r"the study mine.yaml has an unknown key 'modles': did you mean models"),
        ({"data": None}, "has no data; it needs study, data, models and chapters"),
        ({"models": ["resnet55"]}, "models: unknown architecture 'resnet55': did you mean resnet50"),
        (
            {"models": {"small_cnn": {"epoch": 3}}},
            "models: small_cnn has an unknown option 'epoch': did you mean epochs",
        ),
        ({"training": {"epochs": "many"}}, r"training of small_cnn: --epochs is 'many'; it must be a whole number"),
        ({"training": {"out": "x"}}, "training has an unknown option 'out'"),
        ({"data": {"heads": {"path": "x"}}}, "data: heads has an unknown key 'path'"),
        ({"data": {"heads": {"count": 3}}}, "data: heads has no data: give a path, or phantoms"),
        ({"seeds": ["a"]}, "seeds is"),
        ({"folds": 1}, "folds is 1; it must be a whole number from 2"),
        ({"choose": {"best": 2, "by": "f1"}}, "choose: by is 'f1'; it must be accuracy, macro_f1 or micro_f1"),
        ({"choose": {"by": "accuracy"}}, "choose has no best"),
        (
            {"chapters": {"one": {"questoin": "?"}}},
            "chapters: one has an unknown key 'questoin': did you mean question",
        ),
        ({"chapters": {"one": {}}}, "chapters: one has no question"),
        ({"chapters": {"classifiers": {"question": "?"}}}, "every study begins with a chapter of this name"),
        ({"chapters": {"one": {"question": "?", "data": ["head"]}}}, "data names 'head': did you mean heads"),
        ({"chapters": {"one": {"question": "?", "models": "every"}}}, "models names 'every'"),
        ({"chapters": {"one": {"question": "?", "run": "train"}}}, "run is 'train'; it must be bench or cascade"),
        (
            {"chapters": {"one": {"question": "?", "options": {"methods": ["gradcan"]}}}},
            "options: unknown method 'gradcan': did you mean grad_cam",
        ),
        (
            {"chapters": {"one": {"question": "?", "options": {"metrics": ["iuo"]}}}},
            "options: unknown metric 'iuo'",
        ),
        (
            {"chapters": {"one": {"question": "?", "options": {"set": ["pic.convention=medicl"]}}}},
            "options: --set has pic.convention=medicl; it must be stable, pair or medical",
        ),
        ({"chapters": {"one": {"question": "?", "options": {"model": ["a"]}}}}, "model is not an option of a chapter"),
        (
            {"chapters": {"one": {"question": "?", "run": "cascade", "options": {"rounds": 0}}}},
            "options: --rounds is '0'; it must be a whole number from 1",
        ),
        (
            {"published": [{"chapter": "two", "title": "t", "source": "s", "metrics": ["iou"], "rows": {}}]},
            "chapter is 'two': did you mean|chapter is 'two': choose from",
        ),
        (
            {
                "published": [
                    {"chapter": "one", "title": "t", "source": "s", "metrics": ["iou"], "rows": {"cam": [1, 2]}}
                ]
            },
            r"rows: cam is \[1, 2\]; it must have a value for each of the 1 metrics",
        ),
        ({"extends": "nothing"}, "does not exist"),
    ],
)
def test_a_mistake_is_one_sentence(write, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        read(write({key: value for key, value in (SMALL | changes).items() if value is not None}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("paths", [[], ["lung=/data"]])
def test_what_a_resumed_study_knows_does_not_take_the_place_of_its_name(paths, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"config": {"tiny": True, "paths": paths, "content": {}}}))
    made = cli.parse("study", ["cam-reliability", "--out", str(tmp_path), "--resume"])
    assert (made.study, made.tiny, list(made.paths), made.resume) == ("cam-reliability", True, paths, True)


def test_no_file_no_yaml_no_name(tmp_path, capsys):
    assert cli.main(["study"]) == 2
    assert "xaijax study needs STUDY" in capsys.readouterr().err
    assert cli.main(["study", "pic-medcal", "--plan"]) == 2
    assert "did you mean pic-medical?" in capsys.readouterr().err
    assert cli.main(["study", str(tmp_path / "none.yaml"), "--plan"]) == 2
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "bad.yaml").write_text("a: [1")
    assert cli.main(["study", str(tmp_path / "bad.yaml"), "--plan"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert cli.main(["study", "cascam", "--paths", "dogs=/x", "--plan"]) == 2
    assert "--paths names 'dogs'" in capsys.readouterr().err
    assert cli.main(["study", "--list"]) == 0
    assert capsys.readouterr().out.startswith("cam-confidence")


def test_a_study_extends_another_key_by_key(write):
    write(SMALL | {"source": "a paper", "published": [
        {"chapter": "one", "title": "t", "source": "s", "metrics": ["iou"], "rows": {"cam": [0.5]}},
    ]}, "base.yaml")  # fmt: skip
    path = write({"extends": "base.yaml", "training": {"epochs": 7, "size": None}, "models": ["small_resnet"]})
    study = read(path)
    assert (study.training, list(study.models), study.source) == ({"epochs": 7}, ["small_resnet"], "a paper")
    assert study.published[0].rows == {"cam": (0.5,)}
    assert study.chapters["one"].options["methods"] == ["grad_cam"]
    # Numbers of a chapter that was taken away go with it.
    path = write({"extends": "base.yaml", "chapters": {"one": None, "two": {"question": "Why?"}}})
    assert read(path).published == ()
    # What a file removes stays away in those that extend it.
    write({"extends": "base.yaml", "chapters": {"one": None, "two": {"question": "Why?"}}}, "middle.yaml")
    path = write({"extends": "middle.yaml", "chapters": {"two": {"note": "more"}, "three": {"question": "How?"}}})
    assert {name: one.note for name, one in read(path).chapters.items()} == {"two": "more", "three": ""}
    path = write({"extends": "mine.yaml"})
    with pytest.raises(InputError, match="extends itself"):
        read(path)


def test_paths_take_the_place_of_those_in_the_file(write):
    assert read(write(SMALL), paths={"heads": "elsewhere"}).data["heads"].options["data"] == "elsewhere"
    with pytest.raises(InputError, match="has no tiny form"):
        read(write(SMALL), tiny=True)
