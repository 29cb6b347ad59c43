"""What XLA's CPU compiler does slowly, done in another way: `fast` rewrites a function, `jit` compiles it so.

`fast` works on the function's jaxpr, so it finds what gradients and `vmap` have made of a model as well as the model's
own layers. Values and derivatives are the same; among equal maxima the first takes the gradient, as before.
`xaijax._cpu.convolution` and `xaijax._cpu.pooling` say what is replaced by what, and why.
"""

from xaijax._cpu.compiling import Runner, compiler_options, jit, run_by
from xaijax._cpu.rewrite import fast

__all__ = ["Runner", "compiler_options", "fast", "jit", "run_by"]
