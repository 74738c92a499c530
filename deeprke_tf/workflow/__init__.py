"""From peaks to a measured model in one call, each step resumable."""
