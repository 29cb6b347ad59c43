"""Methods that attribute to regions of the image instead of pixels."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.regions._xrai import xrai as xrai, xrai_fast as xrai_fast

__all__ = [name for name in dir() if not name.startswith("_")]
