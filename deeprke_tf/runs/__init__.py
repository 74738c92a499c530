"""A finished run: its files, its model, its predictions."""
