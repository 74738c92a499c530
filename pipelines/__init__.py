"""Preprocessing of sites into record shards, by whichever runner is at hand."""
