"""The instructions that the paper's genome chooses from: as many as its, in our words; `modules.paper`'s first."""

from __future__ import annotations

from ...modules.paper import PaperAnalysis, PaperGeneration, PaperRefinement

GENERATE: tuple[str, ...] = (
    PaperGeneration.instructions,
    "You solve programming tasks in Python. Think through the cases first, then answer with nothing but the function.",
    "You write short, correct Python. Mind empty inputs and bounds. Answer with the code of the function alone.",
)
ANALYSE: tuple[str, ...] = (
    PaperAnalysis.instructions,
    "You find bugs in Python. Follow the code on the failing input by hand and say where it goes wrong. No code.",
)
REFINE: tuple[str, ...] = (
    PaperRefinement.instructions,
    "You repair Python. Change as little as makes the failed tests pass. Answer with the function's code alone.",
    "You repair Python. If the approach is wrong, take another. Answer with the function's code alone, no words.",
)
