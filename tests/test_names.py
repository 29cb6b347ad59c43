"""Names are matched as people write them, and options are checked where they enter."""

import math
from typing import Annotated, Literal

import numpy as np
import pytest

from xaijax import _names, _options
from xaijax._errors import InputError
from xaijax._options import Count, NonNegative, Positive, Range, Share
from xaijax.explain import METHODS
from xaijax.metrics import FAMILIES, METRICS
from xaijax.models import list_models


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Grad-CAM", "grad_cam"),
        ("gradcam", "grad_cam"),
        ("GRAD CAM", "grad_cam"),
        ("Grad-CAM++", "grad_cam_pp"),
        ("GradCAM++", "grad_cam_pp"),
        ("gradcampp", "grad_cam_pp"),
        ("Integrated Gradients", "integrated_gradients"),
        ("XRAI", "xrai"),
        ("guided-backprop", "guided_backprop"),
    ],
)
def test_names_are_matched_as_people_write_them(written, meant):
    assert _names.match("method", written, METHODS) == meant


@pytest.mark.parametrize("known", [list(METHODS), list(METRICS), list(FAMILIES), list_models()])
def test_no_two_names_are_the_same_in_their_normal_form(known):
    assert len({_names.normal(name) for name in known}) == len(known)
    assert all(_names.match("thing", name.upper().replace("_", "-"), known) == name for name in known)


def test_no_method_and_family_of_metrics_share_a_name():
    assert not {_names.normal(name) for name in METHODS} & {_names.normal(name) for name in FAMILIES}


@pytest.mark.parametrize("name", ["", "?", "grad", "xyz", "--", "++"])
def test_unknown_names_are_one_sentence(name):
    with pytest.raises(InputError, match=r"^unknown method '.*': (did you mean|choose from) [^\n]*$"):
        _names.match("method", name, METHODS)


def test_none_and_repeated_names_are_refused():
    with pytest.raises(InputError, match=r"^no method was given; choose from a, b$"):
        _names.match_all("method", [], ["a", "b"])
    with pytest.raises(InputError, match=r"^method 'grad_cam' was given twice; name it once$"):
        _names.match_all("method", ["Grad-CAM", "grad_cam"], METHODS)


OPEN = Annotated[float, Range(0, 1, without_low=True, without_high=True)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((Count, value) for value in (0, -1, 1.5, True, "3", None, 10**12, np.float32(2), [2], math.nan)),
        *((Share, value) for value in (-0.1, 1.1, math.nan, math.inf, "abc", None, True, 1j)),
        *((Positive, value) for value in (0, -1.0, math.inf, math.nan)),
        *((NonNegative, value) for value in (-1e-9, math.inf)),
        *((OPEN, value) for value in (0, 1, 0.0, 1.0)),
        *((Literal["mean", "square"], value) for value in ("Mean", 0, None, ["mean"])),
        *((int | None, value) for value in ("none", 1.0, False)),
        *((tuple[float, ...], value) for value in ("0.1", 0.1, None, {0.1: 1}, [0.1, "a"])),
        *((bool, value) for value in (0, 1, "true", None)),
        *((str, value) for value in (1, None, b"a")),
    ],
)
def test_values_that_are_not_allowed_are_one_sentence(kind, value):
    with pytest.raises(InputError, match=r"^rise\.count is [^\n]+; it must be [^\n]+$"):
        _options.check(kind, value, "rise.count")


@pytest.mark.parametrize(
    ("kind", "value", "checked"),
    [
        (Count, np.int64(7), 7),
        (Share, np.float32(0.5), 0.5),
        (Share, 1, 1.0),
        (NonNegative, 0, 0.0),
        (int | None, None, None),
        (tuple[float, ...], [0.25, 1], (0.25, 1.0)),
        (bool, np.True_, True),
        (Literal["a", "b"], "b", "b"),
        (tuple[float, ...] | None, None, None),
    ],
)
def test_values_that_are_allowed_become_plain_python(kind, value, checked):
    found = _options.check(kind, value, "option")
    assert found == checked
    assert type(found) is type(checked)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rise.count=abc", r"--set has rise.count=abc; it must be a whole number from 1 to 1000000"),
        ("rise.count=1.5", r"--set has rise.count=1.5; it must be a whole number from 1 to 1000000"),
        ("rise.count=1000000000000", r"it must be a whole number from 1 to 1000000"),
        ("rise.share=nan", r"--set has rise.share=nan; it must be a number from 0 to 1"),
        ("rise.steps=5", r"rise has no option 'steps': choose from count, key, share"),
        ("rice.count=5", r"unknown method or metric family 'rice': did you mean rise\?"),
        ("count=5", r"--set is 'count=5'; write rise.count=5"),
        ("rise.count", r"--set is 'rise.count'; write NAME.OPTION=VALUE"),
        ("rise.key=5", r"--set has rise.key=5; it must be an array \(from Python\) or none"),
        ("=", r"--set is '='; write NAME.OPTION=VALUE"),
    ],
)
def test_texts_that_are_not_allowed_are_one_sentence(text, sentence):
    kinds = {"rise": {"count": Count, "share": Share, "key": np.ndarray | None}}
    with pytest.raises(InputError, match=f"^[^\n]*{sentence}[^\n]*$"):
        _options.from_texts([text], kinds)


def test_what_is_written_is_read_again():
    table = {"pic": {"fractions": (0.1, 0.5), "convention": "medical"}, "robustness": {"normalize": False, "draws": 3}}
    kinds = {
        "pic": {"fractions": tuple[float, ...], "convention": Literal["stable", "medical"]},
        "robustness": {"normalize": bool, "draws": Count},
    }
    assert _options.from_texts(_options.to_texts(table), kinds) == table
    with pytest.raises(InputError, match=r"^--set gives pic.convention twice; give it once$"):
        _options.from_texts(["pic.convention=stable", "PIC.convention=medical"], kinds)
