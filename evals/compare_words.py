"""What a comparison shows and does not show, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from .compare_methods import Method
from .compare_searches import SIMPLE_LOOP, Search
from .experiments.result import Contrast
from .experiments.verdicts import in_words

REQUIRED = ("humaneval", "mbpp")
"""Benchmarks on whose locked tasks a topology must beat the simple loop before it is said to help."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Whether a searched topology helps.

    Attributes:
        helps: True or False; None where it cannot be said.
        words: Why, in a sentence.
    """

    helps: bool | None
    words: str


def topology(
    contrasts: Sequence[Contrast],
    methods: Mapping[str, Method],
    benchmarks: Sequence[str],
    simulated: bool,
    required: Sequence[str] = REQUIRED,
) -> Topology:
    """The one claim that needs every required benchmark: better than every simple loop on the locked tasks of each.

    Args:
        contrasts: The family of comparisons of topologies with simple loops, Holm-adjusted.
        methods: The methods that were compared.
        benchmarks: The benchmarks that were run.
        simulated: A simulated model had a part in it.
        required: Benchmarks that the claim needs.
    """
    searched = [name for name, m in methods.items() if m.kind == "topology"]
    loops = [name for name, m in methods.items() if m.kind == "simple loop"]
    if not searched or not loops:
        return Topology(
            None, "Whether topology helps was not asked: that takes a searched topology and a simple loop."
        )
    names = {"humaneval": "HumanEval", "mbpp": "MBPP"}
    wanted = " and ".join(names.get(name, name) for name in required)
    if missing := [name for name in required if name not in benchmarks]:
        was = "were" if len(missing) > 1 else "was"
        lacking = " and ".join(names.get(name, name) for name in missing)
        return Topology(
            None,
            f"Whether topology helps cannot be said: that takes locked tasks of {wanted}, and {lacking} {was} not run.",
        )
    if simulated:
        return Topology(None, "Whether topology helps cannot be said: a simulated model had a part in this.")
    winners = [name for name in searched if _beats_all(name, loops, contrasts, required)]
    if not winners:
        said = f"none is better than {_and(loops)} on the locked tasks of {wanted} after Holm's correction"
        return Topology(False, f"It is not shown that topology helps: {said}.")
    words = (
        f"Topology helps: {_and(winners)} beat {_and(loops)} on the locked tasks of {wanted}, Holm-corrected."
    )
    drawn = [name for name in winners if "random" in name.lower()]
    if drawn:
        words += f" {_and(drawn)} did so too: the structures, not their evolution, made the difference."
    return Topology(True, words)


def against_resampling(contrasts: Sequence[Contrast]) -> str:
    """The comparisons with resampling at the methods' compute, or as near to it as its curve leads, in a sentence."""
    if not contrasts:
        return ""
    equal = all(c.at.startswith("equal") for c in contrasts)
    return f"{'At equal compute' if equal else 'As near to equal compute as resampling leads'}: {in_words(contrasts)}"


def rediscovery(searches: Sequence[Search], methods: Mapping[str, Method]) -> str:
    """How often a search for structure ended where the simple loop stands already."""
    parts: list[str] = []
    for name, method in methods.items():
        mine = [s for s in searches if s.method == name and s.program is not None]
        if method.kind == "topology" and method.searches and mine:
            ended = sum(s.structure == SIMPLE_LOOP for s in mine)
            led = sum(s.leader == SIMPLE_LOOP for s in mine)
            parts.append(
                f"{name} returned it in {ended} of {len(mine)} searches and scored it best itself in {led}"
            )
    if not parts:
        return ""
    return f"The simple loop ({SIMPLE_LOOP}) rediscovered: {'; '.join(parts)}."


def nothing_found(searches: Sequence[Search]) -> list[str]:
    """What stands for searches whose budget ended before there was anything: a figure of the others alone flatters."""
    empty = [s for s in searches if s.program is None]
    words = {
        "what it was given is scored in its place": [s for s in empty if s.given is not None],
        "it has no part in its method's figure": [s for s in empty if s.given is None],
    }
    return [
        f"The budget ended before anything was found, and {said}:"
        f" {'; '.join(f'{s.method}, search {s.number + 1}' for s in those)}."
        for said, those in words.items()
        if those
    ]


def structures(searches: Sequence[Search], method: str) -> str:
    """The structures that a method's searches returned, with how often."""
    counts = Counter(s.structure for s in searches if s.method == method and s.program is not None)
    return "; ".join(f"{text} ({n})" if n > 1 else text for text, n in counts.most_common())


@dataclass(frozen=True, slots=True)
class Inflation:
    """How much too high a method's own scores were, in points, over its searches.

    Attributes:
        method: The method.
        n: Searches that told a score.
        own: Mean of the searches' own scores, as a rate.
        confirmed: Mean rate of what these searches returned on locked tasks of all benchmarks, each task counted once.
        points: Own minus confirmed, for each search: where a search gave back the program that it started beside, its
            own best's score minus what it returned.
        fresh_points: Own minus fresh replicates of the same program on the same tasks, for each search that had some:
            chance alone.
    """

    method: str
    n: int
    own: float
    confirmed: float
    points: tuple[float, ...]
    fresh_points: tuple[float, ...]

    def words(self) -> str:
        """In a clause."""
        text = f"{self.method} {mean(self.points):+.1f} points"
        if self.n > 1:
            text += f" ({min(self.points):+.1f} to {max(self.points):+.1f} over {self.n} searches)"
        return text


def inflation(searches: Sequence[Search], confirmed: Mapping[tuple[str, int], float]) -> list[Inflation]:
    """The inflation of every method whose searches told their own score.

    Args:
        searches: The searches.
        confirmed: (method, number of the search) to the rate on all locked tasks.
    """
    found: list[Inflation] = []
    for name in dict.fromkeys(s.method for s in searches):
        told = [
            s
            for s in searches
            if s.method == name and s.own_score is not None and (name, s.number) in confirmed
        ]
        if not told:
            continue
        own = [s.own_score or 0.0 for s in told]
        rates = [confirmed[name, s.number] for s in told]
        fresh = [(s.own_score, s.fresh_score) for s in told]
        found.append(
            Inflation(
                name,
                len(told),
                mean(own),
                mean(rates),
                tuple(100 * (a - b) for a, b in zip(own, rates, strict=True)),
                tuple(100 * (a - b) for a, b in fresh if a is not None and b is not None),
            )
        )
    return found


def _beats_all(
    name: str, loops: Sequence[str], contrasts: Sequence[Contrast], required: Sequence[str]
) -> bool:
    shown = {(c.name, c.other) for c in contrasts if c.shown and c.points > 0}
    return all((f"{b}: {name}", f"{b}: {loop}") in shown for b in required for loop in loops)


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
