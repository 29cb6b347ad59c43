"""Gradient methods: the derivative of the score by the image, at the image, along paths and over noisy copies."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.gradients._gradient import gradient as gradient, input_x_gradient as input_x_gradient
from xaijax.explain.gradients._integrated_gradients import (
    integrated_gradients as integrated_gradients,
)
from xaijax.explain.gradients._expected_gradients import expected_gradients as expected_gradients
from xaijax.explain.gradients._smoothgrad import (
    smoothgrad as smoothgrad,
    smoothgrad_ig as smoothgrad_ig,
    smoothgrad_squared as smoothgrad_squared,
    vargrad as vargrad,
)
from xaijax.explain.gradients._guided_ig import guided_ig as guided_ig
from xaijax.explain.gradients._blur_ig import blur_ig as blur_ig
from xaijax.explain.gradients._smooth_paths import (
    smooth_blur_ig as smooth_blur_ig,
    smooth_guided_ig as smooth_guided_ig,
)
from xaijax.explain.gradients._guided_backprop import guided_backprop as guided_backprop
from xaijax.explain.gradients._deeplift import deeplift as deeplift

__all__ = [name for name in dir() if not name.startswith("_")]
