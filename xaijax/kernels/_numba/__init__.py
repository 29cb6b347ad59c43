"""The portable fallback: the kernels once more, in NumPy and numba.

Used where the extension is not built, and by the tests as an independent oracle: nothing here follows the C++ code,
only the same definitions. Functions take validated, C-contiguous NumPy arrays.
"""
