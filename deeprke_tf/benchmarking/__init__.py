"""Benchmarks: RBP-31 and RBP-24, trained, tested and reported."""
