"""Genomes, annotations and peaks: from a BED file to sites with their coordinates."""
