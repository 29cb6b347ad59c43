"""What a study costs: model passes of every cell, and hours, from the arithmetic of the networks.

Passes are forward passes of one image; a backward pass counts 2. Hours are passes times the operations of the network
over the speed of a convolution on this device, which is measured. Real work moves memory too: expect up to three times
as much.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Mapping
from typing import Any

from xaijax import _options
from xaijax._runs.metrics import expand_metrics
from xaijax.study.plan import Cell, Plan
from xaijax.study.reading import configured

STEP = 3
"""Passes of a training step for an image: forward and backward."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of a cell.

    Attributes:
        passes: forward passes of one image.
        operations: floating-point operations; None where the network cannot be counted.
        said: what is assumed or not counted.
    """

    passes: int
    operations: float | None
    said: str = ""


@dataclasses.dataclass(frozen=True)
class Network:
    """An architecture at a size.

    Attributes:
        operations: of a forward pass of one image.
        size: (height, width) of its images.
        channels, positions: of the layer that class activation maps look at.
        layers: with parameters.
    """

    operations: float
    size: tuple[int, int]
    channels: int
    positions: int
    layers: int


@functools.cache
def network(name: str, size: int | None, channels: int) -> Network:
    """Counts an architecture in one abstract forward pass: no parameters are made, and nothing is compiled."""
    from xaijax._network import probe
    from xaijax.classifier import Architecture, Classifier
    from xaijax.models import zoo
    from xaijax.models.zoo import _create
    from xaijax.preprocess import Preprocess

    found = zoo.entry(name)
    height, width, own = found.input_shape
    if size is not None:
        height = width = size
    shape = (height, width, channels or own)
    architecture = Architecture(found.name, ())
    params = _create.param_shapes(architecture, 3, shape)
    plain = Classifier(params, _create.network(architecture, 3, shape), (), shape, Preprocess())
    shown, traced = probe.follow(plain, params)
    counted: Any = traced.lower().cost_analysis()
    default = found.layer or shown.default_layer
    layer = shown.calls[default].shape if default else None
    assert layer is not None  # every architecture of the registry has one
    return Network(
        operations=float((counted or {}).get("flops", math.nan)) / probe.BATCH,
        size=(height, width),
        channels=int(layer[-1]),
        positions=math.prod(layer[:-1]),
        layers=len(shown.calls),
    )


def costs(plan: Plan, rule_best: int | None) -> dict[str, Cost]:
    """The cost of every cell that is not finished, by its name; a cell whose models are yet to be chosen counts the
    mean of all models."""
    found = {}
    for cell in plan.cells:
        if not cell.finished:
            found[cell.name] = _cost(plan, cell, rule_best)
    return found


def _cost(plan: Plan, cell: Cell, rule_best: int | None) -> Cost:
    images = plan.opened[cell.data].images
    if cell.kind == "training":
        assert cell.config is not None
        config = cell.config
        inside = round(images * (1 - config.validation - config.test))
        outside = images - inside
        passes = config.epochs * (STEP * inside + outside)
        return _of(plan, cell.models[0], passes, f"up to {config.epochs} epochs")
    held = max(1, round(images * _test_share(plan)))
    if cell.kind == "evaluation":
        repeats = len(plan.of("training", data=cell.data)) // max(1, len(plan.study.models))
        each = [_of(plan, model, held * repeats * (1 + STEP)) for model in plan.study.models]
        return _sum(each)
    chapter = plan.study.chapters[cell.chapter]
    if cell.kind == "cascade":
        return _cascade(plan, cell, images, held)
    every = cell.models or tuple(plan.study.models)
    count = configured("bench", chapter.options, cell.name).count
    scored = held if not count else min(count, held) if plan.opened[cell.data].dataset is not None else count
    each = [_of(plan, model, scored * _per_image(plan, model, chapter.options)) for model in every]
    total = _sum(each)
    if not cell.models and rule_best is not None:
        share = min(1.0, rule_best / len(every))
        operations = None if total.operations is None else total.operations * share
        total = Cost(round(total.passes * share), operations, f"the {rule_best} chosen models as the mean of all")
    calibration = configured("bench", chapter.options, cell.name).calibration
    if calibration not in (("none",),):
        total = dataclasses.replace(total, said="; ".join(filter(None, (total.said, "calibrations not counted"))))
    return total


def _test_share(plan: Plan) -> float:
    if plan.study.folds is not None:
        return 1 / plan.study.folds
    share = float(plan.study.training.get("test", 0.1))
    return share or float(plan.study.training.get("validation", 0.1))


def _cascade(plan: Plan, cell: Cell, images: int, held: int) -> Cost:
    from xaijax.study.plan import cascade

    config = cascade(plan, cell, "auto")
    trained = config.rounds * (1 + len(config.sweep_theta))
    passes = trained * (config.epochs * (STEP * images) + 2 * images)
    (model,) = cell.models
    own = _network(plan, model)
    explained = min(held, config.explained or held)
    passes += round(explained * (trained + sum(_method(name, {}, own) for name in config.compare)))
    return _of(plan, model, passes, f"{trained} trainings of up to {config.epochs} epochs")


def _per_image(plan: Plan, model: str, options: Mapping[str, Any]) -> float:
    """Passes of one image: explaining it by all methods, and scoring their maps."""
    from xaijax.explain import METHODS
    from xaijax.metrics import FAMILIES, METRICS

    own = _network(plan, model)
    config = configured("bench", options, "the plan")
    methods = [name for name in config.methods if name in METHODS]
    kinds = {name: one.kinds for table in (METHODS, FAMILIES) for name, one in table.items()}
    given = _options.from_texts(config.set, kinds)
    explaining = {name: _method(name, given.get(name, {}), own) for name in methods}
    total = sum(explaining.values())
    names = [name for name in expand_metrics(config.metrics) if name in METRICS]
    for family in dict.fromkeys(METRICS[name].family for name in names):
        settings = FAMILIES[family].read_settings(given.get(family, {}))
        cost = FAMILIES[family].passes(
            settings, own.size, [METRICS[name] for name in names if METRICS[name].family == family]
        )
        again = cost.explanations + cost.layers * own.layers
        total += cost.image + len(methods) * cost.map + again * sum(explaining.values())
    return total


def _method(name: str, given: Mapping[str, Any], own: Network) -> float:
    """Passes of a method for an image; with other options than the default, in proportion to steps, draws and masks."""
    from xaijax.explain import METHODS

    method = METHODS[name]
    cost = method.cost
    if math.isnan(cost):
        return float(own.channels if method.per == "channel" else own.positions)
    for option in ("steps", "count", "draws", "samples"):
        usual = method.options.get(option)
        if option in given and isinstance(usual, int) and usual:
            cost *= given[option] / usual
    return cost


def _network(plan: Plan, model: str) -> Network:
    own = dict(plan.study.training) | dict(plan.study.models[model])
    size = own.get("size")
    channels = {"1": 1, "3": 3}.get(str(own.get("channels", "")), 0)
    return network(str(own.get("model", model)), None if size is None else int(size), channels)


def _of(plan: Plan, model: str, passes: float, said: str = "") -> Cost:
    own = _network(plan, model).operations
    return Cost(round(passes), None if math.isnan(own) else passes * own, said)


def _sum(each: list[Cost]) -> Cost:
    operations = [one.operations for one in each]
    known = [value for value in operations if value is not None]
    return Cost(sum(one.passes for one in each), sum(known) if len(known) == len(operations) else None)


def speed(side: int = 28, channels: int = 128, images: int = 8) -> float:
    """Floating-point operations per second of a 3 x 3 convolution on this device, measured."""
    import jax
    import jax.numpy as jnp

    x = jnp.ones((images, side, side, channels), jnp.float32)
    kernel = jnp.ones((3, 3, channels, channels), jnp.float32)

    @jax.jit
    def run(x: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    run(x, kernel).block_until_ready()
    operations, repeats = 2.0 * images * side**2 * 9 * channels**2, 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < 0.3:
        run(x, kernel).block_until_ready()
        repeats += 1
    return operations * repeats / (time.perf_counter() - begun)
