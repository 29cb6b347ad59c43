"""Options of every family are checked by their annotations; what does not fit is refused before any family starts."""

import dataclasses
import types
import typing

import numpy as np
import pytest

from xaijax import _options
from xaijax._errors import InputError
from xaijax._options import Range
from xaijax.metrics import FAMILIES, METRICS, evaluate

OPTIONS = [(family.name, option) for family in FAMILIES.values() for option in family.kinds]


class Counted:
    """A model of two classes that counts the images it is given."""

    classes = ("a", "b")

    def __init__(self):
        self.seen = 0

    def predict(self, images):
        self.seen += len(images)
        p = np.asarray(images, np.float64).mean((1, 2, 3)) / 255
        return np.stack([p, 1 - p], axis=1)


def bounds(kind):
    """The `Range`s of an annotation, of the members of a tuple and of a union too."""
    if typing.get_origin(kind) is typing.Annotated:
        return [part for part in typing.get_args(kind)[1:] if isinstance(part, Range)]
    return [found for part in typing.get_args(kind) if part is not Ellipsis for found in bounds(part)]


@pytest.mark.parametrize(("family", "option"), OPTIONS)
def test_every_option_says_what_it_allows(family, option):
    kind = FAMILIES[family].kinds[option]
    plain = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    assert plain is bool or typing.get_origin(kind) is typing.Literal or bounds(kind), "a number without bounds"
    for value in ("abc", float("nan"), [[1]], {}, float("inf"), -1, object()):
        with pytest.raises(InputError, match=rf"^{family}\.{option} is [^\n]+; it must be [^\n]+$"):
            FAMILIES[family].read_settings({option: value})
    default = getattr(FAMILIES[family].settings(), option)
    assert getattr(FAMILIES[family].read_settings({option: default}), option) == default
    assert default is None or _options.read(kind, _options.to_text(default)) == default


def test_options_are_plain_values_and_names_are_matched():
    found = FAMILIES["pic"].read_settings({"random-masks": np.int64(3), "fractions": [np.float32(0.5)]})
    assert (found.random_masks, type(found.random_masks), found.fractions) == (3, int, (0.5,))
    with pytest.raises(InputError, match=r"^robustness has no option 'draw': did you mean draws"):
        FAMILIES["robustness"].read_settings({"draw": 3})
    for family in FAMILIES.values():
        assert family.read_settings({}) == family.settings()
        assert dataclasses.is_dataclass(family.settings)
        assert all(not isinstance(kind, types.FunctionType) for kind in family.kinds.values())


@pytest.mark.parametrize(
    ("metrics", "options", "message"),
    [
        (["sic_mutual", "region_perturbation"], {"perturbation": {"patch": 9}}, "perturbation.patch is 9: the regions"),
        (["sic_mutual", "deletion_black"], {"perturbation": {"steps": 0}}, "perturbation.steps is 0"),
        (["sic_mutual"], {"sanity": {"stages": -1}}, "sanity.stages is -1"),
        (["deletion_black", "aic_webp"], {}, "C 1 or 3 for aic_webp"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_family_starts(metrics, options, message):
    model, channels = Counted(), 2 if "aic_webp" in metrics else 1
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 12, channels)).astype(np.uint8)
    with pytest.raises(InputError, match=message):
        evaluate(model, images, [0, 1], {"cam": images[..., 0].astype(float)}, metrics=metrics, settings=options)
    assert model.seen == 0


def test_models_whose_layers_or_classes_are_not_known_are_refused_by_the_sanity_checks():
    from xaijax.metrics import Explained

    class Bare:
        def predict(self, images):
            raise AssertionError("nothing is computed")

    images = np.zeros((1, 8, 8, 1), np.uint8)
    given = {"cam": Explained(images[..., 0] + 0.5, explainer=lambda *_: images[..., 0])}
    for name in ("mprt_spearman", "random_logit_ssim"):
        with pytest.raises(InputError, match=rf"^{name} needs a classifier with [^\n]*; got Bare: leave {name} out$"):
            evaluate(Bare(), images, [0], given, metrics=["sic_mutual", name])


def test_every_family_and_metric_is_matched_as_people_write_it():
    images = np.zeros((1, 8, 8, 1), np.uint8)
    maps, masks = {"cam": np.arange(64.0).reshape(1, 8, 8)}, np.ones((1, 8, 8), bool)
    masks[0, :4] = False
    scores = evaluate(None, images, [0], maps, masks, ["Pointing Game", "IoU-Top15", "ROC AUC"], settings={"PIC": {}})
    assert scores.metrics() == ["pointing_game", "iou_top15", "roc_auc"]
    assert all(METRICS[name].family == "localization" for name in scores.metrics())
