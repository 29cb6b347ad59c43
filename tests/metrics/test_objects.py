"""What people print: one-line reprs of everything that holds arrays, tables and figures of scores, modules by name."""

import collections.abc
import dataclasses
import importlib
import inspect
import pkgutil
import sys
import types
import typing

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import xaijax.metrics
from xaijax._errors import InputError
from xaijax.metrics import Curves, Explained, Responses, Scores, evaluate, health
from xaijax.metrics.calibration import case as calibration_case
from xaijax.metrics.calibration.case import CONSTRUCTIONS, QUICK_TEXTURES
from xaijax.metrics.calibration.cue import PlantedCue
from xaijax.metrics.calibration.gate import Gate
from xaijax.metrics.calibration.planning import Plan
from xaijax.metrics.detection import Detection
from xaijax.metrics.faithfulness import Settings as FaithfulnessSettings
from xaijax.metrics.faithfulness.probe import Scene
from xaijax.metrics.metric import Inputs, Result
from xaijax.metrics.perturbed import ImageResponses
from xaijax.metrics.perturbed import Settings as PerturbationSettings
from xaijax.metrics.pic import Rebuilt
from xaijax.metrics.scores import Score
from xaijax.metrics.statistics import analyze, betting

NAMES = [f"a method with a long name {i}" for i in range(30)]
METRICS = ("iou", "sic_webp", "deletion_black", "pointing_game")
MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(xaijax.metrics.__path__, "xaijax.metrics.")
    if not module.name.endswith("__main__")
]


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    rows, curves, responses = [], [], []
    for image in (f"folder/image {i}.png" for i in range(12)):
        for name in NAMES:
            for metric in METRICS:
                flat = rng.random() < 0.2
                rows.append((image, name, metric, np.nan if flat else rng.random(), "flat_map" if flat else ""))
            curves.append((image, name, "sic_webp", 0, 0.5, *rng.random((2, 15)), *rng.random((2, 13))))
            responses.append((image, name, "deletion_black", 0.5, *rng.random((2, 33))))
    return Scores.from_rows(rows, Curves.from_rows(curves), Responses.from_rows(responses))


@pytest.fixture(scope="module")
def examples(scores):
    """class -> an object as large as users have them."""
    images, maps = np.zeros((64, 224, 224, 3), np.uint8), np.zeros((64, 224, 224), np.float32)
    many = dict.fromkeys(NAMES, maps)
    inputs = Inputs(
        classifier=object(), images=images, labels=np.zeros(64, int), maps=many, raw=many, masks={"lesion": maps > 0},
        variants=dict.fromkeys(NAMES, many), explainers={}, oracle=None, ids=[f"{i}" * 99 for i in range(64)],
        seed=0, batch_size=64, num_threads=None,
    )  # fmt: skip
    few = Scores.from_rows(row for row in scores if row.metric == "iou" and row.method in NAMES[:4])
    statistics = analyze(few)["iou"]
    case = calibration_case.Case(3, "view", "9" * 20, 1, "glioma", (7,), (), maps[0] > 0)
    objects = [
        scores,
        scores.curves,
        scores.responses,
        Explained(maps, raw=maps, variants=many, explainer=print),
        inputs,
        Result(list(scores), scores.curves, scores.responses),
        ImageResponses(inputs, PerturbationSettings(), 3, images[3]),
        Scene(images[0], many, many, FaithfulnessSettings(), 0, "0" * 99),
        Rebuilt(tuple(NAMES), (0.5,), images.reshape(16, 4, 224, 224, 3), np.zeros((16, 4, 9)), {"webp": maps[..., 0]}),
        statistics,
        statistics.ranking,
        betting(np.full(40, 0.5), bound=1.0),
        health(scores)["iou"],
        case,
        Detection(3, True, *np.ones((2, 99)), *np.ones((2, 99), np.int64)),
        calibration_case.Scene(print, images[0], 3, maps[0]),  # type: ignore[arg-type]
        PlantedCue(
            print, images, np.zeros(64, np.int32), np.eye(224, dtype=bool)[None].repeat(64, 0), Gate(999, 999, 9)
        ),
        Plan(
            (case,) * 90,
            {},
            None,
            images,
            "quick",
            QUICK_TEXTURES,
            (0.0, 1.0),
            CONSTRUCTIONS,
            tuple(NAMES),
            0,  # type: ignore[arg-type]
        ),
    ]
    return {type(one): one for one in objects}


def holds_arrays(kind, seen=()):
    """Whether an annotation has room for an array, in itself or in a dataclass."""
    if kind in seen or typing.get_origin(kind) is collections.abc.Callable:
        return False
    if typing.get_origin(kind) is NDArray:  # an alias of its own since NumPy 2.5
        return True
    if typing.get_origin(kind) is not None or isinstance(kind, types.UnionType):
        parts = (typing.get_origin(kind), *typing.get_args(kind))
        return any(holds_arrays(part, seen) for part in parts)
    if kind is np.ndarray or kind is Explained:  # its maps may be anything that NumPy reads
        return True
    if dataclasses.is_dataclass(kind):
        names = vars(sys.modules[kind.__module__]) | {"Curves": Curves, "Responses": Responses}
        hints = typing.get_type_hints(kind, names)
        return any(holds_arrays(hints[field.name], (*seen, kind)) for field in dataclasses.fields(kind))
    return False


def test_everything_that_holds_arrays_has_a_repr_of_one_line(examples):
    found = [
        kind
        for module in MODULES
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_")
        if dataclasses.is_dataclass(kind) and holds_arrays(kind)
    ]
    assert {Scores, Curves, Responses, Explained, Inputs, Rebuilt} <= set(found)
    for kind in found:
        assert kind in examples, f"{kind.__name__} holds arrays: give it a __repr__ of one line, and an example here"
    for kind, one in examples.items():
        text = repr(one)
        assert text.startswith(f"{kind.__name__}("), text
        assert "\n" not in text
        assert "array" not in text
        assert len(text) <= 200, text


def test_reprs_say_what_is_there(scores):
    assert repr(scores.select(image="folder/image 0.png", metric="iou")).startswith(
        "Scores(30 rows: 1 image, 30 methods, 1 metric (iou); "
    )
    assert repr(scores.curves).startswith("Curves(360 rows: 12 images, 30 methods, 1 metric (sic_webp)")
    assert repr(Responses()) == "Responses(0 rows: 0 images, 0 methods, 0 metrics)"
    assert repr(Explained(np.zeros((1, 8, 8)), raw=np.zeros((1, 8, 8)))) == (
        "Explained(1 map of 8x8, raw: yes, variants: none, explainer: no)"
    )


def test_rows_are_named_tuples_and_make_the_same_scores(scores):
    rows = list(scores)
    assert rows[0] == Score("folder/image 0.png", NAMES[0], "iou", scores.value[0], "")
    assert type(rows[0].value) is float
    again = Scores.from_rows(rows)
    np.testing.assert_array_equal(again.value, scores.value)
    assert again.reason.tolist() == scores.reason.tolist()
    assert list(Scores()) == []


def test_the_summary_is_that_of_numpy_and_prints_as_a_table(scores):
    summary = scores.summary()
    assert len(summary) == len(NAMES) * len(METRICS)
    for row in summary[::17]:
        values = scores.select(method=row.method, metric=row.metric).value
        there = values[~np.isnan(values)]
        assert (row.mean, row.median, row.n) == (there.mean(), np.median(there), len(there))
        assert row.low <= row.mean <= row.high
        assert row.skipped == ({"flat_map": len(values) - len(there)} if len(there) < len(values) else {})
    lines = str(summary).splitlines()
    assert len(lines) == 1 + len(summary)
    assert len({line.index("%") for line in lines[:1]}) == 1
    assert [line.split()[0] for line in lines[1:]] == sorted((line.split()[0] for line in lines[1:]), key=METRICS.index)
    assert repr(summary) == str(summary)
    nothing = Scores.from_rows([("a", "cam", "iou", np.nan, "flat_map")]).summary()
    assert "1 flat_map" in str(nothing)
    assert np.isnan(nothing[0].mean)


@pytest.mark.parametrize("column", ["scores", "curves", "responses"])
def test_arrow_readers_take_the_object_itself(scores, column):
    table = scores.take(scores.reason == "") if column == "scores" else getattr(scores, column)  # NaN is not NaN
    assert pa.table(table).equals(table.to_arrow())
    assert pa.table(type(table)()).num_rows == 0


def test_a_frame_has_the_columns(scores, monkeypatch):
    made = []

    class DataFrame:
        def __init__(self, columns):
            made.append(columns)

    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=DataFrame))
    assert isinstance(scores.to_pandas(), DataFrame)
    assert list(made[0]) == ["image", "method", "metric", "value", "reason"]
    np.testing.assert_array_equal(made[0]["value"], scores.value)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"^to_pandas needs pandas: run `pip install pandas`, or use to_arrow\(\)$"):
        scores.to_pandas()


def test_notebooks_show_means_by_metric_and_method():
    rows = [("1", "<cam>", "iou", 0.25, ""), ("2", "<cam>", "iou", 0.5, ""), ("1", "ig", "dice", np.nan, "flat_map")]
    html = Scores.from_rows(rows)._repr_html_()
    assert "<td>iou</td><td>0.375</td><td>–</td>" in html
    assert "<td>dice</td><td>–</td><td>–</td>" in html
    assert "&lt;cam&gt;" in html
    assert "<cam>" not in html
    assert "0.375" in Scores.from_rows(rows).select(metric="iou").summary()._repr_html_()
    for empty in (Scores(), Curves(), Responses()):
        assert "0 rows" in empty._repr_html_()


def test_the_plot_has_a_panel_per_metric_and_a_line_per_method():
    rows = [(str(i), m, k, 0.1 * i, "") for i in range(4) for m in ("cam", "random") for k in ("iou", "dice", "energy")]
    rows += [("0", "none", "iou", np.nan, "flat_map"), ("0", "cam", "roc_auc", 0.5, "")]
    scores = Scores.from_rows(rows)
    figure = scores.plot()
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in panels] == ["iou", "dice", "energy", "roc auc"]
    assert [text.get_text() for text in panels[0].get_yticklabels()] == ["cam", "random", "none"]
    interval, mean = panels[0].get_lines()[:2]
    row = scores.summary()[0]
    assert list(interval.get_xdata()) == [row.low, row.high]
    assert list(mean.get_xdata()) == [row.mean]
    with pytest.raises(ValueError, match="nothing to plot"):
        Scores().plot()


class Brightness:
    """Two classes, by the mean."""

    def predict(self, images):
        bright = images.mean((1, 2, 3))
        return np.stack([1 - bright, bright], axis=1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"images": lambda x: x / 255 / 255}, "divided by 255 twice"),
        ({"images": lambda x: (x > 99).astype(np.uint8)}, r"reach 1 of 255: were floats in \[0, 1\] cast to uint8"),
        ({"images": lambda x: x.astype(np.uint16)}, "reach 255 of 65535: these look like 8 bits"),
        ({"labels": lambda x: np.eye(2)[x]}, r"of one-hot rows give labels.argmax\(axis=1\)"),
        ({"labels": lambda x: x.astype(float)}, r"give labels.astype\(int\)"),
        ({"labels": lambda x: x.astype(str)}, "give the positions of the names"),
        ({"maps": lambda x: [x[0], x[1][:3]]}, "all of one size: resize them"),
        ({"maps": lambda x: np.ma.masked_greater(x, 0.5)}, "NaN or infinity"),
        ({"masks": lambda x: (x + 1).astype(np.uint8)}, "got the values 1, 2: give masks == VALUE"),
        ({"masks": lambda x: np.where(np.eye(8), 2, x).astype(np.uint8)}, "got the values 0, 1, 2: give masks"),
    ],
)
def test_arrays_that_mean_something_else_are_refused(change, sentence):
    """Each was scored without a word, or ended in an error of NumPy's."""
    rng = np.random.default_rng(0)
    given = {
        "images": rng.integers(0, 256, (2, 8, 8, 1)).astype(np.uint8),
        "labels": np.array([0, 1]),
        "maps": rng.random((2, 8, 8)),
        "masks": np.pad(np.ones((2, 2, 2), np.uint8), ((0, 0), (3, 3), (3, 3))),
    }
    given["images"][0, 0, 0] = 255
    for name, other in change.items():
        given[name] = other(given[name])
    with pytest.raises(InputError, match=sentence):
        evaluate(
            Brightness(),
            given["images"],
            given["labels"],
            {"m": given["maps"]},
            given["masks"],
            ["deletion_black", "iou"],
        )


def test_no_function_hides_a_module():
    for module in MODULES:
        package, _, name = module.__name__.rpartition(".")
        assert getattr(sys.modules[package], name) is module, f"{module.__name__} is hidden by a {name} of its package"
        public = [n for n, value in vars(module).items() if inspect.isfunction(value) and n == name]
        assert not public, f"{module.__name__} has a function of its own name: underscore the file"
