"""Tables of images and labels: their text, their columns, their labels, and the files that their rows name.

A reader turns the lines of its table into `Row`s; `assemble` finds their files in a `FileIndex` and makes the data set.
"""

from xaijax.data.tables.columns import find_column, groups, is_blank, sides
from xaijax.data.tables.extra import Extra
from xaijax.data.tables.index import FileIndex
from xaijax.data.tables.labelled import listed_cases
from xaijax.data.tables.labels import (
    NONE,
    NONE_NUMBER,
    in_order,
    joined,
    one_hot,
    one_hot_columns,
    piped,
    present,
    separated,
    unlabelled,
)
from xaijax.data.tables.rows import Row, assemble, leave_broken
from xaijax.data.tables.text import TextTable, header, listed, read_table

__all__ = [
    "NONE",
    "NONE_NUMBER",
    "Extra",
    "FileIndex",
    "Row",
    "TextTable",
    "assemble",
    "find_column",
    "groups",
    "header",
    "in_order",
    "is_blank",
    "joined",
    "leave_broken",
    "listed",
    "listed_cases",
    "one_hot",
    "one_hot_columns",
    "piped",
    "present",
    "read_table",
    "separated",
    "sides",
    "unlabelled",
]
