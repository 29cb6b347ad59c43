"""`xaijax completion`: scripts that complete commands, options and names in a shell."""

from xaijax.completion.config import CompletionConfig
from xaijax.completion.run import run

__all__ = ["CompletionConfig", "run"]
