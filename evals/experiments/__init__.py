"""The experiments: each one a question about programs, answered with paired comparisons at equal compute.

==================  ================================================================================
`run_experiment`    runs one by its name, in the session in force
`EXPERIMENTS`       all by name: title, question, config class
`ExperimentResult`  figures, comparisons, tables, curves and a verdict in words; Markdown and JSON
`read_config`       an experiment's settings from a YAML file
==================  ================================================================================
"""

from __future__ import annotations

from .config import ExperimentConfig, read_config
from .result import Contrast, Curve, ExperimentResult, Table
from .run import EXPERIMENTS, Experiment, experiment_named, run_experiment

__all__ = [
    "EXPERIMENTS",
    "Contrast",
    "Curve",
    "Experiment",
    "ExperimentConfig",
    "ExperimentResult",
    "Table",
    "experiment_named",
    "read_config",
    "run_experiment",
]
