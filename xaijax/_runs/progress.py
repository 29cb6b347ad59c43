"""Progress of long work: a bar with an estimate of the time left, and plain lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xaijax._runs import folder

if TYPE_CHECKING:
    from rich.console import Console

Report = Callable[..., None]
"""`report(share, text=None)`: the finished share, 0 to 1, and if wanted another text."""


@contextmanager
def bar(console: "Console", text: str) -> Iterator[Report]:
    """A progress bar with an estimate of the time left; it disappears when it is done.

    Args:
        console: where to draw.
        text: what is going on.

    Yields:
        `report(share, text=None)`.
    """
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # In a file or a pipe it would leave an empty line; a notebook, which forces colours, would keep every step.
    moves = console.is_terminal and console.file.isatty()
    with Progress(*columns, console=console, transient=True, disable=not moves) as progress:
        task = progress.add_task(text, total=1.0)

        def report(share: float, words: str | None = None) -> None:
            progress.update(task, completed=share, description=words or progress.tasks[task].description)

        yield report


def say(console: "Console", text: str) -> None:
    """One line, unchanged: no markup, no colours, no wrapping."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def resumable(console: "Console", out: Path) -> Iterator[None]:
    """Says after Ctrl-C how to resume what is finished in a run folder, if anything is."""
    try:
        yield
    except KeyboardInterrupt:
        if (out / folder.DESCRIPTION).is_file():
            say(console, f"interrupted; what is finished stays in {out}: add --resume to resume it")
        raise
