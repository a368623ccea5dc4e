"""The Optuna tuner, the NEAT-like search; evidence and what they share."""
