"""Audits of training sets: which shortcuts tell the label."""
