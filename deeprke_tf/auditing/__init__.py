"""Audits of training sets: simple rules that separate the classes."""
