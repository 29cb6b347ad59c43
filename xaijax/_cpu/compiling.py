"""Compilation for the CPU.

jaxlib 0.10 hands convolutions to the YNNPACK library, which keeps one of two cores idle; with Eigen's a ResNet-50 is
quicker. JAX takes such options for a whole program only, so inside a program of the user's own they are the user's.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp

from xaijax._cpu.rewrite import fast

# `(jitted function, positions of its static arguments, arguments) -> result`
Runner = Callable[[Any, tuple[int, ...], tuple[Any, ...]], Any]
_runner: ContextVar[Runner | None] = ContextVar("runner", default=None)


def compiler_options() -> dict[str, Any]:
    """Options for `jax.jit(..., compiler_options=)`; empty where the default backend is not the CPU."""
    return dict(_known_options()) if jax.default_backend() == "cpu" else {}


@functools.cache
def _known_options() -> dict[str, Any]:
    """The options that this jaxlib knows: they are no stable interface."""
    options = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(jnp.float32(0)).compile()
    except Exception:  # an unknown option raises whatever the compiler raises
        return {}
    return options


@contextlib.contextmanager
def run_by(runner: Runner) -> Iterator[None]:
    """Hands every program that `jit` would run to `runner`, which runs it: so the profiler sees them all."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


def jit(function: Callable[..., Any], *, static_argnums: int | tuple[int, ...] = (), **options: Any) -> Any:
    """`jax.jit(fast(function), **options)`, with `compiler_options` where it is a program of its own.

    Arguments are given by position.
    """
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @functools.wraps(function)
    def rewritten(*args: Any) -> Any:
        dynamic = [place for place in range(len(args)) if place not in static]

        def of_arrays(*arrays: Any) -> Any:
            whole = list(args)
            for place, array in zip(dynamic, arrays, strict=True):
                whole[place] = array
            return function(*whole)

        return fast(of_arrays)(*(args[place] for place in dynamic))

    nested = jax.jit(rewritten, static_argnums=static, **options)

    @functools.cache
    def outermost() -> Callable[..., Any]:
        return jax.jit(rewritten, static_argnums=static, compiler_options=compiler_options(), **options)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        # Inside a trace even a constant is a tracer.
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in (jnp.zeros(()), *jax.tree.leaves(args)))
        if traced:
            return nested(*args)
        runner = _runner.get()
        return outermost()(*args) if runner is None else runner(outermost(), static, args)

    call.lower = lambda *args: outermost().lower(*args)  # type: ignore[attr-defined]  # as jax.jit's
    return call
