"""Prints what is understood of a data set, and draws some of its images."""

import json
from typing import Any

from xaijax import data
from xaijax._errors import InputError
from xaijax._runs import progress
from xaijax._runs.data import counted, open_data
from xaijax.data import Dataset
from xaijax.describe_data.config import DescribeDataConfig, check
from xaijax.describe_data.report import lines

CLASSES_SHOWN = 12  # in the sheet


def run(config: DescribeDataConfig) -> int:
    """Prints a description of the data.

    Args:
        config: which data.

    Returns:
        0.

    Raises:
        InputError, FileNotFoundError, NotADirectoryError: for data that cannot be opened.
    """
    from rich.console import Console

    config = check(config)
    dataset = open_data(config, classes=1)
    some = counted(config, dataset)
    positions = some if config.decode else []
    errors = Console(stderr=True)
    with progress.bar(errors, f"reading {len(positions)} images") as report:
        summary = data.summarize(dataset, positions, report)
    found = {} if dataset.found is None else dataset.found.describe()
    whole: dict[str, Any] = {
        **summary.describe(),
        "warnings": warnings(dataset),
        "options": dict(dataset.options),
        "found": found,
    }
    if config.json:
        print(json.dumps(whole, indent=2))
    else:
        for line in lines(whole):
            progress.say(Console(), line)
    if config.sheet is not None:
        from xaijax.plot._samples import write_samples

        write_samples(dataset.take(some), config.sheet, columns=6, seed=config.seed, max_classes=CLASSES_SHOWN)
        more = len(dataset.classes) - CLASSES_SHOWN
        progress.say(errors, f"images of each class: {config.sheet}" + (f" ({more} more classes)" if more > 0 else ""))
    return 0


def warnings(dataset: Dataset) -> list[str]:
    """What stands in the way of the other commands."""
    try:
        dataset.require_classes(1 if dataset.multi_label else 2)
    except InputError as error:
        return [str(error)]
    return []
