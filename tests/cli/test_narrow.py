"""What a terminal of sixty columns shows."""

from __future__ import annotations

import pytest
from greenloop.cli.show import figure_table, out
from greenloop.evals.figures import Figure
from greenloop.runtime.budget import Usage


@pytest.mark.parametrize("width", [60, 79, 80, 120])
def test_a_table_of_figures_fits_and_names_its_programs(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {f"t{number}": [float(number % 3 == 0)] for number in range(164)}
    figure = Figure.from_outcomes(
        outcomes,
        usage=Usage(164, 30_000, 40_000, 12_345.6),
        steering="visible",
        tier="namespaces",
        models={"embedded": "d"},
    )
    monkeypatch.setattr(out, "width", width)
    with out.capture() as shown:
        out.print(figure_table({"ger on starter": figure, "resample on humaneval": figure}))
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= width
    for text in ("ger on", "starter", "55/164", "34 %", "27–41 %", "164", "70,000", "12346"):
        assert any(text in line for line in lines), (text, lines)
