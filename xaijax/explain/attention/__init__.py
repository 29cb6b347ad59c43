"""Methods that read the attention weights of a vision transformer."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.attention._rollout import attention_rollout as attention_rollout
from xaijax.explain.attention._gradient_rollout import gradient_rollout as gradient_rollout
from xaijax.explain.attention._generic_attention import generic_attention as generic_attention
from xaijax.explain.attention._legrad import legrad as legrad

__all__ = [name for name in dir() if not name.startswith("_")]
