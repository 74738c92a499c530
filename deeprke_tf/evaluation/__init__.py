"""Measures, intervals, thresholds, calibration and figures; numbers in, numbers out."""
