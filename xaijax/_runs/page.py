"""Reports as one HTML file each: the style, the templates' environment, and figures put inside."""

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax import _files
from xaijax._runs import folder
from xaijax.plot import _style as style
from xaijax.plot._style import encode

if TYPE_CHECKING:
    import numpy as np
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from PIL.Image import Image

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


def write(path: Path, package: str, template: str, **values: Any) -> Path:
    """Renders a template of a command and writes the page whole.

    Args:
        path: of the page.
        package: whose `templates` folder holds the template, such as "xaijax.bench"; `style.css.j2` is shared.
        template: its name.
        **values: what it shows.

    Returns:
        `path`.
    """
    folder.write_text(path, render(package, template, **values))
    return path


def render(package: str, template: str, **values: Any) -> str:
    """The text of a page; see `write`."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("xaijax._runs")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["options"] = options
    return environment.get_template(template).render(**values)


def options(sentence: str) -> "Markup":
    """A sentence as HTML whose command line options are set as code, so that no line breaks after their hyphens.

    Examples:
        >>> options("score more images with --count, or <others>")
        Markup('score more images with <code class="option">--count</code>, or &lt;others&gt;')
    """
    from markupsafe import Markup, escape

    return Markup(OPTION.sub(r'<code class="option">\g<0></code>', str(escape(sentence))))


def inline(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A figure {path, alt, wide} with its file as a data URI in `source`."""
    path: Path = entry["path"]
    if path.suffix == ".svg":
        kind, data = "image/svg+xml", themed(path.read_text("utf-8")).encode()
    else:
        kind, data = "image/webp", _as_webp(path)
    text = base64.b64encode(data).decode("ascii")
    return {"source": f"data:{kind};base64,{text}", "alt": entry["alt"], "wide": entry.get("wide", False)}


def themed(svg: str) -> str:
    """An SVG whose ink follows the reader's light or dark theme; the file in figures/ keeps plain colours."""
    sheet = (
        f"<style>:root{{--ink:{style.INK};--grey:{style.GREY}}}"
        "@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--grey:#9aa3af}}</style>"
    )
    coloured = svg.replace(style.INK, "var(--ink)").replace(style.GREY, "var(--grey)")
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match.group(1) + sheet, coloured, count=1)


def picture(pixels: "np.ndarray") -> str:
    """An image `[H, W, 3]` uint8 as a data URI, small enough to live inside a page."""
    from PIL import Image

    text = base64.b64encode(_webp(Image.fromarray(pixels))).decode("ascii")
    return f"data:image/webp;base64,{text}"


def _as_webp(path: Path) -> bytes:
    """The image of a file, small enough to live inside the report; the PNG has every pixel."""
    from PIL import Image

    with Image.open(path) as opened:
        return _webp(opened.convert("RGB"))


def _webp(image: "Image") -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=88, method=2)
    return out.getvalue()


def save_figure(figure: "Figure", path: Path) -> Path:
    """Writes a figure as its file name says (.svg or .png), whole; the same figure gives the same bytes."""
    kind: Any = path.suffix[1:]
    _files.write_whole(path, lambda file: file.write(encode(figure, kind)))
    return path
