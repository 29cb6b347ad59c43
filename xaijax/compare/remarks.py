"""Sentences on what limits a comparison of two runs."""

from collections.abc import Sequence

from xaijax.compare.runs import Matched, Run


def alone_in(what: str, first: Run, ours: Sequence[str], second: Run, theirs: Sequence[str]) -> list[str]:
    """Sentences on what only one of two runs has."""
    said = []
    for run, own, others in ((first, ours, theirs), (second, theirs, ours)):
        names = [name for name in own if name not in others]
        if names:
            said.append(f"Only {run.name} has the {what}{'s' * (len(names) > 1)} {', '.join(names)}.")
    return said


def about_models(first: Run, second: Run, models: Sequence[tuple[str, str]]) -> list[str]:
    """Whether two classifiers have different classes, and the runs different versions."""
    said = []
    for ours, theirs in models:
        was, now = (
            next(list(map(str, one.get("classes", ()))) for one in run.values["models"] if one["name"] == name)
            for run, name in ((first, ours), (second, theirs))
        )
        if was != now:
            which = f"{ours} of {first.name} and {theirs} of {second.name}"
            said.append(
                f"The classifiers have different classes ({which}: {', '.join(was) or 'not known'} and "
                f"{', '.join(now) or 'not known'}): scores from their output do not answer the same question."
            )
    old, new = (str((run.values.get("versions") or {}).get("xaijax", "not known")) for run in (first, second))
    if old != new:
        said.append(
            f"The runs were made by different versions of xaijax ({old} and {new}): the version can be what makes a "
            "difference."
        )
    return said


def about_images(first: Run, second: Run, matched: Matched, paired: bool) -> list[str]:
    """Which images are compared, and which are left out and why."""
    said = []
    for run in (first, second):
        planned, there = len(run.values["data"]["images"]), len(run.images)
        if there < planned and not run.values.get("until"):
            said.append(
                f"{run.name} has scores of {there} of its {planned} images: it has not come to its end, and the others "
                "are left out."
            )
    if not paired:
        said.append(
            f"The runs share {len(matched.pairs) or 'no'} image{'s' if len(matched.pairs) != 1 else ''}: means are "
            "compared as those of independent images, which needs far larger differences."
        )
        same = set(first.patients.values()) & set(second.patients.values())
        if same:
            said.append(
                f"{len(same)} patient{'s' * (len(same) > 1)} of one name {'are' if len(same) > 1 else 'is'} in both "
                "runs: where they are the same patients, the images are not independent."
            )
    elif matched.by == "name":
        said.append(
            f"{len(matched.pairs)} images are compared by their names: a run keeps no digests, so it is assumed that "
            "they are the same pixels."
        )
    if paired and any(matched.only):
        said.append(
            f"{len(matched.pairs)} images are in both runs and compared; {matched.only[0]} of {first.name} and "
            f"{matched.only[1]} of {second.name} are left out."
        )
    if matched.changed:
        said.append(
            f"{matched.changed} images have the same name and other pixels, masks or labels: they are not taken for "
            "the same image."
        )
    targets = [(run.values.get("config") or {}).get("target") for run in (first, second)]
    if None in targets:
        unknown = [run.name for run, target in zip((first, second), targets, strict=True) if target is None]
        if len(unknown) == 1:
            said.append(f"Which classes the maps of {unknown[0]} explain is not known.")
    elif targets[0] != targets[1]:
        said.append("The runs have different values of --target: their maps explain different classes.")
    return said
