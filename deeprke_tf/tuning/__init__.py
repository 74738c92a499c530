"""Hyperparameter search with KerasTuner, shared by any number of processes."""
