"""The NEAT-like search over the structure of programs."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import dspy

from ...errors import ProgramError, UsageError
from ...evals.check import solved
from ...evals.scoring import Metric
from ...evals.split import check_apart
from ...modules.generate import Generate
from ...modules.paper import paper_refine
from ...modules.programs import GenerateExecuteRefine
from ...modules.refine import Refine
from ...modules.wiring import DEFAULT_KINDS, KINDS, MOST_NODES, Kind
from ...runtime.budget import Budget
from ...runtime.language_model import language_model
from ...runtime.replay_meter import ReplayMeter
from ...runtime.run import Session, use_session
from ...runtime.store import Store, open_store
from ...runtime.task import Task
from ...runtime.token_calls import calls_to
from ..baselines import models_of
from ..metric_name import metric_name
from .building import Pool, pool_of
from .evaluating import Fitness, Record
from .evolution import Evolution, Generation
from .history import drawings, report
from .paper_space import PaperSpace
from .presets import PRESETS, Preset, PresetName
from .running import SEARCH_SHARE, SearchProgress, SearchRun
from .spaces import Space, WideSpace


class NeatSearch:
    """Evolves the structure of a program, its models, temperatures and iterations, and says what is shown.

    Used like `OptunaTuner`: the search and its finalists see the train tasks only, fresh replicates choose among the
    finalists and the simple loop, the one chosen program is confirmed on the validation tasks. What it returns is a
    `modules.graph.Graph` whose numbers are knobs: it can be tuned, saved, exported and drawn like any other program.

    Whether structure helps at all is the question that it is for: "Feedback Over Form" found that evolved topologies
    add little to a simple loop, with a constrained space and one noisy run as fitness.

    *Preset "wide"* is NEAT-like: typed-port graphs of all stages, speciation, fitness sharing, fitness replicated while
    a genome survives (see `spaces.WideSpace` for what differs from NEAT).

    *Preset "paper"* has the paper's genome, operators, probabilities and penalty: population 20, 20 generations, 25
    rotating tasks, one evaluation. What is not as there, or not known from the paper and its files:

    - prompts are our own sentences of the same content and number; code runs in Greenloop's sandbox; calls have seeds,
      so genomes that share a prefix share its answers, and a task that comes round again is drawn afresh;
    - `oracle=True` and `modules.paper.paper_task` are the caller's to pass: without them visible tests steer;
    - a generation's places are shared among species by mean fitness, the top half *of a species* are its parents, and a
      species' representative is a member at random;
    - children of two parents are always mutated; a removal from one bare stage does nothing;
    - nodes are counted as generator, one executor, analysers and refiners, which yields the penalties of its champions;
    - a stage's innovation number is given by the stages before it; stages are compared in order;
    - finalists are run again before one is chosen, and the choice is confirmed: the paper's best search score is
      `evidence.search_rate` of a finalist here, and never the result.

    A rerun of the same command replays: every call is stored, and what comes next depends on the seed and on outcomes
    alone. A stored call counts as paid when the search first needs it, so a resumed search ends where it would have
    ended (exactly so with a budget of trials or calls; with one of tokens, calls under way at its end can differ; one
    of wall seconds depends on the clock).

    Args:
        preset: "wide" or "paper".
        models: Models to choose from; without them those of the program, or of `dspy.configure`.
        budget: What may be paid, 60 % of it by the search, and without a `valset` all that finalists do not need;
            `n_trials` counts different expressed genomes.
        store: SQLAlchemy URL of cache and ledger, or an open store.
        metric: DSPy metric, `gl.solved` by default.
        seed: Seed of the evolution and of everything drawn.
        population: Genomes of a generation; the preset's without one.
        generations: Most generations; the preset's without one.
        kinds: Kinds of nodes that "wide" may add. "guided", a draft by `GuidedGenerate`, is there only where you name
            it, ``(*DEFAULT_KINDS, "guided")`` of `modules.wiring`, as its method is said to be patented, and only for
            models that can be asked a token or a line at a time.
        most_nodes: Most nodes of a "wide" graph, 8 at most.
        most_calls: Call budget: most model calls of a "wide" graph on one task.
        rotating: Tasks of a generation, in turn; the preset's without one, 0 for all.
        replicates: Fresh replicates of finalists and of the confirmation.
        finalists: How many of the best graphs are run again, beside the simple loop.
        parameters: Model → number of parameters, for models whose server publishes none: compute is held equal by
            parameters × tokens where all are known.
        oracle: Let hidden tests steer too; stamped on every figure.
        max_tokens: Most tokens of an answer; plans, notes and tests have less.
        concurrency: Runs at once of one graph.
        workers: Graphs of a generation that are scored at once. With more than one, processes with the same command and
            store share the work: each scores the generation in another order, and finds what the others have. Near
            the end of the budget graphs are scored in order again, so that the search ends where it would have. The
            budget is the search's and not a process's: each keeps the same account, in which a call counts when the
            search first needs it, whoever paid. A process that comes late or is slow finds what the others have stored
            and may pay nothing itself; all end with the same program and evidence, and together they pay the budget
            once.
        on_progress: Called after each scored task.

    Attributes:
        history: Every generation with its genomes, parents, fitness and species, once `compile` has run.
        archive: Every expressed genome that was scored, by digest.

    Example:
        >>> search = NeatSearch(models=["embedded"], budget=Budget(calls=2000), generations=5)
        >>> found = search.compile(trainset=train, valset=val)    # doctest: +SKIP

    Source: K. Stanley and R. Miikkulainen, Evolving Neural Networks through Augmenting Topologies (2002); *Feedback
    Over Form* (arXiv 2604.21950), section on its NEAT-inspired search.
    """

    def __init__(
        self,
        preset: PresetName = "wide",
        *,
        models: Sequence[Any] | None = None,
        budget: Budget | None = None,
        store: str | Store = "sqlite:///greenloop.db",
        metric: Metric = solved,
        seed: int = 0,
        population: int | None = None,
        generations: int | None = None,
        kinds: Sequence[Kind] = DEFAULT_KINDS,
        most_nodes: int = MOST_NODES,
        most_calls: int = 12,
        rotating: int | None = None,
        replicates: int = 2,
        finalists: int = 3,
        parameters: Mapping[str, float] | None = None,
        oracle: bool = False,
        max_tokens: int = 512,
        concurrency: int = 8,
        workers: int = 1,
        on_progress: Callable[[SearchProgress], None] | None = None,
    ) -> None:
        if preset not in PRESETS:
            raise UsageError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}")
        if min(finalists, replicates, workers, max_tokens) < 1:
            raise UsageError("finalists, replicates, workers and max_tokens must be at least 1")
        if not 1 <= most_nodes <= MOST_NODES or most_calls < 1:
            raise UsageError(f"a graph has 1 to {MOST_NODES} nodes and at least one call")
        if unknown := set(kinds) - set(KINDS):
            raise UsageError(f"there are no nodes of the kinds {sorted(unknown)}")
        chosen = PRESETS[preset]
        if population is not None:
            elitism = min(chosen.settings.elitism, max(0, population - 1))
            chosen = replace(
                chosen, settings=replace(chosen.settings, population=population, elitism=elitism)
            )
        if generations is not None:
            chosen = replace(chosen, generations=generations)
        if rotating is not None:
            chosen = replace(chosen, rotating=rotating or None)
        if chosen.generations < 1 or (chosen.rotating or 1) < 1:
            raise UsageError("generations and rotating must be at least 1")
        self.preset: PresetName = preset
        self.numbers: Preset = chosen
        self.models = None if models is None else list(models)
        self.budget = budget or Budget()
        self.store = store
        self.metric = metric
        self.seed = seed
        self.kinds, self.most_nodes, self.most_calls = tuple(kinds), most_nodes, most_calls
        self.replicates = replicates
        self.finalists = finalists
        self.parameters = dict(parameters or {})
        self.oracle = oracle
        self.max_tokens = max_tokens
        self.concurrency = concurrency
        self.workers = workers
        self.on_progress = on_progress
        self._evolution: Evolution | None = None
        self._fitness: Fitness | None = None

    @property
    def history(self) -> list[Generation]:
        """Every generation.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        if self._evolution is None:
            raise ProgramError("the search has no history before compile() has run")
        return self._evolution.history

    @property
    def archive(self) -> dict[str, Record]:
        """Every expressed genome that was scored.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        if self._fitness is None:
            raise ProgramError("the search has no archive before compile() has run")
        return self._fitness.archive

    def drawings(self, found: dspy.Module) -> dict[str, str]:
        """Title to SVG text: the graph that was found, the family tree of the search's best, and the species.

        Args:
            found: What `compile` returned.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        ranked = cast("Fitness", self._fitness).ranked()
        return drawings(self.history, ranked, cast("Evolution", self._evolution).space, found)

    def report(self) -> dict[str, Any]:
        """The family tree, the species over time and every scored graph as plain JSON data; see `history.report`.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        return report(self.history, self.archive, cast("Evolution", self._evolution).space)

    def compile(
        self,
        program: dspy.Module | None = None,
        *,
        trainset: Sequence[Task],
        valset: Sequence[Task] | None = None,
    ) -> dspy.Module:
        """Search.

        Args:
            program: What the result is compared with, and whose models are used where none were named; the simple loop
                with the first model without one. Its structure is no start: evolution starts minimal.
            trainset: Tasks that the search and its finalists see.
            valset: Tasks for the one confirmation; without them the verdict is "not confirmed".

        Returns:
            A new program with `.evidence`: a `Graph`, or a copy of the one it is compared with where that did best; its
            `evidence.search_rate` is then that of the best graph.

        Raises:
            UsageError: There are no tasks, or a problem is in both sets.
            InfrastructureError: A model or the store is away; the same call goes on later.
            BudgetExhausted: The budget did not reach for a single genome.
        """
        check_apart(trainset, valset or ())
        pool = self._pool(program)
        store = open_store(self.store) if isinstance(self.store, str) else self.store
        meter = ReplayMeter(self.budget.part(SEARCH_SHARE))
        session = Session(store, seed=self.seed, meter=meter, on_call=(meter.booked,))
        with use_session(session):
            run = SearchRun(self, program or self._loop(pool), pool, list(trainset), meter)
            self._evolution, self._fitness = run.evolution, run.fitness
            run.search()
            if not valset:
                run.search_on()
            meter.budget = self.budget
            return run.confirmed(list(valset or ()), store.url)

    def name(self, pool: Pool, tasks: Sequence[Task]) -> str:
        """Name of a run by its content."""
        content = [
            type(self).__name__,
            self.preset,
            repr(self.numbers),
            list(pool),
            self.kinds,
            self.most_nodes,
            self.most_calls,
            self.max_tokens,
            self.seed,
            self.oracle,
            metric_name(self.metric),
            sorted(t.digest for t in tasks),
        ]
        return "neat-" + hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    def evolution(self, space: Space, rng: random.Random) -> Evolution:
        """The population that the search starts from; see `RandomTopology` for another."""
        return Evolution(space, self.numbers.settings, rng)

    def space(self, pool: Pool) -> Space:
        """The genomes of the preset."""
        if self.preset == "paper":
            return PaperSpace(list(pool))
        if "guided" in self.kinds:
            _check_guidable(pool)
        return WideSpace(list(pool), kinds=self.kinds, most_nodes=self.most_nodes, most_calls=self.most_calls)

    def _pool(self, program: dspy.Module | None) -> Pool:
        models = self.models or (models_of(program) if program is not None else [None])
        return pool_of(models)

    def _loop(self, pool: Pool) -> dspy.Module:
        first = next(iter(pool.values()))
        if self.preset == "paper":
            return paper_refine(first)
        return GenerateExecuteRefine(
            generate=Generate(model=first, max_tokens=self.max_tokens),
            refine=Refine(model=first, max_tokens=self.max_tokens),
        )


def _check_guidable(pool: Pool) -> None:
    """Refuse guided nodes where a model of the pool offers whole answers only: they would be plain drafts."""
    for name, model in pool.items():
        chosen = dspy.settings.lm if model is None else model
        if chosen is not None and calls_to(cast("Any", language_model(chosen).engine)) is None:
            raise UsageError(
                f"kinds names guided nodes, and {name or 'the model of dspy.configure'} offers whole answers only:"
                " leave one of the two out"
            )
