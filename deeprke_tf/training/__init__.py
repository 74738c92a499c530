"""Training: from a dataset to a run, an ensemble, or a run of each of many datasets."""
