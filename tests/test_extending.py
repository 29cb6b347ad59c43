"""docs/extending.md: every file and folder that a recipe names exists, with an existing name for each placeholder."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/extending.md").read_text("utf-8")
STAND_INS = {
    "<family>": "perturbation",
    "<method>": "rise",
    "<metrics>": "complexity",
    "<folder>": "comparison",
    "<kernel>": "similarity",
    "<reader>": "class_folders",
    "<architecture>": "squeezenet",
}
RECIPES = ("An explainer", "A metric", "A kernel", "A reader", "An architecture")


def named():
    """What looks like a path: a folder or a file with a suffix, in backquotes."""
    for text in re.findall(r"`([^`\s]+)`", TEXT):
        if re.fullmatch(r"[\w<>./]+/[\w<>./]*|[\w<>]+\.(?:md|txt)", text):
            yield text


@pytest.mark.parametrize("path", sorted(set(named())))
def test_what_a_recipe_names_exists(path):
    for placeholder, name in STAND_INS.items():
        path = path.replace(placeholder, name)
    assert "<" not in path
    found = ROOT / path
    assert found.is_dir() if path.endswith("/") else found.is_file()


def test_there_are_five_recipes_of_numbered_steps():
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
    assert tuple(sections) == RECIPES
    for name, text in sections.items():
        steps = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
        assert steps == list(range(1, len(steps) + 1)), name
        assert len(steps) >= 5


def test_a_kernel_needs_at_most_eight_files_to_work():
    recipe = TEXT.split("## A kernel")[1].split("Then tests and docs")[0]
    files = re.findall(r"^\d+\. `([^`]+)`:", recipe, re.MULTILINE)
    assert len(files) == 8


def test_the_other_side_of_a_recipe_is_there():
    """The names that the steps use are those of the code."""
    from xaijax.data import opening
    from xaijax.explain._registry import explainer
    from xaijax.metrics import FAMILIES
    from xaijax.models.zoo import from_module, register

    assert opening.READERS
    assert FAMILIES
    assert callable(explainer)
    assert callable(from_module)
    assert callable(register)
    assert all(name in (ROOT / "bindings/registry.hpp").read_text("utf-8") for name in re.findall(r"XAIJAX_\w+", TEXT))
    assert "_FOLDER_HELP" in TEXT
    assert hasattr(opening, "_FOLDER_HELP")
