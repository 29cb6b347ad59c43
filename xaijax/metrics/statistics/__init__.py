"""Statistics over per-image scores: intervals, paired tests, rankings, and how stable the rankings are.

`analyze` makes all of them for `Scores`; the parts take plain arrays `[images, methods]` with NaN for no value. The
tests are SciPy's. What cannot be said (one image, equal scores, no image that both methods have a value for) is NaN
with a `note`, never a number.

Comparisons that may be looked at after every image are `betting` (the default), `hedged` and `empirical_bernstein`.
"""

from xaijax.metrics._interval import mean_interval
from xaijax.metrics.statistics._betting import Bets, betting
from xaijax.metrics.statistics._false_discoveries import benjamini_hochberg, benjamini_yekutieli, e_benjamini_hochberg
from xaijax.metrics.statistics._friedman import Ranking, friedman
from xaijax.metrics.statistics._hedged import hedged
from xaijax.metrics.statistics._holm import holm
from xaijax.metrics.statistics.analysis import Mean, MetricStatistics, analyze
from xaijax.metrics.statistics.anytime import Anytime
from xaijax.metrics.statistics.bernstein import empirical_bernstein
from xaijax.metrics.statistics.clusters import ClusterMeans, cluster_means
from xaijax.metrics.statistics.effect import cohens_d, rank_biserial
from xaijax.metrics.statistics.pairs import Pair, compare_pairs, compare_two
from xaijax.metrics.statistics.stability import Stability, kendall_tau

__all__ = [
    "Anytime",
    "Bets",
    "ClusterMeans",
    "Mean",
    "MetricStatistics",
    "Pair",
    "Ranking",
    "Stability",
    "analyze",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "betting",
    "cluster_means",
    "cohens_d",
    "compare_pairs",
    "compare_two",
    "e_benjamini_hochberg",
    "empirical_bernstein",
    "friedman",
    "hedged",
    "holm",
    "kendall_tau",
    "mean_interval",
    "rank_biserial",
]
