"""Exported models: SavedModel, model card, and the client of a server."""
