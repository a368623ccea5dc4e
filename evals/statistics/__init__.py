"""Statistics for programs that are scored on tasks, on top of scipy and statsmodels.

One rule runs through all of it: **the unit is the task's mean over its replicates**. Replicates of one task
are alike, so counting them as independent makes an interval far too short (nominal 95 % then covers about
69 % with five replicates). Outcomes come as a mapping from task id to the outcomes of its replicates, each
in [0, 1] (solved is 1). Rates and differences are fractions in [-1, 1] unless a name ends in `_points` (100
points are 1).

==========================  =====================================================================
`wilson`                    one rate from independent trials
`clustered_interval`        one rate from tasks with one or more replicates
`pooled_interval`           one share of runs, of which tasks have different numbers
`paired_difference`         two programs on the same tasks: permutation p, bootstrap interval
`mcnemar`                   the same with one replicate each: exact test on discordant tasks
`welch`                     two rows of whole runs ("mean ± SD of 5 runs")
`equivalence`               two one-sided tests against a margin: the only ground for "matches"
`holm`                      p values of a family of comparisons, adjusted
`pass_at_k`, `pass_at_k_interval`  what resampling k times solves
`power`                     what a planned comparison can show
`best_of_optimism`          what the best of M equal candidates scores above its true rate
==========================  =====================================================================

Sources: Miller, *Adding Error Bars to Evals* (arXiv 2411.00640); Bowyer et al. (arXiv 2503.01747); each
function names its own.
"""

from __future__ import annotations

from .equality import Equivalence, equivalence
from .families import HolmResult, holm
from .intervals import Interval, clustered_interval, pooled_interval, wilson
from .paired import McNemar, PairedDifference, mcnemar, paired_difference
from .planning import Power, power
from .resampling import pass_at_k, pass_at_k_interval
from .runs import Welch, welch
from .selection import best_of_optimism
from .units import Outcomes

__all__ = [
    "Equivalence",
    "HolmResult",
    "Interval",
    "McNemar",
    "Outcomes",
    "PairedDifference",
    "Power",
    "Welch",
    "best_of_optimism",
    "clustered_interval",
    "equivalence",
    "holm",
    "mcnemar",
    "paired_difference",
    "pass_at_k",
    "pass_at_k_interval",
    "pooled_interval",
    "power",
    "welch",
    "wilson",
]
