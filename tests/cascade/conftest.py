"""A cascade of three rounds on small phantoms with a text in them, run once."""

import io

import pytest
from rich.console import Console

from xaijax import cascade


@pytest.fixture
def console():
    """Prints into memory: `console.file.getvalue()`."""
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="session")
def config():
    """`config(out, **changes)`: seconds of training."""

    def make(out, **changes):
        given = {
            "data": "phantoms",
            "out": out,
            "cues": ("text",),
            "count": 30,
            "size": 32,
            "model": "small_cnn",
            "epochs": 3,
            "batch_size": 8,
            "rounds": 3,
            "validation": 0.2,
            "test": 0.3,
            "compare": ("cam", "layer_cam"),
            "prefixes": (1,),
            "shown": 1,
        }
        return cascade.CascadeConfig(**(given | changes))

    return make


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """That cascade, done."""
    out = tmp_path_factory.mktemp("cascade") / "run"
    return cascade.run(config(out), console=Console(file=io.StringIO()))
