"""Metrics of other packages through the adapters give what the packages give when they are called by themselves."""

import zlib

import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.metrics.calibration import OtherMetric, calibrate, from_captum, from_pytorch_grad_cam, from_quantus
from xaijax.metrics.calibration.case import Scene
from xaijax.metrics.calibration.peers import GRAD_CAM, QUANTUS

SIDE, CLASSES, LABEL = 16, 3, 1
RNG = np.random.default_rng(0)
WEIGHTS = (0.3 * RNG.standard_normal((SIDE * SIDE, CLASSES))).astype(np.float32)
IMAGE = RNG.random((SIDE, SIDE, 1)).astype(np.float32)
MAPS = RNG.random((3, SIDE, SIDE))


class Linear:
    """A softmax of logits that are linear in the pixels."""

    output = "softmax"
    classes = ("a", "b", "c")
    thresholds = None

    def scores(self, images):
        return np.asarray(images, np.float64).reshape(len(images), -1) @ WEIGHTS

    def predict(self, images):
        odds = np.exp(self.scores(images))
        return odds / odds.sum(axis=1, keepdims=True)


SCENE = Scene(Linear(), IMAGE, LABEL, MAPS[0])


def torch_model(softmax):
    """The same model, written in PyTorch."""
    import torch

    layer = torch.nn.Linear(SIDE * SIDE, CLASSES, bias=False)
    layer.weight.data = torch.from_numpy(WEIGHTS.T.copy())
    return torch.nn.Sequential(torch.nn.Flatten(), layer, *([torch.nn.Softmax(-1)] if softmax else [])).eval()


def need_torchvision():
    """pytorch-grad-cam imports torchvision, which may lack its compiled operators."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.xaijax_library = library


def seed():
    import torch

    number = zlib.crc32(IMAGE.tobytes())
    np.random.seed(number)  # noqa: NPY002
    torch.manual_seed(number)


SETTINGS = {
    "FaithfulnessCorrelation": {"nr_runs": 20, "subset_size": 40},
    "FaithfulnessEstimate": {"features_in_step": 16},
    "Infidelity": {"perturb_patch_sizes": [8], "n_perturb_samples": 1},
    "Monotonicity": {"features_in_step": 16},
    "MonotonicityCorrelation": {"features_in_step": 32, "nr_samples": 5},
    "PixelFlipping": {"features_in_step": 16},
    "RegionPerturbation": {"patch_size": 4, "regions_evaluation": 8},
    "ROAD": {"percentages": [20, 50, 80]},
    "Selectivity": {"patch_size": 4},
}


@pytest.mark.parametrize("name", QUANTUS, ids=str)
@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_quantus(name, monkeypatch):
    import quantus

    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    settings = SETTINGS.get(name, {})
    found = from_quantus(name, **settings).scores(SCENE, MAPS)
    more = {"return_auc_per_sample": True} if name == "PixelFlipping" else {}
    direct = getattr(quantus, name)(
        **settings, **more, return_aggregate=False, disable_warnings=True, display_progressbar=False
    )

    def call(maps):
        return direct(
            model=torch_model(softmax=False),
            x_batch=np.repeat(IMAGE[None, ..., 0][None], len(maps), axis=0),
            y_batch=np.full(len(maps), LABEL),
            a_batch=maps[:, None].copy(),
            channel_first=True,
        )  # with the package's own default of probabilities or logits

    seed()
    if name == "ROAD":
        wanted = [np.mean(list(call(one[None]).values())) for one in MAPS]
    else:
        wanted = [float(np.mean(one)) for one in call(MAPS)]
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=1e-6)
    assert len(set(wanted)) > 1 or name in ("Monotonicity", "EffectiveComplexity", "ROAD"), wanted


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_captum(normalize):
    """Each map by itself, on draws that are made here."""
    import torch
    from captum.metrics import infidelity

    draws, noise = 6, 0.1
    found = from_captum(draws=draws, noise=noise, normalize=normalize).scores(SCENE, MAPS)
    x = torch.from_numpy(IMAGE[None, ..., 0][None].copy())
    model, wanted = torch_model(softmax=False), []
    for one in MAPS:
        seed()

        def change(given):
            drawn = noise * float(np.ptp(IMAGE)) * torch.randn(1, *given.shape[1:])
            return drawn, given - drawn

        attributions = torch.from_numpy(one[None, None].astype(np.float32))
        wanted += infidelity(
            model,
            change,
            x,
            attributions,
            target=LABEL,
            n_perturb_samples=draws,
            max_examples_per_batch=1,
            normalize=normalize,
        ).tolist()
    np.testing.assert_allclose(found, wanted, rtol=1e-3)
    assert len(set(wanted)) == 3


@pytest.mark.parametrize("name", GRAD_CAM, ids=str)
@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_pytorch_grad_cam(name):
    import importlib

    import torch

    need_torchvision()
    found = from_pytorch_grad_cam(name).scores(SCENE, MAPS)
    module = importlib.import_module(f"pytorch_grad_cam.metrics.{GRAD_CAM[name][0]}")
    x = torch.from_numpy(np.repeat(IMAGE[None, ..., 0][None], len(MAPS), axis=0))
    direct, model = getattr(module, name)(), torch_model(softmax=True)
    seed()
    wanted = direct(x, MAPS.astype(np.float32), [lambda out: out[LABEL]] * len(MAPS), model)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_draws_follow_from_the_image_and_leave_the_program_s_own_alone():
    import torch

    metric = from_quantus("FaithfulnessCorrelation", nr_runs=5, subset_size=20)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    expected = np.random.rand(), float(torch.rand(1))  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    first = metric.scores(SCENE, MAPS)
    assert (np.random.rand(), float(torch.rand(1))) == expected  # noqa: NPY002
    assert metric.scores(SCENE, MAPS) == first


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_a_calibration_judges_them():
    """Deletion by a hard-wired model: hiding the bright square lowers the probability, the truth deletes it first."""

    class Bright:
        classes = ("dark", "bright")

        def predict(self, images):
            p = 1 / (1 + np.exp(4 - 16 * images[:, 4:12, 4:12].mean(axis=(1, 2, 3))))
            return np.stack([1 - p, p], axis=1)

    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (10, SIDE, SIDE, 1)).astype(np.uint8)
    images[:, 3:13, 3:13] += 180
    masks = np.zeros((10, SIDE, SIDE), bool)
    masks[:, 4:12, 4:12] = True
    others = {
        "flip": from_quantus("PixelFlipping", features_in_step=16),
        "sparse": from_quantus("Sparseness"),
        "upside down": from_quantus("PixelFlipping", features_in_step=16, higher_is_better=True),
    }
    made = calibrate(Bright(), images, [1] * 10, masks=masks, metrics=(), others=others, constructions=["view"])
    view = {name: one.constructions["view"] for name, one in made.metrics.items()}
    assert view["flip"].twin.value > 0.9
    assert view["upside down"].twin.value == pytest.approx(1 - view["flip"].twin.value)
    assert view["sparse"].twin.value == 0.5


def test_a_batched_metric_gets_all_maps_and_gives_as_many_numbers():
    seen = []

    def energy(predict, image, label, maps):
        seen.append((predict(image[None])[0, label], maps.shape))
        return maps.sum(axis=(1, 2))

    found = OtherMetric(energy, True, batched=True).scores(SCENE, list(MAPS))
    np.testing.assert_allclose(found, MAPS.sum(axis=(1, 2)))
    assert seen == [(pytest.approx(Linear().predict(IMAGE[None])[0, LABEL]), (3, SIDE, SIDE))]
    with pytest.raises(InputError, match="one number for each of 3 maps, since batched is True"):
        OtherMetric(lambda *_: 1.0, True, batched=True).scores(SCENE, list(MAPS))


def test_a_metric_that_needs_logits_gets_logits():
    found = OtherMetric(lambda predict, image, label, _: predict(image[None])[0, label], True, "logits")
    assert found.scores(SCENE, [MAPS[0]])[0] == pytest.approx(Linear().scores(IMAGE[None])[0, LABEL])


def test_findings_have_a_column_for_each_label():
    class Findings:
        output = "sigmoid"
        thresholds = None

        def predict(self, images):
            return np.full((len(images), 2), 0.25)

    absent = Scene(Findings(), IMAGE, 3, MAPS[0])
    found = OtherMetric(lambda predict, image, label, _: predict(image[None])[0, label], True)
    assert found.scores(absent, [MAPS[0]]) == [0.75]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: from_quantus("SensitivityN"), "'SensitivityN' of Quantus cannot be judged on maps of one image"),
        (lambda: from_pytorch_grad_cam("ARCC"), "unknown metric 'ARCC' of pytorch-grad-cam; choose from ROADCombined"),
    ],
)
def test_what_is_not_known_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_a_package_that_is_missing_is_named(monkeypatch):
    import importlib

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    for call, package in ((from_captum, "captum"), (lambda: from_quantus("IROF"), "quantus")):
        with pytest.raises(InputError, match=f"pip install {package}, or leave its metrics out"):
            call()
