"""The contract of optimizers holds for the tuner, the NEAT-like searches, a third party's, and DSPy's own."""

from __future__ import annotations

import random

import dspy
import greenloop as gl
from greenloop.errors import BudgetExhausted
from greenloop.testing import OptimizerContract


class TestOptunaTuner(OptimizerContract):
    def optimizer(self, terms):
        return gl.OptunaTuner(
            budget=terms.budget, store=terms.store, seed=terms.seed, replicates=1, finalists=2, concurrency=1
        )


class TestNeatSearch(OptimizerContract):
    kind = gl.NeatSearch
    preset = "wide"

    def optimizer(self, terms):
        return self.kind(
            self.preset,
            budget=terms.budget,
            store=terms.store,
            seed=terms.seed,
            population=3,
            generations=2,
            replicates=1,
            finalists=1,
            concurrency=1,
        )


class TestNeatPaper(TestNeatSearch):
    preset = "paper"


class TestRandomTopology(TestNeatSearch):
    kind = gl.RandomTopology


class RandomSearch:
    """A third party's whole optimizer: draws settings at random, keeps the best on the train tasks."""

    def __init__(self, terms) -> None:
        self.rng = random.Random(terms.seed)

    def compile(self, program, /, *, trainset):
        best, best_rate = None, -1.0
        for _ in range(4):
            candidate = program.deepcopy()
            gl.knobs(candidate)["max_iterations"].value = self.rng.randint(0, 2)
            candidate.generate.temperature.value = round(self.rng.random(), 2)
            try:
                rate = gl.score(candidate, trainset, concurrency=1).mean
            except BudgetExhausted:
                break
            if rate > best_rate:
                best, best_rate = candidate, rate
        return best or program.deepcopy()


class TestThirdParty(OptimizerContract):
    gives_evidence = False
    takes_valset = False

    def optimizer(self, terms):
        return RandomSearch(terms)


class TestBootstrapFewShot(OptimizerContract):
    gives_evidence = False
    takes_valset = False

    def optimizer(self, terms):
        return dspy.BootstrapFewShot(metric=gl.solved, max_bootstrapped_demos=2, max_labeled_demos=0)
