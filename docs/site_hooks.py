"""What the documentation site needs besides its pages (mkdocs.yml names this file).

* Pages that lie elsewhere in the project become pages of the site, and links to them lead there.
* Links to other files of the project lead to the repository.
* Formulas, `$...$` and ```` ```math ````, become MathML, which browsers draw without a script.
"""

import html
import posixpath
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
# Page of the project -> its page in the site.
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "csrc/PERFORMANCE.md": "performance.md",
}
PLACES = {page: source for source, page in ELSEWHERE.items()}
LINK = re.compile(r"(\]\()(?!https?://|#|mailto:)([^)\s#]+)(#[^)\s]*)?(\))")


def on_files(files, config):
    """Adds the pages that lie elsewhere, and the images they show."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    for image in (ROOT / "benchmarks/images").glob("*"):
        files.append(File.generated(config, f"benchmarks/images/{image.name}", abs_src_path=str(image)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links out of docs/ into links to pages of the site, or to the repository."""
    source = PLACES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    here = posixpath.dirname(page.file.src_uri)

    def turned(match):
        before, link, anchor, after = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
        inside = "index.md" if target == "README.md" else ELSEWHERE.get(target)
        if inside is None and target.startswith("docs/"):
            inside = target.removeprefix("docs/")
        if inside is None and files.get_file_from_path(target) is not None:
            inside = target
        if inside is None:
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            return f"{before}{config.repo_url}/{kind}/main/{target}{anchor or ''}{after}"
        return f"{before}{posixpath.relpath(inside, here or '.')}{anchor or ''}{after}"

    parts = re.split(r"(^```.*?^```\s*$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else LINK.sub(turned, part) for part in parts)


def on_page_content(text, **_):
    """Draws formulas: what arithmatex has marked becomes MathML."""

    def drawn(match):
        latex = html.unescape(match[2])
        block = match[1] == "div"
        latex = latex.removeprefix(r"\[" if block else r"\(").removesuffix(r"\]" if block else r"\)").strip()
        return f'<{match[1]} class="formula">{convert(latex, display="block" if block else "inline")}</{match[1]}>'

    return re.sub(r'<(span|div) class="arithmatex">(.*?)</\1>', drawn, text, flags=re.DOTALL)
