"""Output on terminals without Unicode: signs become what is nearest in ASCII, and no command ends because of one."""

import codecs
import io
import sys
import unicodedata

HANDLER = "xaijax.nearest"
PLAIN = {
    "✓": "+", "✗": "x", "⚠": "!", "·": "-", "–": "-", "−": "-", "×": "x", "→": "->", "←": "<-", "↑": "^", "↓": "v",
    "▲": "^", "▼": "v", "≤": "<=", "≥": ">=", "≈": "~", "±": "+-", "‖": "||", "√": "sqrt", "∞": "inf", "Σ": "sum",
    "“": '"', "”": '"', "∂": "d", "∫": "integral ", "⌈": "ceil(", "⌉": ")", "∝": "~",
}  # fmt: skip


def nearest(text: str) -> str:
    """A text in ASCII: Greek letters by their names, accented ones without accents, `?` for what has no likeness.

    Example:
        >>> nearest("✓ σ² ≤ 0.5 – Tümor 脳")
        '+ sigma2 <= 0.5 - Tumor ?'
    """
    return "".join(sign if sign.isascii() else _one(sign) for sign in text)


def _one(sign: str) -> str:
    if sign in PLAIN:
        return PLAIN[sign]
    name = unicodedata.name(sign, "")
    if name.startswith("GREEK"):
        return name.split(" WITH ")[0].split()[-1].lower()
    if unicodedata.combining(sign):
        return ""
    plain = "".join(one if one.isascii() else PLAIN.get(one, "") for one in unicodedata.normalize("NFKD", sign))
    return plain or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return nearest(error.object[error.start : error.end]), error.end


def adapt() -> None:
    """Makes the standard streams take every sign, whatever their encoding.

    A stream in UTF-8 is left alone but for names of files that cannot be decoded, which it shows with `?`.
    """
    codecs.register_error(HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors=HANDLER)


def refuse_undecoded(arguments: list[str]) -> None:
    """Refuses arguments that cannot be decoded: they could not be written into a run's files.

    Raises:
        ValueError: in one sentence.
    """
    for text in arguments:
        if any("\udc80" <= sign <= "\udcff" for sign in text):
            encoding = sys.getfilesystemencoding()
            raise ValueError(
                f"the argument {nearest(text)!r} cannot be read in the encoding {encoding}: set PYTHONUTF8=1, or give "
                "a name in UTF-8"
            )
