"""Trains, tests and reports on the benchmarks RBP-31 and RBP-24."""
