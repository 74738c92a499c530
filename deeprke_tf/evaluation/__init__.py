"""Measures of predictions, calibration, decision thresholds and their figures."""
