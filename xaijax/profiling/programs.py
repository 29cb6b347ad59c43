"""Runs a method with every program in it compiled ahead of time, so that each can be timed and counted.

A method is one compiled program, or a function on the host that calls several. All of ours go through
`xaijax._cpu.jit`, which hands them over here. What runs is what a user's call runs: the same function and options, the
same settings of the compiler.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

from xaijax import _cpu
from xaijax.profiling import counting, memory

# JAX reports under this name how long each backend compilation took.
_COMPILED = "/jax/core/compile/backend_compile_duration"


@dataclasses.dataclass
class Program:
    """A compiled program, what it cost to make, and how often a call of the method runs it."""

    compiled: Any
    compile_seconds: dict[str, float]
    count: counting.Count
    xla_flops: float
    xla_bytes: float
    planned: int | None
    calls: int = 0

    @property
    def bytes(self) -> float:
        """XLA's bytes read and written; it counts loops once, so they grow as the operations do."""
        return self.xla_bytes * (self.count.flops / self.count.once if self.count.once else 1.0)


class Programs:
    """The programs of one cell. `with programs.running():` around a call of the method.

    Attributes:
        found: the programs, in the order of their first call.
        seconds: that programs ran since the last `reset`; each is waited for only while `waiting`.
        preparing: seconds that went into compiling and counting.
        waiting: whether to wait for each program, which tells the host's share.
    """

    def __init__(self, peak: "memory.Peak | None" = None) -> None:
        self.found: list[Program] = []
        self.seconds = self.preparing = 0.0
        self.waiting = True
        self._peak = peak
        self._known: dict[Any, Program] = {}

    def reset(self) -> None:
        """Counts calls and seconds from zero."""
        self.seconds = 0.0
        for program in self.found:
            program.calls = 0

    def check(self, count: counting.Count) -> None:
        """Called before a program is compiled; may raise."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Programs that are called inside are run from here."""
        with _cpu.run_by(self._run):
            yield

    def _run(self, jitted: Any, static: tuple[int, ...], args: tuple[Any, ...]) -> Any:
        fixed = tuple(args[position] for position in static)
        given = tuple(arg for position, arg in enumerate(args) if position not in static)
        leaves, layout = jax.tree.flatten(given)
        key = (jitted, fixed, layout, tuple((jax.numpy.shape(leaf), jax.numpy.result_type(leaf)) for leaf in leaves))
        program = self._known.get(key)
        if program is None:
            begun = time.perf_counter()
            program = self._known[key] = compile_program(jitted, args, self.check)
            self.found.append(program)
            if self._peak is not None:
                self._peak.start()  # what the compiler held is none of the program's
            self.preparing += time.perf_counter() - begun
        program.calls += 1
        begun = time.perf_counter()
        result = program.compiled(*given)
        if self.waiting:
            jax.block_until_ready(result)
            self.seconds += time.perf_counter() - begun
        return result


def compile_program(jitted: Any, args: tuple[Any, ...], check: Callable[[counting.Count], None]) -> Program:
    """Traces, lowers and compiles a jitted function for arguments, each step timed; `check` may refuse its count."""
    steps: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        made = step()
        steps[name] = time.perf_counter() - begun
        return made

    traced = timed("trace", lambda: jitted.trace(*args))
    count = counting.count(traced.jaxpr)
    check(count)
    lowered = timed("lower", traced.lower)
    compiled = timed("compile", lowered.compile)
    costs = compiled.cost_analysis() or {}
    costs = costs[0] if isinstance(costs, list) else costs
    return Program(
        compiled,
        steps,
        count,
        float(costs.get("flops", 0.0)),
        float(costs.get("bytes accessed", 0.0)),
        memory.planned(compiled),
    )


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Collects the names of all functions that JAX compiles meanwhile, whoever asks for it.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> x = jnp.ones(3)
        >>> with compilations() as names:
        ...     f = jax.jit(lambda x: x * 3)
        ...     _ = f(x), f(x)
        >>> len(names)
        1
    """
    names: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == _COMPILED:
            names.append(str(kwargs.get("fun_name", "")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
