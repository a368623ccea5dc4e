"""A module of your own with a knob of its own: tuned for quality and compute, picked from the front, exported, loaded.

Run it:  python examples/tune_own_program.py      (on the embedded model, a few minutes on a laptop)

The embedded model is tiny: it shows that the machinery works, and nothing about models of a useful size.
"""

from __future__ import annotations

import argparse

import dspy
import greenloop as gl


class ShortFirst(dspy.Module):
    """Asks for a short answer first, and for a longer one where the short one does not pass."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.short = gl.Generate(model=model, temperature=gl.Choice([0.0, 0.6]), max_tokens=96, name="short")
        self.long = gl.Generate(model=model, temperature=0.6, max_tokens=192, name="long")
        self.execute = gl.Execute()
        self.second_tries = gl.Int(0, 2, default=1)  # a knob of our own: nobody else knows what it means

    def forward(self, problem: gl.Problem) -> dspy.Prediction:
        code = self.short(problem=problem).code
        for _ in range(self.second_tries.value):
            if self.execute(problem=problem, code=code).passed:
                break
            code = self.long(problem=problem).code
        return dspy.Prediction(code=code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--tasks", type=int, default=12, help="how many starter tasks are used")
    parser.add_argument("--store", default="sqlite:///own-program.db")
    parser.add_argument("--out", default="own-best")
    arguments = parser.parse_args()

    train, val = gl.split(gl.load_tasks("starter")[: arguments.tasks], 0.5, seed=0)
    program = ShortFirst(arguments.model)
    print(gl.space(program))

    tuner = gl.OptunaTuner(
        budget=gl.Budget(n_trials=4),
        store=arguments.store,
        objectives=("quality", "compute"),
        pick=gl.CheapestWithin(points=5),
        finalists=2,
        replicates=1,
        folds=0,
    )
    tuned = tuner.compile(program, trainset=train, valset=val)
    print(tuner.front)
    print(tuned.evidence)

    gl.export(tuned, arguments.out)
    best = gl.load(arguments.out, program=ShortFirst(arguments.model))
    with gl.session(arguments.store):
        print(best(problem=val[0].problem).code)


if __name__ == "__main__":
    main()
