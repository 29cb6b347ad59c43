"""Thresholds in NumPy and SciPy: no tables, no Newton steps, whole arrays through SciPy's special functions."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erfcx, log_ndtr, ndtr, ndtri

Floats = NDArray[np.float64]
LAPLACE, CAUCHY = 0, 1
MEDIAN, MEAN, HARD, SOFT = 0, 1, 2, 3
LARGEST = 1e20
ROOT_TWO_PI = np.sqrt(2 * np.pi)


def top_k_threshold(maps: NDArray[Any], percent: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The maps, and which of them hold NaN."""
    pixels = maps.shape[-2] * maps.shape[-1]
    k = min(max(int(np.ceil(percent * pixels / 100.0 * (1 - 1e-12))), 1), pixels)
    flat = maps.reshape(*maps.shape[:-2], pixels)
    least = np.partition(flat, pixels - k, axis=-1)[..., pixels - k, None, None]
    broken = np.isnan(flat).any(axis=-1)
    return np.where(maps >= least, maps, maps.dtype.type(0)), broken


def mills(z: Any) -> Floats:
    """Φ(-z)/φ(z)."""
    return np.sqrt(np.pi / 2) * erfcx(np.asarray(z) / np.sqrt(2))


def phi(z: Any) -> Floats:
    """Standard normal density."""
    return np.exp(-0.5 * np.square(z)) / ROOT_TWO_PI


def beta(x: Any, prior: int, a: float) -> Floats:
    """`(γ∗φ)(x)/φ(x) - 1`, at most 1e20."""
    x = np.minimum(np.abs(np.asarray(x, np.float64)), 30.0)  # above 1e20 there already
    if prior == LAPLACE:
        value = a / 2 * (mills(x + a) + mills(a - x)) - 1
    else:
        half = np.maximum(x * x / 2, 1e-300)
        value = np.where(x < 1e-3, -0.5 + half / 4, np.expm1(half) / (2 * half) - 1)
    return np.minimum(value, LARGEST)


def inverse_weight(t: float, prior: int, a: float) -> float:
    """1/w of the prior whose median threshold is t."""
    if prior == LAPLACE:
        return float(a / 2 * (mills(a - t) - mills(t + a)) + 1)
    if t < 1e-3:
        return 1 + t * np.sqrt(2 / np.pi) / 3
    return float(1 + (ndtr(t) - t * phi(t) - 0.5) / (np.sqrt(np.pi / 2) * phi(t) * t * t))


def threshold_from_weight(w: float, prior: int, a: float) -> float:
    """Where the posterior median leaves zero."""
    if w >= 1.0:
        return 0.0
    return float(brentq(lambda t: inverse_weight(t, prior, a) - 1 / w, 0.0, 25.0, xtol=1e-14, rtol=1e-14))


def posterior_mean(x: Floats, w: float, prior: int, a: float) -> Floats:
    """For x >= 0."""
    if prior == LAPLACE:
        b = beta(x, prior, a)
        left = log_ndtr(x - a)
        right = np.log(mills(x + a)) - 0.5 * np.square(x - a) - np.log(ROOT_TWO_PI)
        mean = w * (1 + b) / (1 + w * b) * (x - a * np.tanh((left - right) / 2))
        return np.where(x < 0.1, x * _laplace_share_near_zero(np.minimum(x, 0.1), w, a), mean)
    safe = np.maximum(x, 1e-4)
    e = np.exp(-0.5 * safe * safe)
    rest = -np.expm1(-0.5 * safe * safe)
    mean = w * (safe - 2 * rest / safe) / (w * rest + (1 - w) * e * safe * safe)
    v = np.minimum(x, 0.02) ** 2 / 2
    of_v = np.where(v > 0, -np.expm1(-v) / np.where(v > 0, v, 1), 1.0)
    near = x * w * (1 - v / 3 + v * v / 12) / 2 / (w * of_v + 2 * (1 - w) * np.exp(-v))
    return np.where(x < 0.02, near, mean)


def _laplace_share_near_zero(x: Floats, w: float, a: float) -> Floats:
    """Mean over value by Tweedie's formula, `1 + f'(x)/(x f(x))`, f as a power series about 0.

    f = (1 - w) φ + w g; g has even derivatives g_0 = a M(a), g_{n+2} = a² (g_n - φ_n) at 0, in units of φ(0).
    """
    g, normal, total, marginal = a * float(mills(a)), 1.0, np.zeros_like(x), np.zeros_like(x)
    for k in range(10):
        following = a * a * (g - normal)
        power = x ** (2 * k) / math.factorial(2 * k)
        total = total + power * (g + following / (2 * k + 1))
        marginal = marginal + power * g
        g, normal = following, -(2 * k + 1) * normal
    return w * total / ((1 - w) * np.exp(-x * x / 2) + w * marginal)


def posterior_median(x: Floats, w: float, prior: int, a: float) -> Floats:
    """For x >= 0."""
    if prior == LAPLACE:
        d = x - a
        z = phi(d) * (1 / w - 1) / a + 0.5 * (phi(d) * mills(x + a) + ndtr(d))
        return np.maximum(0.0, d - ndtri(np.clip(z, 1e-300, 1.0)))
    y = np.minimum(x, 20.0)
    e = np.exp(-0.5 * y * y)
    target = 0.5 * ((1 / w - 1) * y * y * e - np.expm1(-0.5 * y * y))

    def excess(m: Floats) -> Floats:
        return ndtr(y - m) + phi(y - m) * ((m * y - 1) * mills(m) - y) - target

    low, high = np.zeros_like(y), y.copy()
    for _ in range(60):
        middle = (low + high) / 2
        above = excess(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    median = np.where(x >= 20, x - 2 / np.maximum(x, 20), (low + high) / 2)
    return np.where(excess(np.zeros_like(y)) > 0, median, 0.0) if np.any(x < 20) else median


def fit_weight(b: Floats, low: float) -> float:
    """The root of `Σ β/(1 + wβ)` in [low, 1], in log w."""

    def slope(log_w: float) -> float:
        wb = np.exp(log_w) * b
        return float(np.sum(wb / (1 + wb)))

    if slope(0.0) >= 0:
        return 1.0
    if slope(np.log(low)) <= 0:
        return low
    return float(np.exp(brentq(slope, np.log(low), 0.0, xtol=1e-15, rtol=1e-14)))


def _floor(count: int, prior: int, a: float, universal: bool) -> float:
    return 1 / inverse_weight(np.sqrt(2 * np.log(count)), prior, a) if universal else 1e-12


def best_scale(sizes: Floats, universal: bool) -> float:
    """The scale a of the Laplace slab in [0.04, 3] with the largest likelihood, w being the best for each."""

    def loss(log_a: float) -> float:
        a = float(np.exp(log_a))
        w = fit_weight(beta(sizes, LAPLACE, a), _floor(sizes.size, LAPLACE, a, universal))
        # log((g/φ)(x)) - x²/2, which large values do not overflow.
        far = log_ndtr(sizes - a) + np.log(ROOT_TWO_PI) + a * a / 2 - a * sizes
        slab = np.log(a / 2) + np.logaddexp(far, np.log(mills(sizes + a)) - sizes * sizes / 2)
        atom = np.log1p(-w) if w < 1 else -np.inf
        return -float(np.sum(np.logaddexp(atom - sizes * sizes / 2, np.log(w) + slab)))

    grid = np.linspace(np.log(0.04), np.log(3.0), 13)
    best = int(np.argmin([loss(point) for point in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, 12)])
    found = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-7})
    point = found.x if found.fun < loss(grid[best]) else grid[best]
    return float(np.clip(np.exp(point), 0.04, 3.0))


def _apply(rule: int, sizes: Floats, w: float, threshold: float, prior: int, a: float) -> Floats:
    if rule == MEDIAN:
        return np.where(sizes > threshold, posterior_median(sizes, w, prior, a), 0.0)
    if rule == MEAN:
        return posterior_mean(sizes, w, prior, a)
    return np.maximum(sizes - threshold, 0.0)


def ebayes_threshold(
    maps: NDArray[Any], *, prior: int, a: float, fit_scale: bool, sd: float, rule: int, universal_floor: bool
) -> tuple[NDArray[Any], Floats, NDArray[np.uint8]]:
    """The compiled kernel's arguments and results, without threads."""
    shape = maps.shape[-2:]
    out = maps.copy()
    flat = out.reshape(-1, *shape)
    estimates = np.full((len(flat), 4), np.nan)
    reasons = np.zeros(len(flat), np.uint8)
    for n, values in enumerate(flat.astype(np.float64)):
        if not np.isfinite(values).all():
            reasons[n] = 2
            continue
        scale = sd or 1.4826 * float(np.median(np.abs(values)))
        if scale == 0:
            estimates[n, 0] = 0.0
            reasons[n] = 1
            continue
        sizes = np.abs(values) / scale
        slab = best_scale(sizes, universal_floor) if fit_scale else a
        w = fit_weight(beta(sizes, prior, slab), _floor(sizes.size, prior, slab, universal_floor))
        threshold = threshold_from_weight(w, prior, slab)
        if rule == HARD:
            flat[n] = np.where(sizes > threshold, values, 0.0)
        else:
            flat[n] = np.copysign(_apply(rule, sizes, w, threshold, prior, slab) * scale, values) + 0.0
        estimates[n] = scale, w, slab if prior == LAPLACE else np.nan, threshold * scale
    lead = maps.shape[:-2]
    return out, estimates.reshape(*lead, 4), reasons.reshape(lead)
