"""The NEAT-like search over the structure of programs."""
