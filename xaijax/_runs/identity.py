"""What results depend on in addition to the options of a run: images, masks, models, packages and the kind of machine.

A run is resumed only with the same. What differs is said in words, with what it was and what it is.
"""

import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._runs import provenance

PACKAGES = ("xaijax", "jax", "jaxlib", "flax", "numpy", "scipy", "pillow", "scikit-image")
"""Those whose version can change a number of a run."""
SHOWN = 3  # images that are named
THREADS = ("PJRT_NPROC", "NPROC")
MADE_BY = ("packages", "machine")
MODEL = ("digest", "classes", "input_shape", "output", "preprocess")


def packages() -> dict[str, str]:
    """The installed versions of what computes the results."""
    found = provenance.versions()
    return {name: found[name] for name in PACKAGES if name in found}


def machine() -> dict[str, str]:
    """The kind of device, the instructions of the kernels and on a CPU XLA's threads; starts JAX's backend.

    Two machines with the same give the same bytes with the same packages.
    """
    from xaijax import kernels

    kind = provenance.devices()[0]
    device, _, name = kind.partition(" ")
    found = {"device": f"{device.partition(':')[0]} {name}".strip(), "instructions": kernels.build_info()["simd"]}
    return found | ({"threads": threads()} if device.startswith("cpu") else {})


def threads() -> str:
    """How many threads XLA computes with on a CPU, which decides how it adds up some gradients.

    It takes the first of these variables, else the processors that this process may use.
    """
    named = (os.environ.get(name, "") for name in THREADS)
    return next((text for text in named if text.isdecimal()), str(provenance.processors()))


def made_by() -> dict[str, Any]:
    """Packages and machine, as `run.json` keeps them."""
    return {"packages": packages(), "machine": machine()}


def changed_makers(before: Mapping[str, Any]) -> list[str]:
    """Which packages, and what of the machine, are others here than those of `made_by` of a run, in words."""
    return [
        *changed_values("", before.get("packages", {}), packages()),
        *changed_values("the machine", before.get("machine", {}), machine()),
    ]


def kinds(made: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What parts were made by, with the number of parts of each kind, the most frequent first.

    Args:
        made: of each part, with `packages` and `machine`.

    Example:
        >>> one, other = ({"packages": {"jax": v}, "machine": {"device": "cpu"}} for v in ("0.10.2", "0.12.0"))
        >>> [kind["parts"] for kind in kinds([one, other, one])]
        [2, 1]
    """
    texts = Counter(json.dumps({name: one.get(name, {}) for name in MADE_BY}, sort_keys=True) for one in made)
    return [json.loads(text) | {"parts": count} for text, count in texts.most_common()]


def mixed_note(found: Sequence[Mapping[str, Any]]) -> str:
    """What to say of a run whose parts were made by several kinds of machines or versions; `""` where it is one.

    Args:
        found: of `kinds`.
    """
    if len(found) < 2:
        return ""
    flat = [dict(one["packages"]) | dict(one["machine"]) for one in found]
    differing = [
        name for name in dict.fromkeys(itertools.chain(*flat)) if len({str(one.get(name)) for one in flat}) > 1
    ]
    words = []
    for one, own in zip(found, flat, strict=True):
        named = ", ".join(f"{name} {own.get(name, 'not there')}" for name in differing)
        words.append(f"{one['parts']} with {named}")
    return f"Parts were computed by several kinds of workers, whose last digits may differ: {'; '.join(words)}."


def refuse_changed(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to resume a training or a cascade with other images, weights or packages.

    Args:
        path: its folder.
        before: what its `run.json` says.
        now: what it would say.

    Raises:
        InputError: naming all that differs.
    """
    found: list[str] = []
    was, one = before.get("data", {}), now.get("data", {})
    for side, digests in one.get("digests", {}).items():
        if was.get(side) != one.get(side):
            found.append(f"the {side} images are not those that it was started with")
        else:
            old = was.get("digests", {}).get(side, ())
            found.append(changed_images(one[side], old, digests))
    if "digest" in now.get("model", {}):
        found += changed_values("the model", of_model(before.get("model", {})), of_model(now["model"]))
    made = before.get("made_by", {})
    found += changed_values("", made.get("packages", {}), now["made_by"]["packages"])
    found = [text for text in found if text]
    if found:
        raise InputError(
            f"what is in {path} cannot be resumed: {'; '.join(found)}; put back what changed, or start again in "
            "another folder with --out"
        )


def another_machine(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs of the machine, which training may resume on, but not with the same bytes."""
    found = changed_values("the machine", before.get("made_by", {}).get("machine", {}), now["made_by"]["machine"])
    return [f"{one}; the results are no longer those of one machine bit for bit" for one in found]


def of_images(ids: Sequence[str], digests: Sequence[str]) -> str:
    """One text for some images in their order."""
    return hashlib.sha256(json.dumps([list(ids), list(digests)]).encode()).hexdigest()[:32]


def of_model(described: Mapping[str, Any]) -> dict[str, Any]:
    """What of a model's description a score depends on."""
    return {name: described.get(name) for name in MODEL}


def changed_images(ids: Sequence[str], before: Sequence[str], now: Sequence[str]) -> str:
    """Which images, masks or labels are others than before, in words; `""` where none is.

    Example:
        >>> changed_images(["a.png", "b.png"], ["1", "2"], ["1", "3"])
        'the pixels, masks or labels of b.png are others (1 of 2 images)'
    """
    if len(before) != len(ids):
        return "the run does not say which pixels its images had"
    found = [name for name, was, one in zip(ids, before, now, strict=True) if was != one]
    if not found:
        return ""
    named = ", ".join(found[:SHOWN]) + (" ..." if len(found) > SHOWN else "")
    return f"the pixels, masks or labels of {named} are others ({len(found)} of {len(ids)} images)"


def changed_values(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Which of some values are others than before, each in words.

    Example:
        >>> changed_values("", {"jax": "0.10.2", "numpy": "2.4"}, {"jax": "0.12.0", "numpy": "2.4"})
        ['jax was 0.10.2 and is 0.12.0']
        >>> changed_values("the model brain", {"output": "softmax"}, {"output": "sigmoid"})
        ['the model brain: output was softmax and is sigmoid']
    """
    lead = f"{what}: " if what else ""
    return [
        f"{lead}{name.replace('_', ' ')} was {_text(before.get(name))} and is {_text(now.get(name))}"
        for name in dict.fromkeys((*before, *now))
        if _plain(before.get(name)) != _plain(now.get(name))
    ]


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))  # lists for tuples, as a file gives them back


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else "not said" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
