"""The report in a real browser: drawn, readable on a phone and in the dark, used by keyboard, without any request."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenloop as gl
import pytest
from greenloop.cli.experiment_command import write_result
from greenloop.evals.experiments import run_experiment
from greenloop.evals.report import Written, build_report, write
from greenloop.evals.scores import Scores
from greenloop.testing import paper_process, simulated_model

SIZES = {"desktop": (1280, 2600), "phone": (390, 3200)}
TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")

CONTRASTS = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const light = text => {
    canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const found = getComputedStyle(e).backgroundColor;
      if (found !== "rgba(0, 0, 0, 0)") return found;
    }
    return "white";
  };
  const low = [];
  document.querySelectorAll("h1,h2,h3,h4,p,li,td,th,summary,summary span,a,pre,pre span,dt,dd,label").forEach(e => {
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(e.tagName + " " + e.className + " " + ratio.toFixed(2));
  });
  return low.slice(0, 5);
})()
"""

OVERLAPS = """
(() => {
  const hit = [];
  document.querySelectorAll(".chart").forEach(chart => {
    const texts = chart.querySelectorAll(".ytick text, .xtitle, .legendtext");
    const boxes = Array.from(texts).map(e => e.getBoundingClientRect()).filter(b => b.height);
    const deep = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
    if (boxes.some((a, i) => boxes.slice(0, i).some(b => deep(a, b)))) hit.push(chart.id);
    if (Array.from(chart.querySelectorAll(".legend .scrollbar")).some(e => e.getBoundingClientRect().height > 1)) {
      hit.push(chart.id + ": a legend that scrolls");
    }
  });
  return hit;
})()
"""


@pytest.fixture(scope="module")
def written(some_scores: Callable[..., Scores], tmp_path_factory: pytest.TempPathFactory) -> Written:
    scores = {
        "single": some_scores(0.3, most=1, replicates=4, seed=1),
        "resample × 4": some_scores(0.3, replicates=4, seed=2, stage="generate"),
        "generate → execute → refine": some_scores(0.5, replicates=4, seed=3),
        "refine, never stopping": some_scores(0.4, replicates=4, seed=4, forced=True),
    }
    report = build_report(scores, title="A report in a browser")
    return write(report, tmp_path_factory.mktemp("report") / "report.html", inline_attempts=500)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_drawn_and_fits(browser: Any, written: Written, tmp_path: Path, size: str, dark: bool) -> None:
    width, height = SIZES[size]
    browser.open(written.html, width=width, height=height, dark=dark)
    charts = (
        "Array.from(document.querySelectorAll('.chart')).map(c => c.querySelectorAll('.main-svg').length)"
    )
    drawn = _until(lambda: browser.value(charts), all)
    assert len(drawn) >= 5
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.value(OVERLAPS) == []
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is not dark
    browser.value("document.querySelectorAll('#tasks details')[3].open = true")
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.value(CONTRASTS) == []
    name = f"report-{size}-{'dark' if dark else 'light'}"
    browser.picture(tmp_path / "artifacts" / f"{name}.png")
    browser.value("document.querySelector('#tasks-all').scrollIntoView()")
    browser.picture(tmp_path / "artifacts" / f"{name}-tasks.png")
    assert (tmp_path / "artifacts" / f"{name}.png").stat().st_size > 10_000
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []


def test_it_is_used_by_keyboard(browser: Any, written: Written) -> None:
    browser.open(written.html, width=1280, height=900, dark=False)
    browser.press(*TAB)
    assert browser.value("document.activeElement.textContent") == "Skip to the verdicts"
    browser.value("document.querySelector('#filter').focus()")
    browser.press(*TAB)
    assert browser.value("document.activeElement.tagName") == "SUMMARY"
    browser.press(*ENTER)
    assert browser.value("document.activeElement.parentElement.open")
    assert browser.value("document.activeElement.parentElement.querySelectorAll('.attempt').length") > 0
    unreachable = "Array.from(document.querySelectorAll('.scroll, pre')).filter(e => e.tabIndex < 0).length"
    assert browser.value(unreachable) == 0


def test_the_filter_leaves_the_tasks_with_these_words(browser: Any, written: Written) -> None:
    browser.open(written.html, width=1280, height=900, dark=False)
    browser.value(
        "const f = document.querySelector('#filter'); f.value = 'set/7'; f.dispatchEvent(new Event('input'))"
    )
    shown = "Array.from(document.querySelectorAll('#tasks .task')).filter(t => t.offsetParent).length"
    assert browser.value(shown) == 1


def test_a_linked_page_reads_as_well(browser: Any, written: Written, tmp_path: Path) -> None:
    assert written.pages
    browser.open(written.pages[0], width=390, height=1600, dark=True)
    browser.value("document.querySelector('details').open = true")
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.value(CONTRASTS) == []
    browser.picture(tmp_path / "artifacts" / "page-phone-dark.png")
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def of_an_experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `greenloop experiment early-stopping --out FOLDER` writes."""
    tasks = [
        gl.Task(
            task_id=f"t{i}",
            prompt=f"Write f(x) that adds {i} to x, number {i}.",
            entry_point="f",
            visible_tests=[f"assert f(0) == {i}"],
            hidden_tests=[f"assert f(1) == {i + 1}"],
            reference=f"def f(x):\n    return x + {i}",
        )
        for i in range(5)
    ]
    models = [simulated_model(paper_process(), tasks)]
    with gl.session():
        result = run_experiment("early-stopping", tasks=tasks, models=models, replicates=2, max_iterations=2)
    folder = tmp_path_factory.mktemp("experiment") / "out"
    assert "early-stopping-report.html" in write_result(result, folder)
    assert {path.suffix for path in folder.iterdir() if path.is_file()} >= {".md", ".json", ".html"}
    return folder / "early-stopping-report.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_an_experiments_report_reads_as_well(
    browser: Any, of_an_experiment: Path, tmp_path: Path, size: str, dark: bool
) -> None:
    width, height = SIZES[size]
    browser.open(of_an_experiment, width=width, height=height, dark=dark)
    charts = (
        "Array.from(document.querySelectorAll('.chart')).map(c => c.querySelectorAll('.main-svg').length)"
    )
    assert len(_until(lambda: browser.value(charts), all)) >= 1
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.value(CONTRASTS) == []
    text = browser.value("document.body.textContent")
    for words in (
        "early stopping",
        "SIMULATED",
        "scoring limits",
        "stop rule",
        "quantisation",
        "session seeds",
    ):
        assert words.lower() in text.lower(), words
    assert browser.value("document.querySelectorAll('#tasks details').length") > 0
    browser.picture(tmp_path / "artifacts" / f"experiment-{size}-{'dark' if dark else 'light'}.png")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []


def _until(ask: Callable[[], Any], holds: Callable[[Any], bool], within_s: float = 120) -> Any:
    """What `ask` gives once `holds` says so."""
    end = time.monotonic() + within_s
    while not holds(found := ask()):
        assert time.monotonic() < end, found
        time.sleep(0.2)
    return found
