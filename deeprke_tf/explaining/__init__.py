"""What a model has learned, and what a variant does to it."""
