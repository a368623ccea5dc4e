"""The report's tables as rows of text, for HTML and Markdown alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..figures import Figure
from .model import ProgramReport, Report

FIGURES = (
    "program",
    "solved",
    "rate",
    "interval",
    "replicates",
    "false green",
    "calls",
    "prompt tokens",
    "answer tokens",
    "model s",
    "resampling at its tokens",
    "steering",
    "sandbox",
    "truncated",
    "unverified",
)
COMPARISONS = (
    "comparison",
    "points",
    "interval",
    "p",
    "p (Holm)",
    "tasks",
    "tokens a run",
    "model s a run",
    "verdict",
)
CONTRASTS = (
    "comparison",
    "at",
    "points",
    "interval",
    "p",
    "p (Holm)",
    "tasks",
    "prompt tokens a run",
    "answer tokens a run",
    "model s a run",
    "verdict",
)
SPENT = (
    "program",
    "stage",
    "model",
    "calls",
    "prompt tokens",
    "of them cached",
    "answer tokens",
    "model s",
    "loading s",
    "lost tokens",
)
CLASSES = ("class", "pieces", "tasks", "fixed", "interval", "p (Holm)")


def figure_cells(report: Report) -> list[list[str]]:
    """The programs and their figures."""
    return [_figure(p.name, p.figure, _resampling(p)) for p in report.programs]


def section_figures(section: Mapping[str, Any]) -> list[list[str]]:
    """The figures of an experiment."""
    figures: Mapping[str, Any] = section.get("figures") or {}
    return [_figure(name, Figure.model_validate(data), "–") for name, data in figures.items()]


def comparison_cells(report: Report) -> list[list[str]]:
    """The paired differences with the compute of both sides."""
    rows: list[list[str]] = []
    for c in report.comparisons:
        d = c.comparison
        left_out = f" ({c.left_out} of one side only left out)" if c.left_out else ""
        rows.append(
            [
                f"{d.name} − {d.other}",
                f"{d.points:+.1f}",
                _signed(d.interval),
                p_value(d.p),
                p_value(c.p_adjusted),
                f"{d.n}{left_out}",
                f"{c.tokens[0]:,.0f} against {c.tokens[1]:,.0f}",
                f"{c.model_seconds[0]:,.1f} against {c.model_seconds[1]:,.1f}",
                c.verdict,
            ]
        )
    return rows


def section_comparisons(section: Mapping[str, Any]) -> list[list[str]]:
    """The paired differences of an experiment."""
    return [
        [
            f"{c['name']} − {c['other']}",
            str(c.get("at") or ""),
            f"{c['points']:+.1f}",
            _signed(c["interval"]),
            p_value(c["p"]),
            "" if c.get("p_adjusted") is None else p_value(c["p_adjusted"]),
            str(c["n"]),
            *_both_spent(c.get("spent")),
            str(c["verdict"]) + (f" ({c['note']})" if c.get("note") else ""),
        ]
        for c in section.get("comparisons") or ()
    ]


def spent_cells(report: Report) -> list[list[str]]:
    """What each stage's calls to each model cost, over all runs of a program."""
    return [
        [
            program.name,
            str(row["stage"]) or "–",
            str(row["model"]),
            f"{row['calls']:,}",
            f"{row['tokens_in']:,}",
            f"{row['cached_tokens_in']:,}",
            f"{row['tokens_out']:,}",
            f"{row['model_seconds']:,.1f}",
            f"{row['load_s']:,.1f}",
            f"{row['lost_tokens']:,}",
        ]
        for program in report.programs
        for row in program.spent
    ]


def _both_spent(both: Sequence[Mapping[str, float]] | None) -> list[str]:
    """Prompt tokens, answer tokens and seconds of both sides."""
    if not both:
        return ["–"] * 3
    a, b = both
    return [
        f"{a['tokens_in']:,.0f} against {b['tokens_in']:,.0f}",
        f"{a['tokens_out']:,.0f} against {b['tokens_out']:,.0f}",
        f"{a['model_seconds']:,.1f} against {b['model_seconds']:,.1f}",
    ]


def class_cells(program: ProgramReport) -> list[list[str]]:
    """How often code of each class was fixed by the next attempt."""
    return [
        [
            rate.name,
            str(rate.n),
            str(rate.tasks),
            f"{rate.fixed} ({100 * rate.fixed / rate.n:.0f} %)",
            f"{100 * rate.interval[0]:.0f} to {100 * rate.interval[1]:.0f} %",
            p_value(rate.p_adjusted),
        ]
        for rate in program.class_rates
    ]


def verdict_parts(text: str) -> list[str]:
    """A verdict as what it begins with and, where it lists several comparisons, a part for each of them.

    Example:
        >>> verdict_parts("Not shown better or worse: a against b (+0.0); c against d (+1.0).")
        ['Not shown better or worse:', 'a against b (+0.0)', 'c against d (+1.0).']
    """
    parts = re.split(r"; |(?<=better or worse:) ", text)
    return parts if len(parts) > 2 else [text]


def p_value(p: float) -> str:
    """A p value for a table."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _signed(interval: tuple[float, float] | list[float]) -> str:
    return f"{interval[0]:+.1f} to {interval[1]:+.1f}"


def _resampling(program: ProgramReport) -> str:
    if program.resampling_at_tokens is None:
        return "–"
    return f"{100 * program.resampling_at_tokens:.1f} %" + (" (pass@k)" if program.perfect_judge else "")


def _figure(name: str, f: Figure, resampling: str) -> list[str]:
    shown = f.false_green.line() if f.false_green is not None and f.false_green.green else "–"
    return [
        name + (" (simulated)" if f.simulated else ""),
        f.solved_of,
        f"{100 * f.rate:.1f} %",
        f"{100 * f.interval[0]:.1f}–{100 * f.interval[1]:.1f} %",
        str(f.replicates),
        shown,
        f"{f.model_calls:,}",
        f"{f.tokens_in:,}",
        f"{f.tokens_out:,}",
        f"{f.model_seconds:,.0f}",
        resampling,
        f.steering + (", the paper's set-up" if f.paper_faithful else ""),
        f.tier or "–",
        str(f.truncated),
        str(f.unverified),
    ]
