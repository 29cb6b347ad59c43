"""What is shown when a data set, a batch or a case is printed, or ends a cell of a notebook."""

import dataclasses
import html.parser
import inspect

import numpy as np
import pytest

from xaijax import data
from xaijax.data import Case, Content, Dataset
from xaijax.data.found import Census

LONGEST = 200
PUBLIC = {
    name: value
    for name in data.__all__
    if inspect.isclass(value := getattr(data, name)) and dataclasses.is_dataclass(value)
}
LONG = "a/very/long/" * 30 + "<name>&.png"


class Stored:
    roles = ("lesion", None)

    def read(self, *, masks):
        mask = np.zeros((20, 30), bool)
        mask[5:9, 4:20] = True
        elements = (data.Element(LONG, "lesion", mask),) * 2 if masks else ()
        return Content(np.full((20, 30, 3), 90, np.uint8), elements)

    def fingerprint(self):
        return "0"


def examples():
    """Each public dataclass with contents as long as they get."""
    phantoms = data.open_dataset("phantoms:lung_ct", count=30, size=32, cues=["text"])
    cases = tuple(Case(f"{at} {LONG}", at, Stored(), LONG, {LONG: LONG}) for at in range(60))
    stored = Dataset(LONG, tuple(f"{at} {LONG}" for at in range(60)), "lesion", cases)
    for dataset in (phantoms, stored):
        batch = dataset.read()
        yield from (dataset, dataset.cases[1], batch, batch.elements[1][0])
    yield data.open_dataset("phantoms:lung_ct", count=1, size=16).read()
    yield Stored().read(masks=True)
    census = Census(LONG)
    for number in range(2):
        census.leave(f"{number} <name>", LONG, LONG)
    yield census.found()
    yield data.summarize(dataset.take(range(2)))
    yield data.Leaks(2, 3, (LONG,), 1, (f"<name> {LONG}",))


class Balanced(html.parser.HTMLParser):
    """Sees that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_public_dataclass_has_an_example():
    assert {type(one) for one in examples()} == set(PUBLIC.values())
    assert {"Batch", "Case", "Dataset", "Element"} <= PUBLIC.keys()


@pytest.mark.parametrize("number", range(13))
def test_a_repr_is_one_short_line(number):
    one = list(examples())[number]
    text = repr(one)
    assert text.startswith(f"{type(one).__name__}(")
    assert text.endswith(")")
    assert "\n" not in text
    assert len(text) <= LONGEST
    assert "array(" not in text


@pytest.mark.parametrize("number", range(13))
def test_the_html_of_a_notebook_is_well_formed_and_loads_nothing(number):
    text = list(examples())[number]._repr_html_()
    checker = Balanced()
    checker.feed(text)
    assert checker.open == []
    assert set(checker.tags) <= {"div", "p", "table", "tr", "th", "td", "img"}
    assert "<name>" not in text
    assert text.count("<img") == text.count('src="data:image/png;base64,')


def test_what_the_lines_say():
    dataset = data.open_dataset("phantoms:lung_ct", count=30, size=32)
    assert (
        repr(dataset) == "Dataset('phantoms-lung_ct', 30 images, 3 classes (normal, benign, malignant), masks: lesion)"
    )
    assert repr(dataset.cases[1]) == "Case('lung_ct-0-00001', label 1, 1 mask)"
    batch = dataset.read(range(6))
    assert repr(batch) == "Batch(6 images, 32x32x1, 4 with lesion masks)"
    element = batch.elements[1][0]
    assert repr(element) == f"Element('lesion', lesion, {element.mask.sum()} of 32x32 pixels)"
    assert batch._repr_html_().count("<img") == 6
    assert dataset.read()._repr_html_().count("<img") == 8
