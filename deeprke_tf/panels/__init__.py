"""Which RBPs of a joint run bind the sites of a file, and more than a background."""
