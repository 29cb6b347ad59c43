"""CAM, Score-CAM, Ablation-CAM, Eigen-CAM, FullGrad, rollout, occlusion and RISE where the answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax.classifier import Classifier, UnsupportedError
from xaijax.explain.cams._fullgrad import fullgrad_with_gap
from xaijax.explain.cams._split import split
from xaijax.explain.perturbation._rise import rise_mask

RNG = np.random.default_rng(5)
A = RNG.random((2, 4, 4, 3)).astype(np.float32)
W = RNG.normal(size=(3, 4)).astype(np.float32)
B = RNG.normal(size=4).astype(np.float32)
LABELS = np.array([1, 3])
OWN = W[:, LABELS].T[:, None, None]


@pytest.fixture(scope="module")
def pooled():
    """`logits = mean(x) @ W + B`; the layer is the image."""
    return Classifier.from_functions(
        lambda p, x: x,
        lambda p, a: a.mean((1, 2)) @ p["w"] + p["b"],
        {"w": jnp.asarray(W), "b": jnp.asarray(B)},
        input_shape=(4, 4, 3),
    )


def test_cam_is_grad_cam_times_the_positions(pooled, model, images, labels):
    np.testing.assert_allclose(explain.cam(pooled, A, LABELS), (A * OWN).sum(-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        explain.cam(model, images, labels), 16 * explain.grad_cam(model, images, labels), rtol=1e-3, atol=1e-4
    )
    scaled = [
        method(model, images, labels, convention="pytorch-grad-cam") for method in (explain.cam, explain.grad_cam)
    ]
    np.testing.assert_allclose(*scaled, atol=1e-3)


def test_cam_refuses_another_ending():
    flat = Classifier.from_functions(
        lambda p, x: x, lambda p, a: jax.nn.relu(a).max((1, 2)) @ p, jnp.asarray(W), input_shape=(4, 4, 3)
    )
    with pytest.raises(ValueError, match="cam needs a model that ends in global average pooling"):
        explain.cam(flat, A)


def test_score_cam_of_a_model_that_looks_at_one_channel():
    """The score is a steep function of one corner, which only the channels that light it let through."""
    row, column = np.mgrid[:8, :8]
    corner = (row < 4) & (column < 4)
    planes = np.stack([row >= 4, (row < 4) & (column >= 4), corner], -1).astype(np.float32)

    def features(p, x):  # three fixed planes, and what the model looks at
        return jnp.concatenate([jnp.broadcast_to(p[None], (x.shape[0], 8, 8, 3)), x * p[None, :, :, 2:]], axis=-1)

    def head(p, a):
        seen = a[..., 3].mean((1, 2))
        return jnp.stack([1000 * seen, jnp.zeros_like(seen)], 1)

    looking = Classifier.from_functions(features, head, jnp.asarray(planes), input_shape=(8, 8, 1))
    got = explain.score_cam(looking, np.ones((1, 8, 8, 1), np.float32), 0)[0]
    # Channels 2 and 3 are the corner itself: full score, weight 1/2 each; the others leave nothing, weight 0.
    np.testing.assert_allclose(got, corner, atol=1e-5)


def test_score_cam_weights_and_max_channels(pooled):
    got = {n: np.asarray(explain.score_cam(pooled, A, LABELS, max_channels=n)) for n in (None, 1, 2)}
    low, high = A.min((1, 2), keepdims=True), A.max((1, 2), keepdims=True)
    masks = (A - low) / (high - low)
    # [B, channel of the mask]: logits of the label for the image seen through each channel
    scores = np.stack([((A * masks[..., [c]]).mean((1, 2)) @ W + B)[[0, 1], LABELS] for c in range(3)], 1)

    def weighted(keep):
        e = np.where(keep, np.exp(scores), 0)
        return np.einsum("bhwc,bc->bhw", A, e / e.sum(1, keepdims=True))

    order = np.argsort(-A.std((1, 2)), axis=1)
    for n, found in got.items():
        keep = np.zeros((2, 3), bool)
        np.put_along_axis(keep, order[:, : 3 if n is None else n], True, 1)
        np.testing.assert_allclose(found, weighted(keep), rtol=1e-4)
    plain = explain.score_cam(pooled, A, LABELS, convention="tf-keras-vis", target="logit")
    np.testing.assert_allclose(plain, np.einsum("bhwc,bc->bhw", A, scores), rtol=1e-4)


def test_ablation_cam_closed_form(pooled):
    y = (A.mean((1, 2)) @ W + B)[[0, 1], LABELS]
    weights = A.mean((1, 2)) * W[:, LABELS].T / y[:, None]
    expected = np.einsum("bhwc,bc->bhw", A, weights)
    np.testing.assert_allclose(explain.ablation_cam(pooled, A, LABELS, batch_size=2), expected, rtol=1e-3, atol=1e-6)


def test_ablation_cam_runs_the_backbone_once(model, images, labels):
    """FLOPs of the compiled program: 16 ablated channels of the last layer cost less than one more backbone."""

    def flops(batch_size):
        call = jax.jit(lambda c, x, y: explain.ablation_cam(c, x, y, batch_size=batch_size))
        return call.lower(model, images, labels).compile().cost_analysis()["flops"]

    forward = jax.jit(lambda c, x: c.logits(c.params, x)).lower(model, images).compile().cost_analysis()["flops"]
    assert flops(48) < 1.5 * forward


def test_split_runs_early_parts_once_with_skip_connections():
    def function(early, late):
        backbone = jnp.tanh(early["x"] @ early["w"])  # early
        mixed = jax.jit(lambda a, b: (jax.nn.relu(a * b), a + 1))(backbone, late)  # half of a call is late
        return mixed[0] + backbone, mixed[1]

    early = {"x": jnp.asarray(RNG.normal(size=(3, 4))), "w": jnp.asarray(RNG.normal(size=(4, 5)))}
    residuals, head = split(function, early, jnp.zeros((3, 5)))
    late = jnp.asarray(RNG.normal(size=(6, 3, 5)))
    for got, expected in zip(
        jax.vmap(head, in_axes=(None, 0))(residuals, late),
        jax.vmap(function, in_axes=(None, 0))(early, late),
        strict=True,
    ):
        np.testing.assert_allclose(got, jnp.broadcast_to(expected, got.shape), rtol=1e-6)
    assert "dot_general" not in str(jax.make_jaxpr(head)(residuals, late[0]))


@pytest.mark.parametrize("shape", [(3, 5, 5, 8), (3, 3, 3, 20)])
@pytest.mark.parametrize("center", [False, True])
def test_first_projection_is_that_of_an_svd(shape, center):
    from xaijax.explain.cams._eigen_cam import first_projection

    values = RNG.normal(size=shape).reshape(shape[0], -1, shape[-1]) + RNG.normal(size=shape[-1])
    for got, rows in zip(first_projection(jnp.asarray(values, jnp.float32), center=center), values, strict=True):
        rows = rows - rows.mean(0) if center else rows
        expected = rows @ np.linalg.svd(rows, full_matrices=False)[2][0]
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(got, expected, atol=2e-4 * np.abs(expected).max())


def test_fullgrad_is_complete(model, images, labels):
    """ReLU network: input, convolution, batch-norm and dense biases make up the logit, preprocessing's shift too."""
    maps, gap = fullgrad_with_gap(model, images, labels)
    assert maps.shape == (3, 16, 16)
    np.testing.assert_allclose(gap, 0, atol=2e-5 * float(np.abs(model.logits(model.params, images)).max()))


def test_fullgrad_counts_the_preprocessing(net_class, images, labels):
    from flax import nnx

    shifted = Classifier.from_nnx(net_class(nnx.Rngs(1)), input_shape=(16, 16, 3), preprocess="torch")
    y = np.abs(shifted.logits(shifted.params, images)).max()
    _, gap = fullgrad_with_gap(shifted, images, labels)
    np.testing.assert_allclose(gap, 0, atol=2e-5 * float(y))


def test_fullgrad_needs_biases(pooled):
    with pytest.raises(UnsupportedError, match="biases need the layers of a model"):
        explain.fullgrad(pooled, A)


def test_rollout_of_one_block_is_its_class_row(cases):
    case = cases("attention_rollout")
    attention = np.asarray(
        case.classifier.tapped(case.classifier.params, case.images, {"attention": None})[1]["attention"]
    )
    mixed = (attention.mean(1) + np.eye(17)) / 2
    np.testing.assert_allclose(mixed.sum(-1), 1, rtol=1e-5)
    expected = explain.resize(jnp.asarray(mixed[:, 0, 1:].reshape(3, 4, 4)), (16, 16))
    np.testing.assert_allclose(case.maps, expected, rtol=1e-4)
    twice = case(layer=("attention", "attention"))
    expected = explain.resize(jnp.asarray((mixed @ mixed)[:, 0, 1:].reshape(3, 4, 4)), (16, 16))
    np.testing.assert_allclose(twice, expected, rtol=1e-4)


def test_rollout_refuses_a_convolutional_network(model, images):
    with pytest.raises(ValueError, match="attention_rollout needs a vision transformer"):
        explain.attention_rollout(model, images)


def test_occlusion_of_a_linear_model():
    weights = RNG.normal(size=(9, 10, 2, 3)).astype(np.float32)
    linear = Classifier.from_function(
        lambda w, x: jnp.einsum("bhwc,hwck->bk", x, w), jnp.asarray(weights), input_shape=(9, 10, 2)
    )
    x = RNG.random((2, 9, 10, 2)).astype(np.float32)
    share = (x * np.moveaxis(weights[..., LABELS - 1], -1, 0)).sum(-1)  # what each pixel adds
    for window, stride in ((3, 1), (4, 3), (5, 5)):
        total, hits = np.zeros_like(share), np.zeros((9, 10))
        for top in range(0, 9 - window + stride, stride):
            for left in range(0, 10 - window + stride, stride):
                box = (slice(top, top + window), slice(left, left + window))
                total[(slice(None), *box)] += share[(slice(None), *box)].sum((1, 2), keepdims=True)
                hits[box] += 1
        assert hits.min() >= 1
        got = explain.occlusion(linear, x, LABELS - 1, window=window, stride=stride)
        np.testing.assert_allclose(got, total / hits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 17}, "window must be from 1 to 16 pixels"),
        ({"window": 4, "stride": 5}, "stride must be from 1 to window = 4"),
        ({"baseline": ("black", "white")}, "occlusion takes one baseline; got 2"),
    ],
)
def test_occlusion_options(model, images, options, words):
    with pytest.raises(ValueError, match=words):
        explain.occlusion(model, images, **options)


def test_rise_masks_have_mean_p_at_every_pixel():
    keys = jax.random.split(jax.random.key(0), 4000)
    masks = jax.vmap(lambda k: rise_mask(k, (20, 13), 5, 0.3))(keys)
    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=4 * 0.46 / np.sqrt(4000))


def test_rise_of_a_constant_score_is_that_score_times_the_masks():
    constant = Classifier.from_function(
        lambda p, x: jnp.broadcast_to(p, (x.shape[0], 2)), jnp.array([3.0, 1.0]), input_shape=(8, 8, 1)
    )
    got = explain.rise(constant, np.zeros((1, 8, 8, 1)), 0, key=jax.random.key(0), count=500, target="logit", grid=4)
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(0), jnp.arange(500))
    masks = jax.vmap(lambda k: rise_mask(k, (8, 8), 4, 0.5))(keys)
    np.testing.assert_allclose(got[0], 3.0 * masks.mean(0) / 0.5, rtol=1e-4)


def test_rise_finds_the_pixel_that_matters():
    lit = Classifier.from_function(
        lambda p, x: jnp.stack([x[:, 10, 5, 0], 0 * x[:, 0, 0, 0]], 1), jnp.zeros(1), input_shape=(21, 21, 1)
    )
    maps = explain.rise(lit, np.ones((1, 21, 21, 1)), 0, key=jax.random.key(2), count=2000, target="logit")
    row, column = np.unravel_index(np.argmax(maps[0]), (21, 21))
    assert abs(row - 10) <= 1
    assert abs(column - 5) <= 1
