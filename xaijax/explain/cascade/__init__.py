"""CasCAM: cascaded class activation maps, over any explainer.

Round k = 0 .. K-1 explains the images `X^(k)`, of which `X^(0)` are the given ones, and hides what it found from the
next round:

* `map_k`: the base map of the image's class, raw (`scale="raw"`) or min-max scaled (`scale="mm"`);
* `TH(map_k)`: the map after a threshold (`thresholds`);
* `X^(k+1) = mm(W X^(k))`, `W = exp(-θ TH(map_k))`; `mm` scales an image to [0, 1], all its channels together;
* the explanation is `Σ_k w_k mm(TH(map_k))`, `w_k ∝ exp(-λ k)`, normalised to sum 1.

Two forms. *Frozen* (`cascade`, `cascade_rounds`): one trained classifier, whose input alone is hidden. *Retrained*
(`Cascade`, made by `xaijax cascade`): each round has a classifier that was trained on its `X^(k)`, and to explain an
image all of them see it intact.
"""

from xaijax.explain.cascade._frozen import CascadeRounds, cascade, cascade_rounds
from xaijax.explain.cascade._steps import combine, round_weights, suppress
from xaijax.explain.cascade._trained import Cascade
from xaijax.explain.cascade.thresholds import apply_threshold

__all__ = [
    "Cascade",
    "CascadeRounds",
    "apply_threshold",
    "cascade",
    "cascade_rounds",
    "combine",
    "round_weights",
    "suppress",
]
