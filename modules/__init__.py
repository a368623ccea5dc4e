"""The DSPy modules, the ready-made programs, saving and loading."""
