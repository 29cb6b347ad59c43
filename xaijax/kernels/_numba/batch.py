"""A batch over threads for functions that release the GIL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def for_each(task: Callable[[int], None], count: int, num_threads: int) -> None:
    """Calls `task(i)` for each `i` in `range(count)`; the first exception is raised here."""
    if num_threads == 1 or count <= 1:
        for i in range(count):
            task(i)
        return
    with ThreadPoolExecutor(min(num_threads, count)) as pool:
        for _ in pool.map(task, range(count)):
            pass
