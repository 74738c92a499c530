"""From sites to datasets of records, and from records to batches."""
