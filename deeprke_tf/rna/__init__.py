"""RNA sequence and structure: sites and their files, folding, the fold cache."""
