"""Benchmarks, scoring, statistics, experiments, comparison, report."""
