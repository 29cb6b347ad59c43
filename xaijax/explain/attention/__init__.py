"""Methods that read the attention weights of a vision transformer."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.attention._rollout import attention_rollout as attention_rollout

__all__ = [name for name in dir() if not name.startswith("_")]
