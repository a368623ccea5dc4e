"""Counting a report together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from ...errors import UsageError
from ...runtime.budget import Usage
from ...runtime.problem import Steering
from ...runtime.versions import versions
from ..figures import Comparison, Figure, green_runs
from ..scores import Scores
from ..statistics import holm
from . import curves
from .model import NOT_RECORDED, Contrast, ProgramReport, Report, ResamplingCurve
from .rows import ProgramRows, rows_from_scores

if TYPE_CHECKING:
    from ..experiments.result import ExperimentResult

SERVERS_OWN = "the server's own"


def build_report(
    programs: Mapping[str, Scores] | Sequence[ProgramRows],
    *,
    title: str = "Greenloop report",
    baseline: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    experiments: Sequence[ExperimentResult] = (),
    notes: Sequence[str] = (),
    compare: bool = True,
    level: float = 0.95,
    created: str | None = None,
) -> Report:
    """Count everything that the report shows.

    Args:
        programs: Name → scores, or the rows of a store (`rows_from_store`).
        title: Title.
        baseline: Name of the program that all others are compared with; the first one otherwise. A program whose name
            begins with "resample" is always compared with, too.
        settings: Name → what the scores don't know of a program: its blueprint, limits, stop rule.
        models: Model → what its server says: "quantisation", "context", "parameters".
        experiments: Results to show as sections of their own.
        notes: What the figures must be read with.
        compare: Compare the programs here; experiments bring comparisons of their own.
        level: Nominal coverage of intervals; verdicts need an adjusted p below 1 − level.
        created: ISO date and time; now by default.

    Raises:
        UsageError: There is nothing to report, two programs bear one name, or no program is called `baseline`.
    """
    rows = (
        [rows_from_scores(name, scores) for name, scores in programs.items()]
        if isinstance(programs, Mapping)
        else list(programs)
    )
    odd = [p.name for p in rows if not all(0 <= row.score <= 1 for row in p.rows)]
    rows = [p for p in rows if p.name not in odd]
    names = [p.name for p in rows]
    if not any(p.rows for p in rows) and not experiments:
        raise UsageError("there is nothing to report: score a program first")
    if len(set(names)) != len(names):
        raise UsageError("two programs in the report bear the same name")
    if baseline is not None and baseline not in names:
        raise UsageError(f"no program in the report is called {baseline!r}; there are {', '.join(names)}")
    drawn = curves.resampling_curves(rows, level)
    made = tuple(_program(p, curves.curve_for(p, drawn), settings or {}, models or {}, level) for p in rows)
    compared = _contrasts(rows, baseline or (names[0] if names else ""), level) if compare else ()
    sections = tuple(e.model_dump(mode="json") for e in experiments)
    report = Report(
        title=title,
        created=created or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        summary=(
            *(f"{s['title']}: {s['verdict']}" for s in sections),
            *_summary(made, compared, bool(sections)),
        ),
        programs=made,
        comparisons=compared,
        resampling=drawn,
        experiments=sections,
        notes=(*notes, *(f"{name} is left out: its metric is not in [0, 1]." for name in odd), *_notes(rows)),
        versions=versions(),
        simulated=any(p.simulated for p in rows) or any(bool(s.get("simulated")) for s in sections),
        attempts=sum(p.attempts for p in rows),
    )
    return report.with_rows(tuple(rows))


def _program(
    rows: ProgramRows,
    curve: ResamplingCurve | None,
    settings: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, Mapping[str, Any]],
    level: float,
) -> ProgramReport:
    usage = sum((row.usage for row in rows.rows), Usage())
    n = len(rows.rows)
    classes, matrix, rates = curves.transitions(rows, level)
    figure = Figure.from_outcomes(
        rows.outcomes(),
        level=level,
        usage=usage,
        steering=cast("Steering", rows.steering),
        tier=rows.tier,
        models=rows.models,
        unverified=sum(row.steering_outcome == "unverified" for row in rows.rows),
        truncated=sum(row.truncated for row in rows.rows),
        green=green_runs(rows.rows),
        simulated=rows.simulated,
        paper_faithful=rows.paper_faithful,
    )
    return ProgramReport(
        name=rows.name,
        digest=rows.digest,
        figure=figure,
        tokens=usage.tokens / n,
        model_seconds=usage.model_seconds / n,
        iterations=curves.iterations(rows, level),
        forced=curves.is_forced(rows),
        classes=classes,
        transitions=matrix,
        class_rates=rates,
        resampling_at_tokens=curves.at_tokens(curve, usage.tokens / n) if curve else None,
        perfect_judge=curve is not None and curve.perfect_judge,
        settings=_settings(rows, settings.get(rows.name, {}), models),
        spent=tuple(row.to_json() for row in rows.spent),
    )


def _settings(
    rows: ProgramRows, given: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """All that the program was run with; what nobody knows is said to be unknown."""
    given = {**rows.settings, **given}
    told: Mapping[str, Mapping[str, Any]] = given.get("models") or {}
    sampling = [
        {"stage": stage, "model": model, "attempts": count, "top_p": SERVERS_OWN, **json.loads(text)}
        for (stage, model, text), count in sorted(rows.sampling.items())
    ]
    known = {
        name: {"digest": digest or NOT_RECORDED, **told.get(name, {}), **models.get(name, {})}
        for name, digest in rows.models.items()
    }
    for card in known.values():
        card.setdefault("quantisation", NOT_RECORDED)
        card.setdefault("context", NOT_RECORDED)
    tasks = {row.task_id for row in rows.rows}
    joined = json.dumps(sorted(rows.task_digests.items()))
    return {
        "program digest": rows.digest,
        "steering": rows.steering,
        "sandbox tier": rows.tier or NOT_RECORDED,
        "models": known,
        "sampling": sampling,
        "tasks": len(tasks),
        "digest of the tasks": hashlib.sha256(joined.encode()).hexdigest()[:16]
        if rows.task_digests
        else NOT_RECORDED,
        "session seeds": sorted({row.seed for row in rows.rows if row.seed is not None}) or NOT_RECORDED,
        "replicates": sorted({row.replicate for row in rows.rows}),
        "limits": given.get("limits", NOT_RECORDED),
        "stop rule": given.get("stop rule", NOT_RECORDED),
        **{key: value for key, value in given.items() if key not in ("limits", "stop rule", "models")},
    }


def _contrasts(rows: Sequence[ProgramRows], baseline: str, level: float) -> tuple[Contrast, ...]:
    """Every program against the baseline and against resampling, on the tasks of both."""
    by_name = {p.name: p for p in rows if p.rows}
    against = [baseline, *filter(_is_resampling, by_name)]
    pairs: list[tuple[ProgramRows, ProgramRows]] = []
    for other in dict.fromkeys(against):
        for name, program in by_name.items():
            seen = any({name, other} == {a.name, b.name} for a, b in pairs)
            if other in by_name and name != other and not seen:
                pairs.append((program, by_name[other]))
    found: list[tuple[Comparison, ProgramRows, ProgramRows, frozenset[str]]] = []
    for program, other in pairs:
        mine, theirs = program.outcomes(), other.outcomes()
        common = [task_id for task_id in mine if task_id in theirs and _same_task(program, other, task_id)]
        if not common:
            continue
        comparison = Comparison.paired(
            {task_id: mine[task_id] for task_id in common},
            {task_id: theirs[task_id] for task_id in common},
            name=program.name,
            other=other.name,
            level=level,
        )
        found.append((comparison, program, other, frozenset(common)))
    if not found:
        return ()
    adjusted = holm({f"{a.name}\0{b.name}": c.p for c, a, b, _ in found}).adjusted
    return tuple(
        _contrast(c, a, b, common, adjusted[f"{a.name}\0{b.name}"], len(found)) for c, a, b, common in found
    )


def _contrast(
    comparison: Comparison, a: ProgramRows, b: ProgramRows, common: Set[str], p: float, family: int
) -> Contrast:
    word = "is not shown better than"
    if p < 1 - comparison.level:
        word = "is better than" if comparison.points > 0 else "is worse than"
    (tokens, seconds), (other_tokens, other_seconds) = _cost(a, common), _cost(b, common)
    return Contrast(
        comparison=comparison,
        p_adjusted=p,
        family=family,
        verdict=f"{a.name} {word} {b.name}",
        tokens=(tokens, other_tokens),
        model_seconds=(seconds, other_seconds),
        left_out=len({row.task_id for rows in (a, b) for row in rows.rows} - common),
    )


def _is_resampling(name: str) -> bool:
    return name.lower().startswith("resampl")


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _same_task(a: ProgramRows, b: ProgramRows, task_id: str) -> bool:
    """Whether both saw the same text and tests under this name, as far as is known."""
    mine, theirs = a.task_digests.get(task_id), b.task_digests.get(task_id)
    return mine is None or theirs is None or mine == theirs


def _cost(program: ProgramRows, tasks: Set[str]) -> tuple[float, float]:
    """Tokens and model seconds of a run of these tasks."""
    usage = [row.usage for row in program.rows if row.task_id in tasks]
    return sum(u.tokens for u in usage) / len(usage), sum(u.model_seconds for u in usage) / len(usage)


def _summary(
    programs: Sequence[ProgramReport], contrasts: Sequence[Contrast], experiments: bool
) -> tuple[str, ...]:
    lines = [
        f"{c.verdict}: {c.comparison.points:+.1f} points ({100 * c.comparison.level:.0f} % interval"
        f" {c.comparison.interval[0]:+.1f} to {c.comparison.interval[1]:+.1f},"
        f" p {_p(c.p_adjusted)} after Holm over {c.family}, {c.comparison.n} tasks);"
        f" {c.tokens[0]:,.0f} against {c.tokens[1]:,.0f} tokens a run"
        for c in contrasts
    ]
    lines += [
        f"At {p.name}'s {p.tokens:,.0f} tokens a run, resampling its model"
        + (" with a perfect judge (pass@k)" if p.perfect_judge else "")
        + f" reaches {100 * p.resampling_at_tokens:.1f} %; {p.name} has {100 * p.figure.rate:.1f} %."
        " This is read off a curve and not tested."
        for p in programs
        if p.resampling_at_tokens is not None and len(p.iterations) > 1 and not _is_resampling(p.name)
    ]
    if not contrasts and not experiments:
        lines += [f"{p.name}: {p.figure.line()}" for p in programs]
    return tuple(lines)


def _notes(rows: Sequence[ProgramRows]) -> list[str]:
    notes: list[str] = []
    if len({p.steering for p in rows}) > 1:
        notes.append(
            "Some programs were steered by the hidden tests (oracle) and some by the visible ones alone."
        )
    if any(p.steering == "oracle" for p in rows):
        notes.append(
            "Oracle steering: the tests that score also steered. It says what a perfect test suite would give."
        )
    if faithful := [p.name for p in rows if p.paper_faithful]:
        notes.append(
            f'In the set-up of "Feedback Over Form" (no preamble, oracle steering, its prompts and limits, last'
            f" code): {', '.join(faithful)}. Not comparable with figures of another set-up."
        )
    if len({p.tier for p in rows if p.tier}) > 1:
        notes.append("The programs were judged in different sandbox tiers.")
    if any({r.task_id for r in a.rows} != {r.task_id for r in b.rows} for a, b in pairwise(rows)):
        notes.append("The programs were not all run on the same tasks; comparisons take the common ones.")
    return notes
