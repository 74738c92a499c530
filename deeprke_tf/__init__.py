"""Where an RNA-binding protein binds, from RNA sequence and structure."""

__version__ = "0.1.0"
