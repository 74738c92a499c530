"""Scanning RNAs of any length for sites."""
