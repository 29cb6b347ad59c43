"""A made-up calibration as the library writes it: every verdict, numbers of the size that real ones have."""

import sys

import numpy as np
import pytest
from PIL import Image

from xaijax.metrics import METRICS

THRESHOLDS = {
    "concordance": 0.7,
    "twin": 0.8,
    "random_dominance": 0.1,
    "random_dominance_upper": 0.2,
    "tau": 0.5,
    "scored": 0.5,
}
CLASSES = ("glioma", "meningioma", "pituitary")

# metric: verdict, C, half width, D, random dominance, tau, images to decide
NUMBERS = {
    "sic_mutual": ("believe", 0.87, 0.05, 0.97, 0.02, 0.66, None),
    "deletion_mean": ("believe", 0.81, 0.05, 0.96, 0.04, 0.67, None),
    "irof": ("believe", 0.79, 0.06, 0.92, 0.05, 0.58, None),
    "insertion_linear": ("same_kind", 0.72, 0.06, 0.91, 0.31, 0.64, None),
    "deletion_linear": ("same_kind", 0.65, 0.07, 0.90, 0.55, 0.61, None),
    "pixel_flipping": ("undecided", 0.75, 0.08, 0.97, 0.12, 0.52, 61),
    "road": ("no", 0.64, 0.07, 0.60, 0.50, 0.19, None),
    "insertion_mean": ("no", 0.60, 0.08, 0.69, 0.55, 0.21, None),
    "average_drop": ("no", 0.51, 0.07, 0.64, 1.00, 0.40, None),
    "sparseness": ("no", 0.86, 0.03, 0.50, 0.00, 0.97, None),
    "aic_webp": ("not_judged", 0.70, 0.10, 0.80, 0.30, 0.40, None),
    "pointing_game": ("not_judged", None, None, None, None, None, None),
}
WHY = {
    "believe": "all bounds hold in view, mosaic and parts",
    "same_kind": "random dominance 0.31 exceeds 0.1; the order within one kind of map holds",
    "undecided": "the interval of concordance contains 0.7",
    "no": "the upper bound of the twin test is below 0.8",
    "not_judged": "scores fewer than half of the images of glioma",
}


@pytest.fixture(scope="session")
def made():
    """This module: tests are collected without a package around them, so they cannot import it."""
    return sys.modules[__name__]


def judgement(name, verdict, c, half, d, dominance, tau, images):
    known = c is not None

    def around(value, width):
        return [max(0.0, value - width), min(1.0, value + width)] if known else [None, None]

    numbers = {
        "concordance": c,
        "interval": around(c, half),
        "twin": d,
        "twin_interval": around(d, 0.03),
        "random_dominance": dominance,
        "random_dominance_interval": around(dominance, 0.06),
        "winning_texture": "smooth 6" if known else "",
        "tau": tau,
        "texture_share": 0.3 if known else None,
        "images_for_power": 12 if known else None,
        "size": 0.05 if known else None,
    }
    low = 0.1 if name == "aic_webp" else 1.0
    scored = {"glioma": low, "meningioma": 1.0, "pituitary": 1.0} if known else {}
    places = ("view", "mosaic", "parts") if known else ()
    return {
        "verdict": verdict,
        "why": "it reads the lesion mask, which is no statement about the model"
        if "mask" in METRICS[name].needs
        else WHY[verdict],
        **numbers,
        "decided_by": "view" if known else "",
        "images_to_decide": images,
        "scored": scored,
        "constructions": {place: dict(numbers) for place in places},
    }


def calibration(model="0123456789abcdef", data="data0123", metrics=None):
    """The contents of calibration.json."""
    return {
        "schema": 1,
        "depth": "quick",
        "seed": 0,
        "model": {"name": "builtin", "digest": model},
        "data": {"name": "phantoms", "digest": data, "images": 24},
        "versions": {"xaijax": "0.1.0", "jax": "0.10.2"},
        "settings": {"perturbation": {"steps": 20}},
        "textures": ["white", "smooth 6", "edges"],
        "levels": [0.0, 0.5, 1.0],
        "constructions": {
            "view": {"cases": 24, "groups": 24, "left_out": {"the view changes the prediction": 3}},
            "mosaic": {"cases": 20, "groups": 20, "left_out": {}},
            "parts": {"cases": 12, "groups": 12, "left_out": {}},
        },
        "thresholds": dict(THRESHOLDS),
        "controls": {
            "positive": {"concordance": 1.0, "passed": True},
            "negative": {"twin": 0.5, "metric": "sparseness", "passed": True},
            "passed": True,
            "reason": "",
        },
        "answers": [
            {"image": image, "class": "pituitary", "probability": p, "shares": {"pituitary": 1.0}}
            for image, p in (("black", 0.99), ("mean", 0.62), ("blurred", 0.51), ("filled", 0.48), ("scattered", 0.7))
        ],
        "metrics": {name: judgement(name, *numbers) for name, numbers in (metrics or NUMBERS).items()},
    }


@pytest.fixture
def found():
    return calibration()


MODEL = """
import numpy as np

input_shape = (32, 32, 1)
classes = ("across", "down")


def predict(images):
    values = np.asarray(images, np.float64)[..., 0]
    seen = (np.diff(values, axis=2) ** 2).mean((1, 2)) - (np.diff(values, axis=1) ** 2).mean((1, 2))
    p = 1 / (1 + np.exp(-200 * seen))
    return np.stack([1 - p, p], axis=1)
"""


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder with images of stripes, across or down, a part of each in a mask, and a black box that sees them.

    Every pixel matters to it, as far as it changes along its row or column.
    """
    root = tmp_path_factory.mktemp("calibrate")
    rng = np.random.default_rng(0)
    for name in ("across", "down"):
        (root / "data" / name).mkdir(parents=True)
        for number in range(10):
            stripes = np.repeat(rng.choice([60, 200], 8), 4)[None].repeat(32, axis=0)
            image = stripes + rng.integers(-4, 5, (32, 32))
            mask = np.zeros((32, 32), np.uint8)
            row, column = rng.integers(2, 18, 2)
            mask[row : row + 12, column : column + 12] = 255
            image = image.T if name == "across" else image
            Image.fromarray(image.astype(np.uint8)).save(root / "data" / name / f"{number}.png")
            Image.fromarray(mask).save(root / "data" / name / f"{number}_mask.png")
    (root / "stripes.py").write_text(MODEL)
    return root


@pytest.fixture(scope="session")
def options(place):
    """Options of a small calibration."""
    return {
        "data": str(place / "data"),
        "mask_role": "lesion",
        "model": (f"{place}/stripes.py:predict",),
        "metrics": ("deletion_mean", "sparseness", "iou"),
        "set": ("perturbation.steps=8",),
        "count": 20,
    }
