"""The pages: every link leads somewhere, the indexes have every page, and every study has its command."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "benchmarks/README.md",
        ROOT / "csrc/PERFORMANCE.md",
    )
)


def text_of(page):
    return (ROOT / page).read_text("utf-8")


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.relative_to(ROOT)), link


def test_the_indexes_have_every_page():
    docs = ROOT / "docs"
    listed = set(re.findall(r"^- \[.+?\]\(([^)]+)\)", text_of("docs/index.md"), re.MULTILINE))
    pages = {path.name for path in docs.glob("*.md")} - {"index.md"}
    assert {link for link in listed if "/" not in link} == pages
    assert {"studies/index.md", "dev/LOG.md", "../benchmarks/README.md", "../csrc/PERFORMANCE.md"} <= listed
    studies = set(re.findall(r"^- \[.+?\]\(([^)]+)\)", text_of("docs/studies/index.md"), re.MULTILINE))
    assert studies == {path.name for path in (docs / "studies").glob("*.md")} - {"index.md"}


def test_the_site_has_every_page():
    """mkdocs warns of a page that is missing in its navigation; this finds it without mkdocs."""
    listed = set(re.findall(r"[\w/-]+\.md", text_of("mkdocs.yml")[text_of("mkdocs.yml").index("\nnav:") :]))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"dev/LOG.md"}
    assert listed - {"benchmarks.md", "performance.md", "changelog.md", "contributing.md"} == pages


def test_every_study_has_its_command():
    for path in (ROOT / "docs/studies").glob("*.md"):
        if path.name != "index.md":
            text = path.read_text("utf-8")
            assert re.search(
                r"xaijax (?:bench|train|cascade|profile|study) |python (?:-m )?benchmarks|benchmarks/\w+\.py", text
            ), path


def test_the_layout_names_what_there_is():
    """The folders of CONTRIBUTING's layout are those of the package."""
    text = text_of("CONTRIBUTING.md")
    block = text[text.index("    csrc/") : text.index("Who may import whom")]
    for folder in (ROOT / "xaijax").iterdir():
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert re.search(rf"\b{folder.name}\b", block), folder.name
    for folder in (path for path in (ROOT / "csrc").iterdir() if path.is_dir()):
        assert re.search(rf"\b{folder.name}\b", block), folder.name
