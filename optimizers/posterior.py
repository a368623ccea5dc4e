"""What a search believes of its configurations: neighbours lend each other evidence, so that no lucky score decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..modules.knobs import Choice, Knob
from .space import place_of
from .trials import Tried, Values

_LENGTH, _SIGNAL, _NOISE = 0.7, 0.3, 0.85
"""Where the fit starts, and what it is drawn to: lengths in widths of a knob's range, the rest in spreads of a run."""
_SPREADS = (1.0, 0.7, 0.25)
_STEPS, _WIDEST = 40, 4.0
_PRIOR_RUNS = 2.0

LEAST_CHANCE = 0.1
"""A configuration with a smaller chance to be the best hardly can win: it gets no more runs."""


class Posterior:
    """Mean and standard deviation of what configurations truly score on the tuned tasks.

    A Gaussian process over the knobs: a squared-exponential kernel with a length for each (values of a `Choice` are one
    apart from each other), and noise that falls with the number of runs behind a score. Its numbers are those of the
    largest likelihood under weak priors. Where a configuration was ended early, its score is set right for how hard the
    tasks were that it did see. So of many configurations tried once, the one with the best score is not believed, but
    the one in the best neighbourhood.

    Args:
        found: The knobs by path.
        tried: The configurations with their outcomes; at least one.

    Example:
        >>> from greenloop import Float
        >>> def tried(t, score):
        ...     return Tried({"t": t}, {f"task{i}": [score] for i in range(20)}, (0,), True, score, {}, None)
        >>> some = [tried(0.1, 0.2), tried(0.7, 0.8), tried(0.72, 0.82), tried(1.0, 0.4)]
        >>> posterior = Posterior({"t": Float(0, 1)}, some)
        >>> means, deviations = posterior.of([{"t": 0.71}, {"t": 0.1}])
        >>> means[0] > means[1]
        True

    Source: Rasmussen and Williams, *Gaussian Processes for Machine Learning* (2006), chapters 2 and 5.
    """

    def __init__(self, found: Mapping[str, Knob], tried: Sequence[Tried]) -> None:
        import numpy as np
        from scipy.linalg import cho_factor, cho_solve

        self._axes = list(found.items())
        self.tasks = task_means([one.outcomes for one in tried])
        centre = sum(self.tasks.values()) / len(self.tasks)
        scores, runs, squares = [], [], 0.0
        for one in tried:
            gains = [o - self.tasks[t] for t, outcomes in one.outcomes.items() for o in outcomes]
            values = [o for outcomes in one.outcomes.values() for o in outcomes]
            squares += sum((v - centre) ** 2 for v in values)
            scores.append(centre + sum(gains) / len(gains))
            runs.append(len(gains))
        self._unit = math.sqrt(squares / sum(runs)) or 1.0
        self._points = self._encoded([one.values for one in tried])
        weights = np.array(runs, float)
        self._centre = float(np.average(scores, weights=weights))
        targets = (np.array(scores) - self._centre) / self._unit
        self._lengths, self._signal, noise = self._fitted(targets, weights)
        self.noise = noise * self._unit**2
        kernel = self._kernel(self._points, self._points) + np.diag(noise / weights + 1e-8)
        self._factor = cho_factor(kernel, lower=True)
        self._weights = cho_solve(self._factor, targets)

    def of(self, values: Sequence[Values]) -> tuple[list[float], list[float]]:
        """Means and standard deviations of these configurations, tried or not."""
        import numpy as np
        from scipy.linalg import cho_solve

        kernel = self._kernel(self._encoded(values), self._points)
        means = self._centre + self._unit * (kernel @ self._weights)
        variances = self._signal - np.einsum("ij,ji->i", kernel, cho_solve(self._factor, kernel.T))
        return means.tolist(), (self._unit * np.sqrt(np.maximum(variances, 0.0))).tolist()

    def belief(self, values: Values, others: Sequence[Tried]) -> Belief:
        """What is believed of a configuration, beside the best of the others."""
        means, deviations = self.of([values])
        best = max(self.of([one.values for one in others])[0])
        return Belief(means[0], deviations[0], self.noise, self.tasks, best)

    def _encoded(self, values: Sequence[Values]) -> Any:
        import numpy as np

        return np.array([[place_of(knob, one[path]) for path, knob in self._axes] for one in values], float)

    def _distances(self, one: Any, other: Any) -> Any:
        """Squared distance along each knob: (knobs, rows of one, rows of other)."""
        import numpy as np

        apart = (one[:, None, :] - other[None, :, :]) ** 2
        for i, (_, knob) in enumerate(self._axes):
            if isinstance(knob, Choice):
                apart[:, :, i] = apart[:, :, i] > 0
        return np.moveaxis(apart, 2, 0)

    def _kernel(self, one: Any, other: Any) -> Any:
        import numpy as np

        weighed = self._distances(one, other) / (self._lengths**2)[:, None, None]
        return self._signal * np.exp(-0.5 * weighed.sum(0))

    def _fitted(self, targets: Any, weights: Any) -> tuple[Any, float, float]:
        """Lengths, variance of the signal and of a run's noise."""
        import numpy as np
        from scipy.linalg import LinAlgError, cho_factor, cho_solve
        from scipy.optimize import minimize

        apart = self._distances(self._points, self._points)
        axes, n = len(self._axes), len(targets)
        start = np.log(np.r_[np.full(axes, _LENGTH), _SIGNAL, _NOISE])
        spread = np.r_[np.full(axes, _SPREADS[0]), _SPREADS[1:]]

        def loss(logs: Any) -> tuple[float, Any]:
            inverse = np.exp(-2 * logs[:axes])
            kernel = np.exp(2 * logs[axes] - 0.5 * np.tensordot(inverse, apart, 1))
            noise = np.exp(2 * logs[axes + 1]) / weights
            try:
                factor = cho_factor(kernel + np.diag(noise + 1e-8), lower=True)
            except LinAlgError:
                return math.inf, np.zeros_like(logs)
            solved = cho_solve(factor, targets)
            pull = np.outer(solved, solved) - cho_solve(factor, np.eye(n))
            slopes = [
                -0.5 * i * float(np.sum(pull * kernel * one)) for i, one in zip(inverse, apart, strict=True)
            ]
            slopes += [-float(np.sum(pull * kernel)), -float(np.diag(pull) @ noise)]
            away = (logs - start) / spread
            fit = 0.5 * float(targets @ solved) + float(np.log(np.diag(factor[0])).sum())
            return fit + 0.5 * float(away @ away), np.array(slopes) + away / spread

        bounds = list(zip(start - _WIDEST * spread, start + _WIDEST * spread, strict=True))
        best = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS}
        ).x
        return np.exp(best[:axes]), float(np.exp(2 * best[axes])), float(np.exp(2 * best[axes + 1]))


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one configuration before its runs, and of the best of the others.

    Attributes:
        mean: Expected score.
        deviation: Its standard deviation.
        noise: Variance of a run's outcome about the configuration's score on a task of known difficulty.
        tasks: Task → mean outcome over all configurations.
        best: Expected score of the best other configuration.
    """

    mean: float
    deviation: float
    noise: float
    tasks: Mapping[str, float]
    best: float

    def chance_of_best(self, outcomes: Mapping[str, float]) -> float:
        """Chance that the configuration is better than the best other one, after these outcomes of its own.

        Args:
            outcomes: Task to outcome, of tasks that other configurations were run on, too.
        """
        centre = sum(self.tasks.values()) / len(self.tasks)
        known = [outcome - self.tasks[task] for task, outcome in outcomes.items() if task in self.tasks]
        mean, variance = self.mean, self.deviation**2
        if known:
            weight = variance / (variance + self.noise / len(known)) if variance else 0.0
            mean += weight * (centre + sum(known) / len(known) - mean)
            variance *= 1 - weight
        return chance_of_more(mean - self.best, math.sqrt(variance))


def chance_of_more(lead: float, deviation: float) -> float:
    """Chance that a difference is positive which is expected to be `lead`, with this standard deviation.

    Example:
        >>> chance_of_more(0.0, 0.1), chance_of_more(0.1, 0.0)
        (0.5, 1.0)
    """
    if not deviation:
        return float(lead > 0) if lead else 0.5
    return 0.5 * math.erfc(-lead / (math.sqrt(2) * deviation))


def task_means(tables: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """Task → mean outcome over all configurations, drawn a little to the mean of all: how hard it is.

    Args:
        tables: Task → outcomes, of each configuration.
    """
    table: dict[str, list[float]] = {}
    for one in tables:
        for task, outcomes in one.items():
            table.setdefault(task, []).extend(outcomes)
    every = [outcome for outcomes in table.values() for outcome in outcomes]
    mean = sum(every) / len(every)
    return {task: (sum(o) + _PRIOR_RUNS * mean) / (len(o) + _PRIOR_RUNS) for task, o in table.items()}
