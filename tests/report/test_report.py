"""What a report says: figures, verdicts, curves and settings that follow from the runs; nothing a model wrote acts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import greenloop as gl
import pytest
from greenloop.cli.main import main
from greenloop.errors import UsageError
from greenloop.evals.experiments.pool import ModelCard
from greenloop.evals.experiments.result import Contrast, Curve, ExperimentResult, Table
from greenloop.evals.program_settings import program_settings
from greenloop.evals.report import (
    Report,
    build_report,
    report_of_experiments,
    rows_from_scores,
    rows_from_store,
    write,
)
from greenloop.evals.scores import Scores, TaskScore
from greenloop.runtime.attempt import Attempt, Trajectory
from greenloop.runtime.budget import Usage
from greenloop.runtime.store import open_store
from greenloop.testing import ScriptedModel

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }} | `#_*"


@pytest.fixture(scope="module")
def scores(some_scores: Callable[..., Scores]) -> dict[str, Scores]:
    return {
        "single": some_scores(0.3, most=1, replicates=4, seed=1, program="a" * 64),
        "refine": some_scores(0.5, replicates=4, seed=2, program="b" * 64),
        "never stops": some_scores(0.4, replicates=4, seed=3, forced=True, program="c" * 64),
    }


@pytest.fixture(scope="module")
def report(scores: dict[str, Scores]) -> Report:
    return build_report(scores)


def test_every_figure_is_that_of_the_scores(scores: dict[str, Scores], report: Report) -> None:
    assert [p.figure for p in report.programs] == [s.figure() for s in scores.values()]
    assert report.attempts == sum(len(i.trajectory.attempts) for s in scores.values() for i in s.items)
    assert not report.simulated


def test_verdicts_are_paired_and_adjusted_over_the_family(scores: dict[str, Scores], report: Report) -> None:
    assert [(c.comparison.name, c.comparison.other) for c in report.comparisons] == [
        ("refine", "single"),
        ("never stops", "single"),
    ]
    for contrast in report.comparisons:
        assert contrast.family == 2
        assert contrast.p_adjusted >= contrast.comparison.p
        assert contrast.verdict in report.summary[0] + report.summary[1]
    assert "refine is better than single" in report.summary[0]
    assert build_report(scores, baseline="refine").comparisons[0].comparison.points < 0


def test_a_difference_that_is_not_shown_is_said_so(some_scores: Callable[..., Scores]) -> None:
    twins = {"a": some_scores(0.4, seed=1), "b": some_scores(0.4, seed=1)}
    (contrast,) = build_report(twins).comparisons
    assert contrast.verdict == "b is not shown better than a"
    assert contrast.comparison.points == 0


def test_comparisons_take_the_tasks_of_both(some_scores: Callable[..., Scores]) -> None:
    (contrast,) = build_report({"a": some_scores(0.3, tasks=10), "b": some_scores(0.3, tasks=14)}).comparisons
    assert (contrast.comparison.n, contrast.left_out) == (10, 4)


def test_cost_beside_a_difference_is_that_of_its_tasks(some_scores: Callable[..., Scores]) -> None:
    single = some_scores(0.3, tasks=10, most=1, replicates=1)
    dear = replace(
        single.items[9], trajectory=replace(single.items[9].trajectory, usage=Usage(1, 10**6, 0, 9.0))
    )
    named = {f"Set/{i}": "same" for i in range(10)}
    arms = {
        "a": replace(single, items=(*single.items[:9], dear), task_digests=named),
        "b": replace(single, task_digests={**named, "Set/9": "another text"}),
    }
    (contrast,) = build_report(arms).comparisons
    assert (contrast.comparison.n, contrast.left_out) == (9, 1)
    assert contrast.tokens == (180, 180)


def test_iterations_show_both_what_stopping_keeps_and_what_going_on_breaks(
    scores: dict[str, Scores], report: Report
) -> None:
    single, refine, never = report.programs
    assert len(single.iterations) == 1
    assert not refine.forced
    assert [i.passing for i in refine.iterations] == [i.ever for i in refine.iterations]
    assert never.forced
    assert never.iterations[-1].passing < never.iterations[-1].ever
    assert any(i.broken for i in never.iterations)
    assert sum(map(sum, never.transitions)) == 3 * len(scores["never stops"].items)


def test_resampling_is_read_off_at_equal_tokens(scores: dict[str, Scores], report: Report) -> None:
    (curve,) = report.resampling
    assert (curve.model, curve.perfect_judge) == ("embedded", True)
    assert [round(x) for x, *_ in curve.points] == [180, 360, 540, 720]
    assert [y for _, y, *_ in curve.points] == sorted(y for _, y, *_ in curve.points)
    refine = report.programs[1]
    assert refine.resampling_at_tokens is not None
    assert curve.points[0][1] < refine.resampling_at_tokens < curve.points[-1][1]
    assert build_report({"refine": scores["refine"]}).resampling == ()


def test_what_is_not_known_is_said_to_be_unknown(scores: dict[str, Scores]) -> None:
    given = {"refine": {"limits": {"wall_s": 10}, "stop rule": "on_pass"}}
    report = build_report(
        scores, settings=given, models={"embedded": {"quantisation": "Q4_1", "context": 4096}}
    )
    single, refine, _ = (p.settings for p in report.programs)
    assert single["limits"] == "not recorded"
    assert refine["limits"] == {"wall_s": 10}
    assert refine["models"]["embedded"] == {"digest": "9a" * 32, "quantisation": "Q4_1", "context": 4096}
    stages = {(s["stage"], s["temperature"], s["top_p"], s["max_tokens"]) for s in refine["sampling"]}
    assert stages == {("generate", 0.3, 0.95, 512), ("refine", 0.3, 0.95, 512)}


def test_nothing_to_report_and_wrong_names_are_refused(scores: dict[str, Scores]) -> None:
    with pytest.raises(UsageError, match="nothing to report"):
        build_report({})
    with pytest.raises(UsageError, match="'tuned'"):
        build_report(scores, baseline="tuned")
    with pytest.raises(UsageError, match="same name"):
        build_report([rows_from_scores("a", scores["single"])] * 2)


def test_a_metric_that_is_no_share_does_not_cost_the_others_their_report(scores: dict[str, Scores]) -> None:
    items = (replace(scores["single"].items[0], score=7.0), *scores["single"].items[1:])
    report = build_report({**scores, "odd": replace(scores["single"], items=items)})
    assert [p.name for p in report.programs] == list(scores)
    assert "odd is left out: its metric is not in [0, 1]." in report.notes


class Page(HTMLParser):
    """What a browser would see of elements and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def evil(scores: Scores, one_attempt: Callable[..., Attempt]) -> Scores:
    """The same scores with a model, a task and code that want to act."""
    made = replace(one_attempt(0, "failed", EVIL, EVIL, EVIL), model=EVIL, stage=EVIL, answer=EVIL)
    mended = replace(made, code=f"{EVIL}\n{EVIL}<img src=y>")
    items = (
        TaskScore(EVIL, 0, 0.0, "failed", "failed", Trajectory(EVIL, 0, (made, mended), 1, made.usage)),
        *scores.items,
    )
    return replace(scores, items=items, models={EVIL: EVIL})


def test_what_a_model_wrote_is_shown_and_does_nothing(
    scores: dict[str, Scores], one_attempt: Callable[..., Attempt], tmp_path: Path
) -> None:
    report = build_report({EVIL: evil(scores["refine"], one_attempt), "single": scores["single"]}, title=EVIL)
    for inline in (2_000, 0):
        written = write(report, tmp_path / f"{inline}" / "report.html", inline_attempts=inline)
        for path in (written.html, *written.pages):
            page = Page(path.read_text())
            assert "img" not in {tag for tag, _ in page.found}
            assert all("onerror" not in attributes for _, attributes in page.found)
            scripts = [attributes for tag, attributes in page.found if tag == "script"]
            assert all(attributes.get("nonce") for attributes in scripts)
            assert len(scripts) == (3 if path == written.html else 0)
        text = "".join(path.read_text() for path in (written.html, *written.pages))
        assert "{{ 7 * 7 }}" in text
        assert '<span class="add">+&lt;/script&gt;' in text
        assert re.search(r"(?<!\\)<", written.markdown.read_text()) is None


def test_the_files_need_no_network_and_allow_none(report: Report, tmp_path: Path) -> None:
    written = write(report, tmp_path / "report.html", inline_attempts=50)
    for path in (written.html, *written.pages):
        page = Page(path.read_text())
        policy = next(a["content"] for t, a in page.found if a.get("http-equiv") == "Content-Security-Policy")
        assert policy is not None
        assert "default-src 'none'" in policy
        for tag, attributes in page.found:
            assert tag not in {"link", "iframe", "object", "embed"}
            assert "src" not in attributes
            assert not re.match(r"\w+:|//", attributes.get("href") or "")


def test_every_link_and_every_attempt_is_there(report: Report, tmp_path: Path) -> None:
    written = write(report, tmp_path / "report.html", inline_attempts=60)
    assert written.pages
    attempts = 0
    for path in (written.html, *written.pages):
        text = path.read_text()
        attempts += text.count('class="attempt"')
        for _, attributes in Page(text).found:
            href = attributes.get("href")
            if not href:
                continue
            file, _, anchor = href.partition("#")
            target = path.parent / file if file else path
            assert target.is_file(), href
            assert not anchor or f'id="{anchor}"' in target.read_text(), href
    assert attempts == report.attempts
    again = write(report, tmp_path / "report.html")
    assert again.pages == ()
    assert not list((tmp_path / "report-attempts").glob("*.html"))


def test_data_and_text_hold_the_same_figures(report: Report, tmp_path: Path) -> None:
    written = write(report, tmp_path / "folder")
    assert written.html == tmp_path / "folder" / "index.html"
    read = type(report).model_validate_json(written.data.read_text())
    assert read.model_dump(mode="json") == report.model_dump(mode="json")
    text = written.markdown.read_text()
    for program in report.programs:
        assert program.figure.solved_of in text
    for line in report.summary:
        assert line.split(":")[0] in text


def test_a_place_that_cannot_be_written_is_named(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write(report, tmp_path / "file" / "report.html")


def test_an_experiment_is_a_section_with_its_own_verdict(scores: dict[str, Scores], tmp_path: Path) -> None:
    result = ExperimentResult(
        experiment="early-stopping",
        title="Early stopping on and off",
        question="What does going on do?",
        status="done",
        verdict="going on breaks more than it fixes",
        models=(
            ModelCard(
                label="small",
                name="embedded",
                digest="9a" * 32,
                parameters=500_000_000,
                quantisation="Q4_1",
                context=4096,
                simulated=False,
            ),
        ),
        settings={"limits": {"wall_s": 10}, "stop_rule": "never", "seed": 0},
        figures={name: found.figure() for name, found in scores.items()},
        comparisons=(
            Contrast(
                name="on",
                other="off",
                n=20,
                points=12.0,
                interval=(3.0, 20.0),
                level=0.95,
                p=0.01,
                verdict="on is better than off",
                at="equal calls",
                p_adjusted=0.02,
                family=2,
            ),
        ),
        tables=(
            Table(
                title="What became of it",
                columns=("class", "passed", "timeout"),
                rows=(("passed", 5, 1), ("timeout", 2, 3)),
                kind="matrix",
            ),
            Table(
                title="By arm",
                columns=("arm", "rate"),
                rows=(("on", None), ("off", 0.123456)),
                note="no program can reach it",
            ),
        ),
        curves=(Curve(name="off", x_name="iteration", points=((0, 0.4, 0.3, 0.5), (1, 0.3, None, None))),),
        notes=("one run",),
    ).with_scores({"never stops": scores["never stops"]})
    report = report_of_experiments([result])
    assert report.title == "Early stopping on and off"
    assert report.summary[0] == "Early stopping on and off: going on breaks more than it fixes"
    assert report.comparisons == ()
    (program,) = report.programs
    assert program.settings["stop rule"] == "never"
    assert program.settings["models"]["embedded"]["quantisation"] == "Q4_1"
    written = write(report, tmp_path / "report.html")
    html, text = written.html.read_text(), written.markdown.read_text()
    for shown in (
        "going on breaks more than it fixes",
        "on is better than off",
        "0.1235",
        "one run",
        "What does going on do?",
        "no program can reach it",
        "0.300 to 0.500",
    ):
        assert shown in html
        assert shown in text
    ids = {a.get("id") for _, a in Page(html).found}
    assert {"chart-experiment-0-forest", "chart-experiment-0-curve-0", "chart-experiment-0-matrix-0"} <= ids
    alone = report_of_experiments([ExperimentResult.model_validate_json(result.to_json())])
    assert (alone.programs, alone.experiments) == ((), report.experiments)
    assert write(alone, tmp_path / "alone.html").html.is_file()


TASKS = [
    gl.Task(
        task_id=f"t{i}",
        prompt=f"Write f(x) that adds {i}.",
        entry_point="f",
        visible_tests=[f"assert f(0) == {i}"],
    )
    for i in range(4)
]


def answer(messages: list[dict[str, str]]) -> str:
    """Right for even numbers."""
    number = int(messages[1]["content"].split("adds ")[1].split(".")[0])
    return f"```python\ndef f(x):\n    return x + {number + number % 2}\n```"


def test_the_command_reports_what_the_store_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    model = ScriptedModel(answer)
    single = gl.Resample(generate=gl.Generate(model=model), samples=1)
    program = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
    with gl.session(url):
        first, second = gl.score(single, TASKS), gl.score(program, TASKS, replicates=2)
    out = tmp_path / "out" / "r.html"
    programs = ["--program", f"single={first.program}", "--program", second.program[:10]]
    with pytest.raises(SystemExit) as ended:
        main(["report", "--store", url, "--out", str(out), "--json", *programs])
    assert ended.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["programs"] == ["single", f"GenerateExecuteRefine {second.program[:12]}"]
    assert out.is_file()
    data = json.loads(out.with_suffix(".json").read_text())
    assert data["simulated"]
    digests = {card["digest"] for p in data["programs"] for card in p["settings"]["models"].values()}
    assert digests == {model.backend.digest()}
    with open_store(url) as store:
        figures = [p.figure for p in build_report(rows_from_store(store)).programs]
    assert [(f.n, f.solved, f.replicates) for f in figures] == [(4, 2, 1), (4, 2, 2)]
    with pytest.raises(SystemExit) as ended:
        main(["report", "--store", url, "--program", "absent", "--out", str(out)])
    assert ended.value.code == 2
    assert "'absent'" in capsys.readouterr().err


def test_an_answer_without_code_is_shown_also_where_its_run_does_not_hold_it(tmp_path: Path) -> None:
    draft = gl.Resample(
        generate=gl.Generate(model=ScriptedModel(lambda messages: "I cannot <do> this.")), samples=1
    )
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        gl.score(draft, TASKS[:1])
        (run,) = session.store.runs()
        attempts = [{**attempt, "answer": ""} for attempt in run.pop("attempts")]
        session.store.record_run({**run, "replicate": 1}, attempts)
        rows = rows_from_store(session.store)
    assert [row.attempts()[0]["answer"] for row in rows[0].rows] == ["I cannot <do> this."] * 2
    text = write(build_report(rows), tmp_path / "r.html").html.read_text()
    assert text.count("I cannot &lt;do&gt; this.") == 2


def test_a_programs_settings_name_limits_and_stop_rule() -> None:
    made = program_settings(
        gl.GenerateExecuteRefine(
            generate=gl.Generate(model="embedded"),
            execute=gl.Execute(limits=gl.Limits(wall_s=3)),
            refine=gl.Refine(model="embedded"),
            max_iterations=2,
        )
    )
    assert made["limits"]["wall_s"] == 3
    assert made["stop rule"]["max_iterations"] == 2
    assert made["stop rule"]["stop"] == "on_pass"
    json.dumps(made)


def test_the_curve_of_draws_counts_tasks_without_visible_tests() -> None:
    tasks = [
        *TASKS,
        *(
            task.copy(task_id=f"bare{i}", visible_tests=[], hidden_tests=task.visible_tests)
            for i, task in enumerate(TASKS)
        ),
    ]
    draws = gl.Resample(generate=gl.Generate(model=ScriptedModel(answer)), samples=2)
    with gl.session():
        scores = gl.score(draws, tasks)
    (curve,) = build_report({"resample": scores}).resampling
    assert not curve.perfect_judge
    assert [y for _, y, *_ in curve.points] == [scores.figure().rate] * 2 == [0.5, 0.5]
