"""Keras networks and layers, and the k-mer vectors and weights they start from."""
