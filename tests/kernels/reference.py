"""The kernels once more in plain NumPy and SciPy: the first of the implementations every test body runs through."""

import math

import numpy as np
import scipy.stats


def _over(batch, function):
    out = np.empty(batch)
    for place in np.ndindex(*batch):
        out[place] = function(place)
    return out


def histogram_entropy(images, bins=256, range="image"):
    def one(place):
        values = images[place]
        if not np.isfinite(values).all():
            return np.nan
        try:
            with np.errstate(all="ignore"):
                counts, edges = np.histogram(values, bins, None if range == "image" else range)
            increasing = (edges[:-1] < edges[1:]).all()
        except (ValueError, IndexError):  # too many bins for the range; an index in NumPy 2.0
            increasing = False
        if not increasing:  # as NumPy 2.0 gives them
            return 0.0 if range == "image" and values.min() == values.max() else np.nan
        return scipy.stats.entropy(counts, base=2) if counts.any() else np.nan

    return _over(images.shape[:-3], one)


def mutual_information(images, references, bins=None):
    batch = np.broadcast_shapes(images.shape[:-3], references.shape[:-3])
    item = images.shape[-3:]
    images, references = np.broadcast_to(images, batch + item), np.broadcast_to(references, batch + item)
    if bins is None:
        bins = max(2, min(64, math.floor(math.sqrt(item[0] * item[1]) / 3)))

    def one(place):
        if not (np.isfinite(images[place]).all() and np.isfinite(references[place]).all()):
            return np.nan
        values = []
        for c in np.arange(item[2]):
            x, y = references[place][..., c].ravel(), images[place][..., c].ravel()
            if x.min() == x.max():
                values.append(0.0)
                continue
            try:
                edges = np.histogram_bin_edges(x, bins)
            except ValueError:
                return np.nan
            if not (edges[:-1] < edges[1:]).all():
                return np.nan
            joint = np.histogram2d(x, np.clip(y, x.min(), x.max()), [edges, edges])[0] / x.size
            independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
            some = joint > 0
            values.append((joint[some] * np.log2(joint[some] / independent[some])).sum())
        return np.mean(values)

    return _over(batch, one)


def reveal_levels(maps, fractions, always=None):
    levels = np.full(maps.shape, len(fractions) + 1, np.uint16)
    for place in np.ndindex(*maps.shape[:-2]):
        for i, fraction in reversed(list(enumerate(fractions))):
            with np.errstate(all="ignore"):
                levels[place][maps[place] >= np.quantile(maps[place], 1 - float(fraction))] = i + 1
    if always is not None:
        levels[np.broadcast_to(always, maps.shape)] = 0
    return levels


def random_mask(shape, fraction, seed):
    """The documented algorithm in Python's own integers."""
    state, word = int(seed), 2**64 - 1

    def draw():
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & word
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & word
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & word
        return z ^ (z >> 31)

    def below(bound):
        bits = (bound - 1).bit_length()
        while bits:
            number = draw() >> (64 - bits)
            if number < bound:
                return number
        return 0

    pixels = shape[0] * shape[1]
    place = list(range(pixels))
    for i in range(math.floor(fraction * pixels)):
        j = i + below(pixels - i)
        place[i], place[j] = place[j], place[i]
    mask = np.zeros(pixels, bool)
    mask[place[: math.floor(fraction * pixels)]] = True
    return mask.reshape(shape)
