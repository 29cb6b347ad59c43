"""The other columns of a row as a mapping that shares its cells with the table: a dictionary per image is too large."""

from collections.abc import Iterator, Mapping


class Extra(Mapping[str, str]):
    """Cells of one row by the names of their columns.

    Example:
        >>> dict(Extra({"age": 1}, ("a.png", "71")))
        {'age': '71'}
    """

    __slots__ = ("_cells", "_positions")

    def __init__(self, positions: Mapping[str, int], cells: tuple[str, ...]) -> None:
        self._positions = positions
        self._cells = cells

    def __getitem__(self, name: str) -> str:
        return self._cells[self._positions[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    def __repr__(self) -> str:
        return repr(dict(self))
