"""`xaijax completion`: scripts that complete commands, options and names in a shell."""

from xaijax.completion._run import run
from xaijax.completion.config import CompletionConfig

__all__ = ["CompletionConfig", "run"]
