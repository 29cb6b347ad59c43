"""Every metric of the registry can be named in a run, with its settings; one whose masks are not there is refused."""

import numpy as np
import pytest
from PIL import Image

from xaijax import _options, cli, models
from xaijax._errors import InputError
from xaijax.bench import BenchConfig, run
from xaijax.bench.part import score_part
from xaijax.bench.plan import prepare
from xaijax.bench.report import Report
from xaijax.bench.store import Store
from xaijax.data import open_dataset
from xaijax.metrics import FAMILIES, METRICS, REASONS

QUICK = (
    *("perturbation.steps=4", "perturbation.flip_steps=4", "perturbation.regions=4", "perturbation.segments=8"),
    *(
        "robustness.draws=3",
        "robustness.sensitivity_draws=2",
        "robustness.lipschitz_draws=2",
        "sanity.stages=2",
        "sanity.smooth_draws=2",
        "robustness.stability_draws=2",
    ),
    *("pic.fractions=0.1,0.4", "faithfulness.draws=5", "faithfulness.grid_draws=6", "faithfulness.sizes=3"),
    *("faithfulness.size_draws=4", "faithfulness.cells=2", "faithfulness.cell_draws=3", "faithfulness.noise_draws=3"),
    *("mosaic.confident=0", "axioms.cells=2", "axioms.draws=2", "f_fidelity.shares=0.5", "f_fidelity.draws=2"),
)


@pytest.fixture
def score(checkpoint):
    def score(**changes):
        options = {"model": (str(checkpoint),), "methods": ("grad_cam",), "count": 2, "part": 2, "gallery": 0}
        job = prepare(BenchConfig(**options | changes))
        return score_part(job, job.models[0], job.cases, gallery=0, progress=lambda share: None)

    return score


@pytest.fixture(scope="module")
def two_roles(tmp_path_factory):
    """A folder of phantoms with their lesions, and with a bright bar at the edge as an artefact."""
    folder = tmp_path_factory.mktemp("data")
    batch = open_dataset("phantoms", count=6, size=32, seed=5).read(shape=(32, 32, 1))
    (folder / "images").mkdir()
    lines = ["file,label,mask_lesion,mask_artefact"]
    names = open_dataset("phantoms", count=6, size=32, seed=5).classes
    for number, (image, mask, label) in enumerate(zip(batch.images, batch.masks, batch.labels, strict=True)):
        image, bar = image[..., 0].copy(), np.zeros((32, 32), np.uint8)
        image[28:31, 4:20] = 255
        bar[28:31, 4:20] = 255
        for what, pixels in (("image", image), ("lesion", mask.astype(np.uint8) * 255), ("artefact", bar)):
            Image.fromarray(pixels).save(folder / "images" / f"{number}-{what}.png")
        files = ",".join(f"images/{number}-{what}.png" for what in ("lesion", "artefact"))
        lines.append(f"images/{number}-image.png,{names[label]},{files}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def everything(checkpoint, two_roles, tmp_path_factory):
    """A run that names every metric of the registry, on two models; without its report, which would be long."""
    root = tmp_path_factory.mktemp("all")
    classes = ("glioma", "meningioma", "pituitary")
    models.save(models.create("small_cnn", input_shape=(32, 32, 1), classes=classes, key=8), root / "other")
    config = BenchConfig(
        data=str(two_roles), model=(str(checkpoint), str(root / "other")), methods=("grad_cam", "random"),
        metrics=tuple(METRICS), count=3, part=2, batch_size=16, gallery=0, split="all", set=QUICK,
        calibration=("none",), out=root / "run",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xaijax.bench.report.write_report", lambda store: Report([], [], [], {}, store.root))
        return Store(run(config))


def test_every_metric_of_the_registry_can_be_named_in_a_run(everything):
    rows = everything.scores().to_pylist()
    images = everything.read_run()["data"]["images"]
    found = {(row["model"], row["method"], row["metric"], row["image"]) for row in rows}
    assert len(rows) == len(found)
    assert {row["model"] for row in rows} == {"tiny", "other"}
    for model in ("tiny", "other"):
        for method in ("grad_cam", "random"):
            assert {(model, method, metric, image) for metric in METRICS for image in images} <= found
    for row in rows:
        low, high = METRICS[row["metric"]].range
        if row["reason"]:
            assert row["reason"] in REASONS
            assert np.isnan(row["value"])
        else:
            assert (-np.inf if low is None else low) - 1e-9 <= row["value"], row
            assert row["value"] <= (np.inf if high is None else high) + 1e-9, row
    # No method lacks its explainer or its other models' maps; the oracle is a map without a method.
    assert all(row["reason"] not in ("no_explainer", "no_variants") for row in rows if row["method"] != "oracle")
    valued = {row["metric"] for row in rows if not row["reason"]}
    # Untrained networks may find every blurred image as probable as its original, and predict one class; three images
    # of three classes hold no two of one; and every cell moves the answer. All else has a value.
    without = {m.name for m in (*FAMILIES["pic"].metrics, *FAMILIES["mosaic"].metrics)} | {"non_sensitivity"}
    assert set(METRICS) - valued <= without


def test_mosaics_do_not_depend_on_how_images_are_parted(checkpoint):
    options = {"methods": ("grad_cam", "random"), "metrics": ("focus",), "count": 9, "gallery": 0, "split": "all"}
    job = prepare(BenchConfig(model=(str(checkpoint),), part=9, **options))
    found = []
    for size in (9, 4):
        rows = []
        for start in range(0, 9, size):
            made = score_part(
                job, job.models[0], job.cases[start : start + size], gallery=0, progress=lambda share: None
            )
            rows += made.scores.to_pylist()
        found.append({(row["method"], row["image"]): row["value"] for row in rows})
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) == 18
    values = np.array([list(one.values()) for one in found])
    np.testing.assert_allclose(values[0], values[1], atol=1e-6)
    assert np.isfinite(values).all()


def test_what_a_run_finds_is_what_its_arrays_say(everything, two_roles):
    """Two-role scores from the masks on file, and the settings from the curves' lengths."""
    rows = everything.scores().to_pylist()
    value = {(row["model"], row["method"], row["metric"], row["image"]): row["value"] for row in rows}
    for model, method, _, image in [key for key in value if key[2] == "artefact_mass" and key[1] == "random"]:
        mass = value[model, method, "artefact_mass", image]
        both = mass + value[model, method, "mass_accuracy", image]
        np.testing.assert_allclose(value[model, method, "artefact_mass_against_lesion", image], mass / both, rtol=1e-6)
        # A random map's share on the bar is about the bar's share of the pixels.
        assert abs(mass - 48 / 1024) < 0.02
    curves = everything.responses().to_pylist()
    points = {row["metric"]: len(row["fraction"]) for row in curves}
    assert (points["deletion_black"], points["pixel_flipping"], points["region_perturbation"]) == (5, 5, 5)
    assert points["mprt_spearman"] <= 2
    assert {len(row["information"]) for row in everything.curves().to_pylist()} <= {2}
    kept = everything.read_run()["settings"]
    assert kept["perturbation"]["steps"] == 4
    assert kept["perturbation"]["patch"] == 8  # a default
    assert kept["pic"] == {
        "convention": "stable", "fractions": [0.1, 0.4], "random_masks": 1, "min_probability": 0.8, "points": 1001,
    }  # fmt: skip


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
    scores = score(metrics=("artefact_mass", "artefact_top15"), **data).scores
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


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["steps=3"], "--set is 'steps=3'; write integrated_gradients.steps=3"),
        (["perturbation.steps"], "--set is 'perturbation.steps'; write"),
        (["pertubation.steps=3"], "unknown method or metric family 'pertubation': did you mean perturbation"),
        (["perturbation.step=3"], "perturbation has no option 'step': did you mean steps"),
        (["complexity.x=3"], "complexity has no option 'x': it has none"),
        (["perturbation.steps=many"], "perturbation.steps=many; it must be a whole number"),
        (["perturbation.steps=0"], "perturbation.steps=0; it must be a whole number from 1 to 65533"),
        (["robustness.normalize=maybe"], "robustness.normalize=maybe; it must be true or false"),
        (["pic.fractions=0.5,0.1"], "pic.fractions is (0.5, 0.1); it must be"),
        (["sanity.stages=3", "sanity.stages=4"], "gives sanity.stages twice"),
    ],
)
def test_settings_are_refused_in_one_sentence(texts, sentence):
    with pytest.raises(InputError) as caught:
        prepare(BenchConfig(set=tuple(texts)))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_of_every_family_are_read_back():
    """Every option there is, with its default as text, gives the default again."""
    import dataclasses

    for name, family in FAMILIES.items():
        default = dataclasses.asdict(family.settings())
        free = dict(default)
        texts = _options.to_texts({name: free})
        assert _options.from_texts(texts, {name: family.kinds}).get(name, {}) == free
    kinds = {"perturbation": FAMILIES["perturbation"].kinds}
    found = _options.from_texts(["perturbation.fractions=0.25,0.5"], kinds)
    assert found == {"perturbation": {"fractions": (0.25, 0.5)}}


@pytest.mark.parametrize("kind", ["yaml", "toml"])
def test_settings_and_convention_from_a_file_and_the_command_line(tmp_path, kind):
    file = tmp_path / f"run.{kind}"
    file.write_text(
        "set:\n  perturbation: {steps: 16}\n  pic: {fractions: [0.1, 0.5], convention: medical}\n"
        if kind == "yaml"
        else '[set]\nperturbation.steps = 16\npic.fractions = [0.1, 0.5]\npic.convention = "medical"\n'
    )
    config = cli.parse("bench", ["--config", str(file)])
    assert config.set == ("perturbation.steps=16", "pic.fractions=0.1,0.5", "pic.convention=medical")
    again = cli.parse("bench", config.command().split()[2:])
    assert dataclasses_equal(again, config)
    over = cli.parse("bench", ["--config", str(file), "--set", "sanity.stages=2"])
    assert over.set == ("sanity.stages=2",)


def dataclasses_equal(a, b):
    return {**vars(a), "config": None} == {**vars(b), "config": None}


def test_settings_without_their_metrics_are_said(checkpoint):
    options = {"model": (str(checkpoint),), "count": 2, "methods": ("random",), "metrics": ("iou",)}
    job = prepare(BenchConfig(**options, set=("sanity.stages=2",)))
    assert any("Options of sanity change nothing here" in note for note in job.notes)


def test_the_medical_convention_scores_and_explains_the_predicted_class(score, checkpoint):
    given = {"metrics": ("sic_webp", "sic_mutual"), "methods": ("grad_cam", "random"), "count": 3, "part": 3}
    medical = score(set=("pic.convention=medical",), **given)
    predicted = score(set=("pic.convention=medical",), target="predicted", **given)
    assert repr(medical.scores.to_pydict()) == repr(predicted.scores.to_pydict())
    assert set(medical.scores["reason"].to_pylist()) <= set(REASONS)
    stable = score(target="predicted", **given)
    assert repr(stable.curves.to_pydict()) != repr(medical.curves.to_pydict()) or not len(medical.curves)
