"""Every method under jit, vmap, grad, shard_map; one compilation; the same map for any batch and batch_size."""

import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax.explain import METHODS

HOST = {name for name, method in METHODS.items() if method.host}  # not traceable
# A while loop, a sort, an argmax or a threshold decides what these do next: their maps have no useful derivative.
NO_GRADIENT = {"cascade", "guided_ig", "smooth_guided_ig"}
TRACEABLE = sorted(METHODS.keys() - HOST)
# Few passes: these go through every transformation in every run, the others when slow tests
# are asked for, because each costs several compilations.
QUICK = {
    *("gradient", "input_x_gradient", "integrated_gradients", "grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam"),
    *("hires_cam", "random", "sobel", "center_gaussian", "ground_truth"),
}


def each(names):
    """A parameter for each name, slow where the method is."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


def close(a, b, tolerance=2e-4):
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, atol=tolerance * max(np.abs(b).max(), 1e-6))


@pytest.mark.parametrize("name", [n for n in METHODS if "batch_size" in METHODS[n].options])
def test_same_map_for_any_batch_size(name, cases):
    """Three images, two at a time: groups, chunks and their padding all occur."""
    case = cases(name)
    close(case(batch_size=2), case.maps)


@pytest.mark.parametrize("name", TRACEABLE)
def test_jit_and_vmap_and_an_image_alone(name, cases):
    """vmap over a batch of one image each, reversed: an image's map depends on nothing around it."""
    case = cases(name)

    def call(classifier, x, y, m):
        more = {} if m is None else {"masks": m[None]}
        return case(classifier=classifier, images=x[None], labels=y[None], **more)[0]

    masks = case.options.get("masks")
    rows = [None if v is None else v[::-1] for v in (case.images, case.labels, masks)]
    maps = jax.jit(jax.vmap(call, in_axes=(None, 0, 0, None if masks is None else 0)))(case.classifier, *rows)
    close(maps[::-1], case.maps)


@pytest.mark.parametrize("name", sorted(HOST))
def test_host_methods_take_an_image_alone_and_refuse_to_be_traced(name, cases):
    case = cases(name)
    close(case(images=case.images[1:2], labels=case.labels[1:2]), case.maps[1:2])
    with pytest.raises(TypeError, match=r"cannot be traced: call it outside jax\.jit"):
        jax.jit(lambda x: case(images=x))(case.images)


@pytest.mark.parametrize("name", each(sorted(set(TRACEABLE) - NO_GRADIENT)))
def test_gradient_of_a_function_of_the_map_is_finite(name, cases):
    case = cases(name)
    grads = jax.grad(lambda x: (case(images=x) ** 2).sum())(jnp.asarray(case.images))
    assert np.isfinite(grads).all()


@pytest.mark.parametrize("name", each(METHODS))
def test_one_compilation_for_twenty_calls(name, cases):
    case = cases(name)
    assert case.maps.any()  # compiled here
    before = len(case.traces)
    rng = np.random.default_rng(0)
    for call in range(20):
        params = jax.tree.map(lambda leaf, factor=1 + call / 100: leaf * factor, case.classifier.params)
        more = {"key": jax.random.key(call)} if "key" in case.options else {}
        images = rng.random(case.images.shape).astype(np.float32)
        case(classifier=case.classifier.with_params(params), images=images, labels=np.roll(case.labels, call), **more)
    assert len(case.traces) == before


# Each step of Guided IG and of extremal perturbation needs the one before: their images are the batch, and there are no
# variants to bound. HSIC compares every two of its scores.
ALONE = ("guided_ig", "extremal_perturbation", "hsic")
MANY = sorted(n for n in TRACEABLE if METHODS[n].cost > 10 and n not in ALONE)


@pytest.mark.parametrize("name", each(MANY))
def test_peak_memory_follows_batch_size_and_not_the_number_of_variants(name, cases):
    case = cases(name)

    def peak(batch_size, variants):
        more = {option: variants for option in ("steps", "draws", "count") if option in case.options}
        if name == "occlusion":
            more = {"stride": 1 if variants > 100 else 2}  # 144 windows or 49
        call = jax.jit(lambda c, x, y: case(classifier=c, images=x, labels=y, batch_size=batch_size, **more))
        compiled = call.lower(case.classifier, case.images[:1], case.labels[:1]).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    small = peak(4, 48)
    assert peak(48, 48) > 4 * small
    assert peak(4, 480) < 1.5 * small


SHARDED = """
    import functools, sys
    import jax, numpy as np
    from flax import nnx
    from jax.sharding import NamedSharding, PartitionSpec as P

    from xaijax.classifier import Classifier
    from xaijax.explain import METHODS

    assert jax.device_count() == 2

    class Act(nnx.Module):  # a layer of its own: CAM needs what the pooling reads
        def __call__(self, x):
            return nnx.relu(x)

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv1 = nnx.Conv(3, 4, (3, 3), rngs=rngs)
            self.conv2 = nnx.Conv(4, 6, (3, 3), strides=2, rngs=rngs)
            self.act = Act()
            self.dense = nnx.Linear(6, 3, rngs=rngs)

        def __call__(self, x):
            return self.dense(self.act(self.conv2(nnx.relu(self.conv1(x)))).mean((1, 2)))

    model = Classifier.from_nnx(Net(nnx.Rngs(0)), input_shape=(8, 8, 3))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rng = np.random.default_rng(0)
    images = rng.random((4, 8, 8, 3)).astype(np.float32)
    labels = np.array([0, 2, 1, 1], np.int32)
    masks = rng.random((4, 8, 8)) < 0.5
    row = NamedSharding(mesh, P("data"))
    small = {"steps": 5, "draws": 3, "count": 6, "window": 3, "stride": 2, "max_sigma": 2.0, "batch_size": 2}
    small |= {"regions": 2, "design": 2}
    failed = []
    for name, method in METHODS.items():
        if name not in sys.argv[1:] or method.host or "attention" in method.needs:
            continue
        options = {k: v for k, v in small.items() if k in method.options}
        if "key" in method.needs:
            options["key"] = jax.random.key(0)

        def call(classifier, x, y, m):
            more = {"masks": m} if "masks" in method.needs else {}
            return method.function(classifier, x, y, **options, **more)

        specs = (P(), P("data"), P("data"), P("data"))
        sharded = jax.jit(jax.shard_map(call, mesh=mesh, in_specs=specs, out_specs=P("data")))
        inputs = [jax.device_put(v, row) for v in (images, labels, masks)]
        compiled = sharded.lower(model, *inputs).compile()
        words = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
        found = [word for word in words if word in compiled.as_text()]
        got = np.asarray(compiled(model, *inputs))
        expected = np.asarray(call(model, images, labels, masks))
        if found or not np.allclose(got, expected, atol=2e-4 * max(1e-6, abs(expected).max())):
            failed.append((name, found, float(abs(got - expected).max())))
    print(failed)
    sys.exit(bool(failed))
"""


def rest(*families):
    """The methods of these families that do not go through every transformation in every run."""
    return sorted(name for name in METHODS.keys() - QUICK if METHODS[name].family in families)


@pytest.mark.parametrize(
    "names",
    [
        sorted(QUICK),
        pytest.param(rest("cam"), marks=pytest.mark.slow),
        pytest.param(rest("gradient"), marks=pytest.mark.slow),
        pytest.param(rest("perturbation", "region", "control"), marks=pytest.mark.slow),
    ],
    ids=["quick", "cam", "gradient", "perturbation"],
)
def test_shard_map_over_two_devices_without_any_collective(names):
    """In a process of its own: the number of devices is fixed when JAX starts."""
    import os

    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SHARDED), *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
