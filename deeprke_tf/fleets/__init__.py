"""Many networks trained at once on one GPU, on JAX; for benchmarks alone."""
