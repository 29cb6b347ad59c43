"""The cells of a study, their names by content, and what they cost; the full lists of the shipped studies."""

import dataclasses
import io
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from xaijax import models, study
from xaijax._errors import InputError
from xaijax._network import probe
from xaijax.models.zoo import _create
from xaijax.study import StudyConfig, costs, reading
from xaijax.study.plan import content_key, open_all, plan
from xaijax.study.reading import read

NETWORK = costs.Network(operations=1e9, size=(224, 224), channels=512, positions=49, layers=20)


@pytest.fixture
def quick(monkeypatch):
    """The numbers of a made-up network are enough here."""
    monkeypatch.setattr(costs, "network", lambda name, size, channels: NETWORK)
    monkeypatch.setattr(costs, "speed", lambda: 1e12)


def planned(name, tmp_path, **options):
    made = read(name, **options)
    return plan(made, open_all(made, must=False), tmp_path / "out", tmp_path / "trainings")


@pytest.mark.parametrize(
    ("name", "trainings", "evaluations", "runs", "cascades"),
    [
        ("pic-medical", 18, 2, 5, 0),  # nine models on two data sets; localization on one alone
        ("cam-reliability", 5, 1, 6, 0),
        ("cam-confidence", 36, 3, 3, 0),  # four models, three data sets, three seeds
        ("cascam", 0, 0, 0, 11),
    ],
)
def test_the_full_list_of_a_shipped_study(quick, name, trainings, evaluations, runs, cascades, tmp_path):
    made = planned(name, tmp_path)
    counts = {kind: len(made.of(kind)) for kind in ("training", "evaluation", "bench", "cascade")}
    assert counts == {"training": trainings, "evaluation": evaluations, "bench": runs, "cascade": cascades}
    assert len({cell.name for cell in made.cells}) == len({cell.folder for cell in made.cells}) == len(made.cells)
    found = costs.costs(made, 3)
    if name != "cascam":
        assert all(cost.passes > 0 for cost in found.values())


def test_the_plan_is_printed_and_nothing_is_done(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    console = Console(file=io.StringIO(), width=250)
    done = study.run(StudyConfig(study="cam-reliability", plan=True), console=console)
    assert done.out is None
    text = console.file.getvalue()
    assert "data lung are not there: counted as 1097 images" in text
    for words in ("lung-vit_b16", "evaluation-lung", "transformer-lung", "hours at the 1000 billion operations"):
        assert words in text
    assert list(tmp_path.iterdir()) == []


def test_the_passes_of_a_training_and_of_a_run_are_counted(quick, tmp_path):
    made = planned("cam-reliability", tmp_path)
    found = costs.costs(made, None)
    epochs, inside = 40, round(0.8 * 1097)
    training = made.of("training")[0]
    assert found[training.name].passes == epochs * (3 * inside + (1097 - inside))
    assert found[training.name].operations == found[training.name].passes * 1e9
    # Two Grad-CAMs and a random map of five models, 100 images: deletion by a blur takes 33 images for a map.
    from xaijax.explain import METHODS
    from xaijax.metrics import FAMILIES, METRICS

    metrics = [METRICS[name] for name in ("deletion_blur", "road")]
    per_map = FAMILIES["perturbation"].passes(FAMILIES["perturbation"].settings(), (224, 224), metrics)
    per_image = METHODS["grad_cam"].cost + METHODS["random"].cost + per_map.image + 2 * per_map.map
    assert found["failures-lung"].passes == 5 * round(100 * per_image)


def folders(tmp_path, name, shift=0):
    """A data set of two classes."""
    root = tmp_path / name
    for number, label in enumerate(("a", "b")):
        (root / label).mkdir(parents=True)
        for place in range(4):
            pixels = np.full((16, 16), 20 * place + 100 * number + shift, np.uint8)
            Image.fromarray(pixels).save(root / label / f"{place}.png")
    return root


def test_a_training_is_known_by_its_content(quick, tmp_path):
    """The same options on the same images give the same folder, wherever they lie and for whichever study."""
    first, moved, other = (folders(tmp_path, name, shift) for name, shift in (("one", 0), ("two", 0), ("three", 1)))
    made = read("cam-reliability", paths={"lung": str(first)})

    def key(path, **training):
        own = dataclasses.replace(made, training=dict(made.training) | training)
        data = {"lung": dataclasses.replace(own.data["lung"], options={"data": str(path)})}
        own = dataclasses.replace(own, data=data)
        cell = plan(own, open_all(own, must=True), Path("out"), Path("trainings")).of("training")[0]
        return cell.folder.relative_to("trainings").as_posix()

    assert key(first) == key(first) == key(moved)
    assert key(first) != key(other)
    assert key(first) != key(first, epochs=41)
    assert key(first).endswith("/lung-resnet50")
    config = plan(made, open_all(made, must=True), Path("x"), Path("y"), "cpu").of("training")[0].config
    elsewhere = dataclasses.replace(config, out=Path("z"), device="auto", resume=True)
    assert content_key(config, None) == content_key(elsewhere, None)


def test_data_that_are_not_there_are_refused_where_work_is_wanted(tmp_path):
    with pytest.raises(FileNotFoundError, match="say where the data lie with --paths lung=PATH"):
        study.run(StudyConfig(study="cam-reliability", out=tmp_path / "out"), console=Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()


def test_a_network_is_counted_without_making_or_compiling_it(monkeypatch):
    """One abstract pass for each architecture, size and number of channels, however many data sets and seeds."""
    passes, follow = [], probe.follow

    def counted(classifier, params):
        passes.append(classifier.input_shape)
        assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params))
        return follow(classifier, params)

    def refused(*args, **options):
        raise AssertionError("the plan makes parameters or compiles a program")

    monkeypatch.setattr(probe, "follow", counted)
    monkeypatch.setattr(_create, "_init", refused)
    monkeypatch.setattr(jax.stages.Lowered, "compile", refused)
    costs.network.cache_clear()
    made = read("cam-confidence")
    own = {"small_cnn": {}, "small_resnet": {}}
    made = dataclasses.replace(made, models=own, training=dict(made.training) | {"size": 32, "channels": "3"})
    planned_cells = plan(made, open_all(made, must=False), Path("out"), Path("trainings"))
    found = costs.costs(planned_cells, None)
    assert len(planned_cells.of("training")) == 2 * 3 * 3
    assert passes == [(32, 32, 3)] * 2
    assert all(cost.operations > 0 for cost in found.values())


def test_the_operations_of_a_network_are_those_that_xla_counts():
    found = costs.network("small_resnet", 64, 3)
    made = models.create("small_resnet", 3, (64, 64, 3), preprocess="identity")
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), "float32")
    xla = jax.jit(made.logits).lower(made.params, image).cost_analysis()["flops"]
    assert found.operations == pytest.approx(xla, rel=1e-3)
    layer = made.layers()[made.default_layer]
    assert (found.channels, found.positions, found.layers) == (layer[2], layer[0] * layer[1], len(made.layers()))


def test_two_cells_never_have_one_folder(quick, tmp_path):
    """Chapters "a b" and "a/b" give one folder name: the second would take the run of the first for its own."""
    made = read("cam-reliability")
    (chapter, *_) = made.chapters.values()
    made = dataclasses.replace(made, chapters={"a b": chapter, "a/b": chapter})
    with pytest.raises(InputError, match="a b-lung and a/b-lung of the study would have one folder"):
        plan(made, open_all(made, must=False), tmp_path / "out", tmp_path / "trainings")


def test_configurations_are_parsed_once(quick, monkeypatch, tmp_path):
    """A plan asks for those of its chapters once for every cell and model; the parser takes a quarter of a second."""
    asked, parse = [], reading.command_line.parse
    monkeypatch.setattr(reading.command_line, "parse", lambda *args: asked.append(args) or parse(*args))
    reading._parsed.cache_clear()
    costs.costs(planned("cam-reliability", tmp_path), None)
    assert len(set(asked)) == len(asked)
