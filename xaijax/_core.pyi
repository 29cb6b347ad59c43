"""Types of the compiled extension. Private: use `xaijax.kernels`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def build_info() -> dict[str, Any]: ...
def ffi_targets() -> dict[str, Any]: ...
def histogram_entropy(
    images: NDArray[Any], bins: int, from_image: bool, low: float, high: float, num_threads: int
) -> NDArray[np.float64]: ...
