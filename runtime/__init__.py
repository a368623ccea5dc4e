"""What programs run on: tasks and results, model backends, the store, the sandbox."""
