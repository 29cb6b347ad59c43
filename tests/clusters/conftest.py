"""A folder of images with three known groups of maps, and a bundle of these maps."""

import csv

import numpy as np
import pytest
from PIL import Image

from xaijax import bundle

PLACES = ((0.15, 0.15), (0.5, 0.5), (0.8, 0.25))  # row and column of the evidence of each group
SIDE = 32
EACH = 16


def blob(place, rng):
    """A map with its evidence at a place under noise, and negative evidence in a corner."""
    rows, columns = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    row, column = place
    heat = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 0.09**2)) + 0.3 * rng.random((SIDE, SIDE))
    heat[-4:, -4:] = -1
    return heat.astype(np.float32)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Images of two classes; group 0 comes from site A, the others from B and C; group and class are independent."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(3 * EACH):
        group = number % 3
        name = f"{number:03d}.png"
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), np.uint8)).save(root / name)
        label = ("ill", "well")[number // 3 % 2]
        site = "A" if group == 0 else "BC"[number % 2]
        rows.append({"file": name, "label": label, "site": site, "age": number, "device": "one", "truth": f"g{group}"})
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def maps(folder, tmp_path_factory):
    """The bundle of their maps; the last image has none, and the map of the first has no positive evidence."""
    rng = np.random.default_rng(1)
    made = np.stack([blob(PLACES[number % 3], rng) for number in range(3 * EACH)])
    made[0] = -1
    others = -made
    made[-1] = np.nan
    ids = [f"{number:03d}.png" for number in range(3 * EACH)]
    chances = np.tile([[0.9, 0.1]], (len(ids), 1))
    out = tmp_path_factory.mktemp("bundle") / "maps"
    return bundle.write(
        out, images=ids, maps={"CAM": made, "other": others}, predictions=chances, classes=["ill", "well"]
    )
