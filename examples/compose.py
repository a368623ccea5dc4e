"""A program of your own made of Greenloop's stages, with a branch and a loop: scored, tuned and exported as it is.

Run it:  python examples/compose.py            (on the embedded model, some minutes on a laptop)
"""

from __future__ import annotations

import argparse

import dspy
import greenloop as gl


class MendOrRedraw(dspy.Module):
    """Mends runtime errors, but draws afresh after a wrong answer, which small models seldom mend."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.draft = gl.Generate(
            model=model, temperature=gl.Float(0.0, 0.8, default=0.4, step=0.4), max_tokens=192
        )
        self.execute = gl.Execute(feedback=gl.Choice(["error_line", "per_test"]))
        self.mend = gl.Refine(model=model, max_tokens=192)
        self.rounds = gl.Int(0, 2, default=1)

    def forward(self, problem: gl.Problem) -> dspy.Prediction:
        code = self.draft(problem=problem).code
        result = self.execute(problem=problem, code=code)
        for _ in range(self.rounds.value):
            if result.passed or result.execution.outcome == "unverified":
                break
            if result.execution.outcome == "failed":
                code = self.draft(problem=problem).code
            else:
                code = self.mend(
                    problem=problem, code=code, execution=result.execution, feedback=result.feedback
                ).code
            result = self.execute(problem=problem, code=code)
        return dspy.Prediction(code=code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--tasks", type=int, default=16, help="how many starter tasks are used")
    parser.add_argument("--store", default="sqlite:///compose.db")
    parser.add_argument("--out", default="compose-best")
    arguments = parser.parse_args()

    tasks = gl.load_tasks("starter")[: arguments.tasks]
    train, val = gl.split(tasks, 0.5, seed=0)
    program = MendOrRedraw(arguments.model)

    # Tuned with no further code: its knobs are found by walking it.
    tuner = gl.OptunaTuner(budget=gl.Budget(n_trials=3), store=arguments.store, finalists=1, replicates=1)
    tuned = tuner.compile(program, trainset=train, valset=val)
    print(tuned.evidence)

    # Exported as inert data; a class of your own is named by a hash of its source and needs an instance to load.
    gl.export(tuned, arguments.out)
    best = gl.load(arguments.out, program=MendOrRedraw(arguments.model))

    with gl.session(arguments.store):
        # DSPy's own tools run on it unchanged.
        evaluate = dspy.Evaluate(devset=val, metric=gl.solved, num_threads=2, display_progress=False)
        print("dspy.Evaluate:", evaluate(best).score)
        optimizer = dspy.BootstrapFewShot(metric=gl.solved, max_bootstrapped_demos=1, max_labeled_demos=0)
        few_shot = optimizer.compile(best, trainset=train)
        print("demos after BootstrapFewShot:", sum(len(p.demos) for p in few_shot.predictors()))
        print("knobs after it:", {path: knob.value for path, knob in gl.knobs(few_shot).items()})
        print(best(problem=val[0].problem).code)


if __name__ == "__main__":
    main()
