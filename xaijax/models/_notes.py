"""Sentences on what a model's file does not settle, with what each is about, so that a program can tell."""

from typing import Literal

About = Literal["preprocess", "output", "model"]
Source = Literal["file", "option", "library", "assumed"]


class Note(str):
    """A sentence for people that says in two words for programs what it is about.

    Attributes:
        about: the preprocessing, the output, or the model itself.
        source: where that comes from: the file, an option of the caller, the library that the model is named after, or
            an assumption.

    Example:
        >>> said = Note("m.pth does not say it: pixels in [0, 1] are assumed", "preprocess")
        >>> said.about, said.source, said[:5]
        ('preprocess', 'assumed', 'm.pth')
    """

    about: About
    source: Source

    def __new__(cls, text: str, about: About, source: Source = "assumed") -> "Note":
        made = super().__new__(cls, text)
        made.about, made.source = about, source
        return made

    def __getnewargs__(self) -> tuple[str, About, Source]:  # type: ignore[override]  # copied with what it is about
        return str(self), self.about, self.source
