"""One cell of a profile: a method on a batch, in one precision; and the turns by which cells are timed."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _cpu
from xaijax.profiling import memory, programs
from xaijax.profiling.config import FORWARD

_SHORT = 2.0  # seconds of a call that can be spared for a second look


class TooLongError(Exception):
    """One call would take longer than the limit; the argument is the estimate in seconds."""


@dataclasses.dataclass
class Cell:
    """A call to be timed, and what is found about it.

    Attributes:
        name: what it is called in progress bars.
        identity: what tells it from other cells, as it stands in its record.
        call: runs it; its arrays are on the device already.
        programs: the compiled programs it consists of.
        compiled: names of all functions compiled for it, from its first call to its last.
        first: seconds of a call while warming up, without compilation.
        host_share: of that time, outside compiled programs.
        peak: bytes, or None.
        repeats: timed calls wanted.
        seconds: of the timed calls.
        units: of the timed calls, in forward passes of the same batch timed in the same round.
    """

    name: str
    identity: dict[str, Any]
    call: Callable[[], Any]
    programs: programs.Programs
    memory: memory.Peak
    compiled: list[str] = dataclasses.field(default_factory=list)
    first: float = 0.0
    host_share: float = 0.0
    peak: int | None = None
    repeats: int = 1
    seconds: list[float] = dataclasses.field(default_factory=list)
    units: list[float] = dataclasses.field(default_factory=list)

    @property
    def flops(self) -> float:
        """Operations of one call."""
        return sum(program.calls * program.count.flops for program in self.programs.found)

    @property
    def bytes(self) -> float:
        """Bytes that one call reads and writes, by XLA's count."""
        return sum(program.calls * program.bytes for program in self.programs.found)

    @property
    def over(self) -> bool:
        """Whether it had all of its turns; the bare forward pass continues with the others'."""
        return len(self.seconds) >= self.repeats and self.identity["method"] != FORWARD

    def warm(self, repeat: int, limit: float) -> None:
        """Compiles and runs once: memory, the host's share, and how many repeats fit the limit."""
        self.programs.waiting = True
        _cpu.compiler_options()  # found out once, by compiling something
        self.memory.start()
        with programs.compilations() as names, self.programs.running():
            begun = time.perf_counter()
            jax.block_until_ready(self.call())
            whole = time.perf_counter() - begun
        self.peak = self.memory.bytes()
        self.compiled += names
        self.first = max(whole - self.programs.preparing, 1e-9)
        if self.first < _SHORT:  # the first call also fills caches
            self.first = self.time()
            self.seconds.clear()
        self.programs.waiting = False
        self.host_share = max(0.0, 1 - self.programs.seconds / self.first)
        self.repeats = max(1, min(repeat, int(limit / self.first)))

    def time(self) -> float:
        """Seconds of one call, the result waited for."""
        self.programs.reset()
        with programs.compilations() as names, self.programs.running():
            begun = time.perf_counter()
            jax.block_until_ready(self.call())
            taken = time.perf_counter() - begun
        self.compiled += names
        self.seconds.append(taken)
        return taken


class Limited(programs.Programs):
    """Refuses a program, before it is compiled, whose operations would take longer than the limit."""

    def __init__(self, peak: memory.Peak, rate: float, limit: float) -> None:
        super().__init__(peak)
        self._rate, self._limit = rate, limit

    def check(self, count: Any) -> None:
        """Raises `TooLongError` for a program of that many operations."""
        if self._rate and count.flops / self._rate > self._limit:
            raise TooLongError(count.flops / self._rate)


@functools.cache
def forward() -> Callable[[Any, Any], Any]:
    """The bare forward pass, compiled as the methods are."""

    def forward(classifier: Any, images: Any) -> Any:
        return classifier.logits(classifier.params, images)

    return _cpu.jit(forward)


def pictures(count: int, shape: Sequence[int]) -> np.ndarray:
    """`[count, *shape]` float32 in [0, 1]: coloured discs on a gradient, so that segments and edges are there."""
    rng = np.random.default_rng(0)
    height, width, channels = shape
    row, column = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    images = np.empty((count, *shape), np.float32)
    for image in images:
        image[:] = (row + column)[..., None] * rng.uniform(0.1, 0.4, channels)
        for _ in range(6):
            centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.25)
            disc = (row - centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2
            image[disc] = rng.uniform(0, 1, channels)
        image += 0.02 * rng.standard_normal(image.shape)
    return np.clip(images, 0, 1)


def make(
    method: str,
    classifier: Any,
    identity: Mapping[str, Any],
    device: Any,
    options: Mapping[str, Any],
    *,
    rate: float = 0.0,
    limit: float = float("inf"),
) -> Cell:
    """A cell of a method (or of the bare forward pass) on `identity["batch"]` images.

    Args:
        method: a name of the method table, or "forward".
        classifier: its parameters on the device.
        identity: of the cell; "batch" is read.
        device: where the images go.
        options: of the method.
        rate: operations per second of the forward pass, to foresee calls beyond the limit; 0 foresees none.
        limit: seconds.

    Returns:
        The cell, not yet compiled.
    """
    from xaijax.explain import METHODS

    batch = int(identity["batch"])
    images = jax.device_put(pictures(batch, classifier.input_shape), device)
    labels = jax.device_put(np.arange(batch, dtype=np.int32) % len(classifier.classes), device)
    peak = memory.Peak(device)
    name = f"{method}, batch of {batch}, {identity['precision']}"
    if method == FORWARD:
        run = forward()
        return Cell(name, dict(identity), lambda: run(classifier, images), programs.Programs(peak), peak)
    entry = METHODS[method]
    more: dict[str, Any] = dict(options)
    if "key" in entry.needs:
        more["key"] = jax.device_put(jax.random.key(0), device)
    if "masks" in entry.needs:
        more["masks"] = jnp.asarray(np.asarray(images)[..., 0] > 0.5)
    held = Limited(peak, rate, limit)
    return Cell(name, dict(identity), lambda: entry.function(classifier, images, labels, **more), held, peak)


def take_turns(cells: Sequence[Cell], after: Callable[[Cell, float], None]) -> Iterator[int]:
    """Times the cells interleaved, one call of each in a round, every other one backwards, so drift hits all alike.

    A cell with fewer repeats sits out the last rounds. `units` are filled from the forward pass of the same batch,
    precision and model; where there is none they stay empty. Yields after each round.
    """
    for number in range(max((cell.repeats for cell in cells), default=0)):
        turn = [cell for cell in cells if number < cell.repeats or cell.identity["method"] == FORWARD]
        taken: dict[int, float] = {}
        for cell in turn if number % 2 == 0 else turn[::-1]:
            taken[id(cell)] = cell.time()
            after(cell, taken[id(cell)])
        bare = {_group(cell): taken[id(cell)] for cell in turn if cell.identity["method"] == FORWARD}
        for cell in turn:
            if _group(cell) in bare:
                cell.units.append(taken[id(cell)] / bare[_group(cell)])
        yield number


def _group(cell: Cell) -> tuple[Any, ...]:
    return tuple(cell.identity[key] for key in ("model", "precision", "batch", "size", "device"))
