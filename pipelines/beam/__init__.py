"""Preprocessing and prediction as jobs of Apache Beam."""
