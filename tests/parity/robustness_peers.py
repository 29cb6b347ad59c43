"""Makes tests/metrics/data/robustness.npz: infidelity, sensitivity, randomisation by Captum and Quantus.

Run in an environment of its own, from the repository's root:

    python -m venv peers
    peers/bin/pip install torch==2.13.0 numpy scipy scikit-image scikit-learn pandas opencv-python-headless
    peers/bin/pip install --no-deps torchvision==0.28.0 captum==0.9.0 quantus==0.6.0
    peers/bin/python tests/parity/robustness_peers.py

Both are called as black boxes through their public functions, with perturbations (and, for MPRT, maps) that are drawn
here and stored, so that the same numbers go in on both sides. The model is `tanh(x V) W`, the map its gradient.
"""

import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

# torchvision's compiled operators do not match a CPU torch; nothing here calls them, importing needs their names.
if not hasattr(torch.ops.torchvision, "nms"):  # a test of the same process may have named them
    _library = torch.library.Library("torchvision", "FRAGMENT")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import quantus
from captum.metrics import infidelity, sensitivity_max

OUT = Path(__file__).parents[1] / "metrics" / "data" / "robustness.npz"
COUNT, SIDE, HIDDEN, CLASSES, DRAWS, STAGES = 3, 12, 10, 3, 8, 3


class Net(torch.nn.Module):
    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        super().__init__()
        self.one = torch.nn.Linear(SIDE * SIDE, HIDDEN, bias=False).double()
        self.two = torch.nn.Linear(HIDDEN, CLASSES, bias=False).double()
        self.three = torch.nn.Linear(CLASSES, CLASSES, bias=False).double()  # only for the number of layers
        with torch.no_grad():
            self.one.weight.copy_(torch.tensor(first.T))
            self.two.weight.copy_(torch.tensor(second.T))
            self.three.weight.copy_(torch.eye(CLASSES, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.three(self.two(torch.tanh(self.one(x.reshape(len(x), -1)))))


def gradient(net: Net, x: torch.Tensor, target: int) -> torch.Tensor:
    with torch.enable_grad():  # Captum switches gradients off around the explainer
        x = x.detach().requires_grad_()
        return torch.autograd.grad(net(x)[:, target].sum(), x)[0]


def quantus_maps(model, inputs, targets, **_):
    x = torch.tensor(np.asarray(inputs), dtype=torch.float64)
    return np.concatenate([gradient(model, x[i : i + 1], int(t)).numpy() for i, t in enumerate(targets)])


def given(draws):
    """A perturbation for Quantus that adds these draws, one per call, whatever it asks for."""
    left = iter(draws)
    return lambda arr, **_: arr + next(left).reshape(arr.shape)


def main() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((COUNT, SIDE, SIDE))
    first, second = 0.3 * rng.standard_normal((SIDE * SIDE, HIDDEN)), rng.standard_normal((HIDDEN, CLASSES))
    labels = np.array([0, 2, 1])
    net = Net(first, second).eval()
    x = torch.tensor(images[:, None])
    maps = np.concatenate([gradient(net, x[i : i + 1], int(labels[i])).numpy() for i in range(COUNT)])[:, 0]
    other = maps * rng.uniform(0.2, 3.0, maps.shape)  # maps that are not the gradient
    noise = 0.2 * rng.standard_normal((COUNT, DRAWS, SIDE, SIDE))
    cube = rng.uniform(-0.02, 0.02, (COUNT, DRAWS, SIDE, SIDE))
    found: dict[str, list[float]] = {}

    def keep(name: str, value) -> None:
        found.setdefault(name, []).append(float(np.asarray(value).reshape(-1)[0]))

    for i in range(COUNT):
        drawn = torch.tensor(noise[i][:, None])
        for name, values in (("gradient", maps), ("other", other)):
            for normalize in (False, True):
                result = infidelity(
                    net,
                    lambda inputs, drawn=drawn: (drawn, inputs - drawn),
                    x[i : i + 1],
                    torch.tensor(values[i][None, None]),
                    target=int(labels[i]),
                    n_perturb_samples=DRAWS,
                    normalize=normalize,
                )
                keep(f"infidelity_{name}_{normalize}", result)
        moved = torch.tensor(cube[i][:, None])
        result = sensitivity_max(
            lambda inputs, label=int(labels[i]): (gradient(net, inputs[0], label),),
            x[i : i + 1],
            perturb_func=lambda inputs, radius, moved=moved: (inputs[0] + moved,),
            n_perturb_samples=DRAWS,
        )
        keep("max_sensitivity_captum", result)
        data = {"x_batch": images[i : i + 1, None], "y_batch": labels[i : i + 1], "a_batch": maps[i : i + 1, None]}
        common = {"disable_warnings": True, "display_progressbar": False}
        metric = quantus.MaxSensitivity(nr_samples=DRAWS, perturb_func=given(cube[i]), **common)
        keep("max_sensitivity_quantus", metric(net, **data, channel_first=True, explain_func=quantus_maps))
        metric = quantus.LocalLipschitzEstimate(
            nr_samples=DRAWS, normalise=False, perturb_func=given(noise[i]), **common
        )
        keep("local_lipschitz_quantus", metric(net, **data, channel_first=True, explain_func=quantus_maps))

    # MPRT compares the maps it is given: the explainer hands out stored ones, call by call. The first call is for the
    # model as it is: Quantus counts it as a layer ("original"), which lifts its average towards 1.
    stages = rng.standard_normal((STAGES + 1, COUNT, SIDE, SIDE))
    stages[1:] += 0.7 * stages[0]
    calls = iter(stages)
    by_layer = quantus.MPRT(layer_order="top_down", **common)(
        net,
        x_batch=images[:, None],
        y_batch=labels,
        a_batch=stages[0][:, None],
        channel_first=True,
        explain_func=lambda **_: next(calls)[:, None],
    )
    assert list(by_layer) == ["original", "three", "two", "one"]
    arrays = {name: np.asarray(values) for name, values in found.items()}
    np.savez_compressed(
        OUT,
        images=images,
        labels=labels,
        first=first,
        second=second,
        maps=maps,
        other=other,
        noise=noise,
        cube=cube,
        stages=stages,
        mprt=np.asarray(list(by_layer.values()), np.float64),
        made_by=np.array(
            f"python tests/parity/robustness_peers.py; captum {metadata.version('captum')}, quantus "
            f"{metadata.version('quantus')}, torch {torch.__version__}, Python {sys.version.split()[0]}"
        ),
        **arrays,
    )
    for name, values in arrays.items():
        print(name, values)
    print("mprt", by_layer)


if __name__ == "__main__":
    main()
