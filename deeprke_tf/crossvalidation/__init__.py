"""Cross-validation by groups of sites, and a final model of all of them."""
