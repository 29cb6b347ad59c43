"""Which of the sources that the architectures name a set of weights is."""

from collections.abc import Collection, Mapping

from xaijax._errors import InputError
from xaijax.models.zoo import entry
from xaijax.models.zoo._entry import sources
from xaijax.models.zoo._weights import Source, renumber

MAKE = (
    "write a Python file with a function make_model() that returns your module with these weights loaded and give "
    "--model FILE.py:make_model, or save the module as .pt2 with torch.export.save"
)


class UnknownArchitectureError(InputError):
    """Weights of no architecture of the registry.

    Attributes:
        said: the sentence without what only Python's functions can do.
    """

    def __init__(self, said: str, more: str) -> None:
        super().__init__(said + more)
        self.said = said


def recognise(names: Collection[str], libraries: Collection[str], architecture: str | None, what: str) -> Source:
    """The source that a set of weights is.

    Args:
        names: its entries.
        libraries: those that may have written it.
        architecture: name in the registry, or None to find it.
        what: what the error calls the weights.

    Returns:
        The source.

    Raises:
        ValueError: where none fits, or another one than `architecture`.
    """
    rows = [row for row in sources() if row.library in libraries]
    known = sorted({row.architecture for row in rows})
    if architecture is not None:
        architecture = entry(architecture).name
    if architecture is not None and architecture not in known:
        raise InputError(
            f"weights of {architecture!r} cannot be read from {' or '.join(sorted(libraries))}; "
            f"choose from {', '.join(known)}"
        )
    views: dict[bool, Mapping[str, str]] = {
        False: {name: name for name in names},
        True: renumber(names),
    }
    found = [row for row in rows if row.matches(set(views[row.numbered].values()))]
    if architecture is not None:
        chosen = [row for row in found if row.architecture == architecture]
        if chosen:
            return chosen[0]
        # What is missing is listed by the conversion.
        family = [row for row in rows if row.architecture == architecture]
        return max(family, key=lambda row: sum(row.table.target(n) is not None for n in row.names(names).values()))
    if not found:
        some = ", ".join(sorted(names)[:3])
        keras = libraries == ("keras",)
        todo = "save the whole model as .keras and give that file" if keras else MAKE
        raise UnknownArchitectureError(
            f"the architecture of {what} is not recognised: its weights (entries such as {some}) fit none that xaijax "
            f"knows; {todo}",
            "; in Python, architecture=NAME says how they differ from one of list_models()",
        )
    return found[0]
