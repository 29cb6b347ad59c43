"""What the symmetric linear fill changes in AIC/SIC, compared with what a flip of the problem changes in PAIR's.

Co-circular pixels are everywhere on a grid, and a triangulation has to pick a diagonal between them: flip or transpose
image, map and random mask together, and PAIR's `saliency` (SciPy's `griddata`) rebuilds other grey levels. Ours are the
same. For 20 image-map pairs this prints, by information measure, the SIC area from our rebuilt images minus that from
PAIR's, and the range of either over the eight flips and transposes.

    python benchmarks/pic_symmetry.py prepare work.npz
    OPENBLAS_NUM_THREADS=1 peer/bin/python benchmarks/pic_symmetry.py peer work.npz peer.npz
    python benchmarks/pic_symmetry.py report work.npz peer.npz

The second needs saliency==0.2.1 in an environment of its own and no xaijax. One BLAS thread: SciPy calls LAPACK on a
small matrix per triangle, and on a busy machine the spinning of idle BLAS threads cost a hundred times the work.

`XAIJAX_DATA` names the folder of real images; without it phantoms are used. The model is a function of the image that
no flip changes, so no weights are needed. Both sides go through the same arithmetic (convention "pair", which the tests
hold against PAIR to 1e-9), so that the rebuilt images are the only difference.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 96
MEASURES = ("shannon", "mutual", "webp")
HERE = Path(__file__).parent


def symmetries(array: np.ndarray) -> list[np.ndarray]:
    """The eight flips and transposes of `[H, W, ...]`; the first is the array itself."""
    turned = [array, np.swapaxes(array, 0, 1)]
    return [np.ascontiguousarray(a[::i, ::j]) for a in turned for i in (1, -1) for j in (1, -1)]


def probability(images: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Grows with the edges that are left in the middle of the image; flips and transposes do not change it."""

    def edges(x: np.ndarray) -> np.ndarray:
        part = x[..., SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4, :].astype(float)
        return sum(np.abs(np.diff(part, axis=axis)).mean(axis=(-3, -2, -1)) for axis in (-3, -2))

    return 1.0 / (1.0 + np.exp(-10.0 * (edges(images) / edges(original) - 0.6)))


def real_images(root: Path) -> dict[str, np.ndarray]:
    """Five MRI slices (one channel) and five photographs, centre crop, resized."""
    from PIL import Image

    found = {}
    for folder, mode in (("brain-cheng", "L"), ("imagenet-samples", "RGB")):
        files = sorted((root / folder / "images").glob("*"))
        for file in files[:: len(files) // 5][:5]:
            with Image.open(file) as picture:
                side = min(picture.size)
                left, top = (picture.width - side) // 2, (picture.height - side) // 2
                square = picture.convert(mode).crop((left, top, left + side, top + side))
                pixels = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            found[f"{folder}/{file.name}"] = pixels.reshape(SIDE, SIDE, -1)
    return found


def phantoms() -> dict[str, np.ndarray]:
    from xaijax import data

    batch = data.open_dataset("phantoms").read(range(10), shape=(SIDE, SIDE, 1))
    return {f"phantoms/{name}": image for name, image in zip(batch.ids, batch.images, strict=True)}


def prepare(work: Path) -> None:
    from scipy.ndimage import gaussian_filter

    from xaijax import kernels
    from xaijax.metrics.pic_curve import FRACTIONS

    root = os.environ.get("XAIJAX_DATA")
    images = real_images(Path(root)) if root else phantoms()
    arrays: dict[str, Any] = {"names": [], "kinds": [], "fractions": FRACTIONS}  # the peer has no xaijax
    for i, (name, image) in enumerate(images.items()):
        noise = np.random.default_rng(i).random((SIDE, SIDE))
        for kind, values in (("smooth", gaussian_filter(noise, SIDE / 28)), ("noise", noise)):
            k = len(arrays["names"])
            arrays["names"].append(name)
            arrays["kinds"].append(kind)
            arrays |= {f"image{k}": image, f"map{k}": values, f"mask{k}": kernels.random_mask((SIDE, SIDE), 0.01, i)}
    np.savez_compressed(work, **arrays)


def peer(work: Path, out: Path) -> None:
    from saliency.metrics import pic

    arrays = {}
    with np.load(work) as stored:
        fractions = stored["fractions"]
        for k in range(len(stored["names"])):
            stacks = []
            parts = [symmetries(stored[f"{name}{k}"]) for name in ("image", "map", "mask")]
            for image, values, mask in zip(*parts, strict=True):
                masks = [mask, *(mask | (values >= np.quantile(values, 1 - t)) for t in fractions)]
                # Its own calls have [H, W] for one channel.
                flat = image[..., 0] if image.shape[-1] == 1 else image
                rebuilt = [pic.create_blurred_image(flat, m).reshape(image.shape) for m in masks]
                stacks.append(np.stack(rebuilt))
            arrays[str(k)] = np.stack(stacks)
            print(f"pair {k + 1}", flush=True)
    np.savez_compressed(out, **arrays)


def areas(image: np.ndarray, rebuilt: np.ndarray) -> dict[str, float]:
    """SIC area by measure, NaN where there is none; `rebuilt` is x_0 and one image for each fraction."""
    from xaijax.metrics import pic_curve as curve
    from xaijax.metrics.pic_information import measure_information

    stack = np.ascontiguousarray(np.concatenate([rebuilt, image[None]]))
    p = probability(stack, image)
    result = {}
    for measure, h in measure_information(stack, image, MEASURES).items():
        ends = {"probability": (p[-1], p[0]), "right": (True, False), "information": (h[-1], h[0])}
        if curve.undefined("sic", "pair", **ends):
            result[measure] = float("nan")
            continue
        u, v = curve.scale(h[1:-1], h[0], h[-1]), curve.scale(p[1:-1], p[0], p[-1])
        result[measure] = float(curve.area(curve.read_curve(*curve.curve_points(u, v, "pair"))))
    return result


def report(work: Path, peer_file: Path, out: Path, page: Path) -> None:
    from xaijax import __version__, kernels
    from xaijax.metrics.pic_curve import FRACTIONS

    rows = []
    with np.load(work) as stored, np.load(peer_file) as theirs:
        for k, (name, kind) in enumerate(zip(stored["names"], stored["kinds"], strict=True)):
            parts = [symmetries(stored[f"{part}{k}"]) for part in ("image", "map", "mask")]
            found: dict[str, list[dict[str, float]]] = {"ours": [], "pair": []}
            pair_images = theirs[str(k)]
            pixels, moved = [], []
            for i, (image, values, mask) in enumerate(zip(*parts, strict=True)):
                levels = kernels.reveal_levels(values, FRACTIONS, mask)
                rebuilt = kernels.reveal(image, levels[None], len(FRACTIONS) + 1)[0]
                found["ours"].append(areas(image, rebuilt))
                found["pair"].append(areas(image, pair_images[i]))
                away = np.abs(rebuilt.astype(int) - pair_images[i])
                pixels.append(float((away > 1).mean()))
                moved.append(int(away.max()))
            row: dict[str, Any] = {
                "image": str(name),
                "map": str(kind),
                "pixels_off_by_more_than_1": float(np.mean(pixels)),
                "largest_difference": max(moved),
            }
            for measure in MEASURES:
                ours, pair = ([found[who][i][measure] for i in range(8)] for who in ("ours", "pair"))
                row[measure] = {
                    "ours": ours[0],
                    "pair": pair[0],
                    "shift": ours[0] - pair[0],
                    "range_ours": float(np.ptp(ours)),
                    "range_pair": float(np.ptp(pair)),
                }
            rows.append(row)
    command = "benchmarks/pic_symmetry.py (prepare, peer, report)"
    result = {
        "command": command,
        "xaijax": __version__,
        "peer": "saliency 0.2.1",
        "side": SIDE,
        "build": kernels.build_info(),
        "rows": json.loads(json.dumps(rows).replace("NaN", "null")),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    page.write_text(markdown(rows))
    print(page.read_text())


def markdown(rows: list[dict[str, Any]]) -> str:
    """The page: a summary, then every pair."""

    def text(value: float) -> str:
        return "none" if np.isnan(value) else f"{value:.4f}"

    def signed(value: float) -> str:
        return "none" if np.isnan(value) else f"{value:+.4f}"

    sources = sorted({row["image"].split("/")[0] for row in rows})
    lines = [
        "# The symmetric fill, and what it changes",
        "",
        f"SIC areas of {len(rows)} image-map pairs ({', '.join(sources)}; {SIDE} px; convention `pair`) from our",
        "rebuilt images and from those of PAIR's `saliency` 0.2.1, with the same random masks, model and arithmetic.",
        "*Shift* is ours minus PAIR's; *range* is the largest minus the smallest area over the eight flips and",
        "transposes of the same problem. Made by `benchmarks/pic_symmetry.py`; its docstring has the three commands.",
        "",
        "| information | map | pairs with a value | median abs shift | largest abs shift | median range, PAIR | "
        "largest range, PAIR | largest range, ours | shift within PAIR's range | shift below zero |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for measure in MEASURES:
        for kind in ("smooth", "noise"):
            chosen = [row[measure] for row in rows if row["map"] == kind]
            chosen = [cell for cell in chosen if not any(np.isnan(list(cell.values())))]
            if not chosen:
                lines.append(f"| {measure} | {kind} | 0 | | | | | | | |")
                continue
            shift = np.abs([cell["shift"] for cell in chosen])
            theirs = [cell["range_pair"] for cell in chosen]
            ours = max(cell["range_ours"] for cell in chosen)
            within = sum(abs(cell["shift"]) <= cell["range_pair"] for cell in chosen)
            below = sum(cell["shift"] < 0 for cell in chosen)
            cells = [np.median(shift), shift.max(), np.median(theirs), max(theirs)]
            lines.append(
                f"| {measure} | {kind} | {len(chosen)} | {' | '.join(f'{c:.4f}' for c in cells)} | {ours:.2g} "
                f"| {within} | {below} |"
            )
    lines += [
        "",
        "With WebP our range is not zero either: the rebuilt images are the same, but the size of a file depends on",
        "the direction in which the image is read. Where the shift has one sign in all pairs the fill changes",
        "the measure itself and not only its noise: areas from the two fills are not to be mixed in one table.",
        "",
        "| image | map | pixels that differ by more than one level | Shannon: ours, shift, PAIR's range | mutual: "
        "ours, shift, PAIR's range | WebP: ours, shift, PAIR's range |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{text(row[m]['ours'])}, {signed(row[m]['shift'])}, {text(row[m]['range_pair'])}" for m in MEASURES]
        share = f"{100 * row['pixels_off_by_more_than_1']:.1f} %"
        lines.append(f"| {row['image']} | {row['map']} | {share} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "peer", "report"])
    parser.add_argument("files", type=Path, nargs="+", help="work.npz [peer.npz]")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "pic_symmetry.json")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "studies" / "pic_symmetry.md")
    options = parser.parse_args()
    if len(options.files) != (1 if options.step == "prepare" else 2):
        parser.error("prepare takes work.npz; peer and report take work.npz peer.npz")
    if options.step == "report":
        report(*options.files, options.out, options.page)
    else:
        {"prepare": prepare, "peer": peer}[options.step](*options.files)


if __name__ == "__main__":
    main()
