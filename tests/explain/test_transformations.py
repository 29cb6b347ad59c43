"""Every method under jit, vmap, grad, shard_map; one compilation; the same map for any batch and batch_size."""

import functools
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax.explain import METHODS

HOST = {"xrai"}  # segments the image on the host: not traceable
# A while loop, a sort or an argmax decides what these do next: their maps have no useful derivative.
NO_GRADIENT = {"guided_ig", "xrai"}
TRACEABLE = sorted(METHODS.keys() - HOST)


def close(a, b, tolerance=2e-4):
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, atol=tolerance * max(np.abs(b).max(), 1e-6))


@pytest.mark.parametrize("name", METHODS)
def test_same_map_alone_in_a_batch_and_for_any_batch_size(name, model, images, labels, cheap_options):
    options = cheap_options(name, images)
    method = METHODS[name].function
    maps = method(model, images, labels, **options)
    if "masks" not in options:
        close(method(model, images[1:2], labels[1:2], **options), maps[1:2])
    if "batch_size" in METHODS[name].options:
        close(method(model, images, labels, batch_size=2, **options), maps)


@pytest.mark.parametrize("name", TRACEABLE)
def test_jit_and_vmap(name, model, images, labels, cheap_options):
    options = cheap_options(name, images)
    masks = options.pop("masks", None)
    method = functools.partial(METHODS[name].function, **options)

    def call(classifier, x, y, m):
        return method(classifier, x, y) if masks is None else method(classifier, x, y, masks=m)

    m = np.zeros(images.shape[:3], bool) if masks is None else masks
    maps = call(model, images, labels, m)
    stacked = [np.stack([v, v[::-1]]) for v in (images, labels, m)]
    both = jax.jit(jax.vmap(call, in_axes=(None, 0, 0, 0)))(model, *stacked)
    close(both[0], maps)
    close(both[1], maps[::-1])


@pytest.mark.parametrize("name", sorted(set(TRACEABLE) - NO_GRADIENT))
def test_gradient_of_a_function_of_the_map_is_finite(name, model, images, labels, cheap_options):
    options = cheap_options(name, images)

    def roughness(x):
        return (METHODS[name].function(model, x, labels, **options) ** 2).sum()

    assert np.isfinite(jax.grad(roughness)(jnp.asarray(images))).all()


@pytest.mark.parametrize("name", METHODS)
def test_one_compilation_for_twenty_calls(name, counted, cheap_options):
    classifier, counter = counted
    needs = METHODS[name].needs & {"head", "biases", "relu", "attention"}
    if needs - {"head", "relu"}:
        pytest.skip("needs more layers than a function pair has; the compiling is the same code")
    rng = np.random.default_rng(0)
    after_first = None
    for call in range(20):
        images = rng.random((2, 16, 16, 3)).astype(np.float32)
        options = cheap_options(name, images)
        if "key" in options:
            options["key"] = jax.random.key(call)
        params = jax.tree.map(lambda leaf, factor=1 + call / 100: leaf * factor, classifier.params)
        METHODS[name].function(classifier.with_params(params), images, np.array([call % 4, 1]), **options)
        after_first = counter.traces if call == 0 else after_first
    assert counter.traces == after_first


@pytest.mark.parametrize("name", sorted(n for n in TRACEABLE if METHODS[n].cost > 10))
def test_peak_memory_follows_batch_size(name, model, images, labels, cheap_options):
    options = cheap_options(name, images)

    def peak(size):
        call = jax.jit(lambda c, x, y: METHODS[name].function(c, x, y, batch_size=size, **options))
        many = np.repeat(images, 4, axis=0), np.repeat(labels, 4)
        return call.lower(model, *many).compile().memory_analysis().temp_size_in_bytes

    small, large = peak(2), peak(24)
    assert large > 3 * small


SHARDED = """
    import functools, sys
    import jax, numpy as np
    from flax import nnx
    from jax.sharding import NamedSharding, PartitionSpec as P

    from xaijax.classifier import Classifier
    from xaijax.explain import METHODS

    assert jax.device_count() == 2

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv1 = nnx.Conv(3, 4, (3, 3), rngs=rngs)
            self.conv2 = nnx.Conv(4, 6, (3, 3), strides=2, rngs=rngs)
            self.dense = nnx.Linear(6, 3, rngs=rngs)

        def __call__(self, x):
            return self.dense(nnx.relu(self.conv2(nnx.relu(self.conv1(x)))).mean((1, 2)))

    model = Classifier.from_nnx(Net(nnx.Rngs(0)), input_shape=(8, 8, 3))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rng = np.random.default_rng(0)
    images = rng.random((4, 8, 8, 3)).astype(np.float32)
    labels = np.array([0, 2, 1, 1], np.int32)
    masks = rng.random((4, 8, 8)) < 0.5
    row = NamedSharding(mesh, P("data"))
    small = {"steps": 5, "draws": 3, "count": 6, "window": 3, "stride": 2, "max_sigma": 2.0, "batch_size": 2}
    failed = []
    for name, method in METHODS.items():
        if name == "xrai" or "attention" in method.needs:
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


def test_shard_map_over_two_devices_without_any_collective():
    """In a process of its own: the number of devices is fixed when JAX starts."""
    import os

    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SHARDED)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
