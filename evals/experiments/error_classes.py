"""Experiment `error-classes`: which mistakes refining mends, and whether a fresh draft would have done as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..statistics import clustered_interval, holm, paired_difference
from ..transitions import PASSED, ClassRate
from .bench import Bench
from .judged import Judged, judge, ledger_of, share, transition_table
from .pool import Model
from .result import Cell, Table
from .verdicts import in_words

Flags = dict[str, list[float]]


@dataclass
class _Class:
    """Drafts of one class that a loop set out to mend: task → fixed or not, by each of the two ways."""

    refined: Flags = field(default_factory=dict[str, list[float]])
    redrawn: Flags = field(default_factory=dict[str, list[float]])

    @property
    def n(self) -> int:
        return sum(len(flags) for flags in self.refined.values())


def error_classes(bench: Bench) -> str:
    """Run it; the verdict in words.

    Self-refine and resampling from the same first drafts. Counted are drafts that did not pass the steering tests;
    classes and "fixed" (some later code passes) are judged on all tests. A class is tested against the others by
    Fisher's exact test at the number of independent drafts that they are worth (replicates of a task are alike),
    Holm-adjusted; intervals are over tasks.

    Source: *Feedback Over Form* (arXiv 2604.21950), error taxonomy; the comparison with fresh drafts is ours.
    """
    pooled: dict[str, _Class] = {}
    shown: list[str] = []
    for model in bench.pool.models:
        found, rates = _one(bench, model)
        shown += [
            f"{model.label}: {rate.name} is fixed {'more' if _above(rate, rates) else 'less'} often than"
            f" the other classes ({rate.fixed} of {rate.n})"
            for rate in rates
            if rate.p_adjusted < 1 - bench.config.level
        ]
        for name, one in found.items():
            kept = pooled.setdefault(name, _Class())
            for task_id in one.refined:
                kept.refined.setdefault(task_id, []).extend(one.refined[task_id])
                kept.redrawn.setdefault(task_id, []).extend(one.redrawn[task_id])
    if pooled and len(bench.pool.models) > 1:
        bench.tables.append(_table("All models pooled", pooled, bench.config.level, bench.config.seed))
    classes = "; ".join(shown) or (
        "No class is shown to be fixed more or less often than the others"
        if pooled
        else "Every draft passed the steering tests, or loads where there are none: nothing was mended"
    )
    return f"{classes}. {in_words(bench.contrasts())}"


def _one(bench: Bench, model: Model) -> tuple[dict[str, _Class], Sequence[ClassRate]]:
    """The drafts that a model's loop set out to mend, by class, and how often each class was fixed."""
    arms, config = bench.arms, bench.config
    refine, resample = f"refine {model.label}", f"resample {model.label} ×{config.calls}"
    refined = judge(bench.run(refine, arms.refine(model)), bench.tasks, config.concurrency)
    redrawn = judge(bench.run(resample, arms.resample(model)), bench.tasks, config.concurrency)
    bench.compare(refine, resample, at="equal calls")
    found = _by_class(refined, redrawn)
    set_out = [j for j in refined if _is_red(j)]
    rates: Sequence[ClassRate] = ()
    if set_out:
        ledger = ledger_of(set_out, config.level)
        rates = ledger.by_initial_class
        title = f"{refine}: fixed by class of the draft"
        bench.tables += [_table(title, found, config.level, config.seed), _tests(refine, rates)]
        bench.tables += [
            transition_table(f"{refine}: iteration {step.iteration}, class on all tests", step)
            for step in ledger.steps
        ]
    false_green = sum(not _is_red(j) and j.classes[0] != PASSED for j in refined)
    bench.notes.append(
        f"{refine}: {len(set_out)} drafts did not pass the steering tests and were mended; {false_green} passed them"
        " and are wrong by the hidden ones: no loop mends those"
    )
    return found, rates


def _is_red(j: Judged) -> bool:
    return j.first_green != 0


def _by_class(refined: Sequence[Judged], redrawn: Sequence[Judged]) -> dict[str, _Class]:
    other = {(j.item.task_id, j.item.replicate): j for j in redrawn}
    found: dict[str, _Class] = {}
    for j in refined:
        twin = other[j.item.task_id, j.item.replicate]
        if not _is_red(j):
            continue
        one = found.setdefault(j.classes[0], _Class())
        one.refined.setdefault(j.item.task_id, []).append(float(PASSED in j.classes[1:]))
        one.redrawn.setdefault(j.item.task_id, []).append(float(PASSED in twin.classes[1:]))
    return dict(sorted(found.items(), key=lambda pair: -pair[1].n))


def _table(title: str, classes: Mapping[str, _Class], level: float, seed: int) -> Table:
    """Each class: fixed by refining, fixed by fresh drafts, and the paired difference, Holm-adjusted over classes."""
    compared = {
        name: paired_difference(one.refined, one.redrawn, level, rng=seed) for name, one in classes.items()
    }
    adjusted = holm({name: d.p for name, d in compared.items()}, 1 - level).adjusted if compared else {}
    rows: list[tuple[Cell, ...]] = []
    for name, one in classes.items():
        mended, drawn = (clustered_interval(flags, level) for flags in (one.refined, one.redrawn))
        d = compared[name]
        rows.append(
            (
                name,
                one.n,
                len(one.refined),
                round(sum(map(sum, one.refined.values()))),
                f"{100 * mended.estimate:.0f} % ({100 * mended.low:.0f}–{100 * mended.high:.0f})",
                round(sum(map(sum, one.redrawn.values()))),
                f"{100 * drawn.estimate:.0f} % ({100 * drawn.low:.0f}–{100 * drawn.high:.0f})",
                f"{100 * d.difference:+.0f} ({100 * d.low:+.0f} to {100 * d.high:+.0f})",
                round(d.p, 4),
                round(adjusted[name], 4),
            )
        )
    return Table(
        title=title,
        columns=(
            "class of the draft",
            "drafts",
            "tasks",
            "fixed by refining",
            "rate, mean of tasks",
            "fixed by fresh drafts",
            "rate of fresh drafts, mean of tasks",
            "difference, points",
            "p",
            "p after Holm",
        ),
        rows=tuple(rows),
        note="both ways start from the same drafts and may make as many calls; rates and their difference are means of"
        " tasks, each counting once however many of its drafts are of the class;"
        f" {100 * level:g} % intervals over tasks",
    )


def _tests(name: str, rates: Sequence[ClassRate]) -> Table:
    rows = tuple(
        (
            rate.name,
            rate.n,
            rate.tasks,
            rate.fixed,
            share(rate.interval),
            round(rate.p, 4),
            round(rate.p_adjusted, 4),
        )
        for rate in rates
    )
    return Table(
        title=f"{name}: is a class fixed as often as the others?",
        columns=("class of the draft", "drafts", "tasks", "fixed", "share of drafts", "p", "p after Holm"),
        rows=rows,
        note="Fisher's exact test at the number of independent drafts that those of each side are worth",
    )


def _above(rate: ClassRate, rates: Sequence[ClassRate]) -> bool:
    others_n = sum(r.n for r in rates) - rate.n
    others = sum(r.fixed for r in rates) - rate.fixed
    return others_n == 0 or rate.fixed / rate.n > others / others_n
