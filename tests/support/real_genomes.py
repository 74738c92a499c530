"""Real genomes, annotations and peaks beside the checkout, which few machines have."""

import gzip
from pathlib import Path

import pytest

GENOMES = Path(__file__).parents[2].parent / "shared" / "data" / "genome"
needs_real_genomes = pytest.mark.skipif(
    not GENOMES.is_dir(), reason=f"there are no real genomes in {GENOMES}"
)


def linked(path, directory):
    """A link to a file of a folder that must stay as it is, index or not."""
    link = directory / path.name
    if not link.exists():
        link.symlink_to(path)
    return link


def fasta(path):
    """Header and letters of each record, read without the package."""
    records, text = [], path.read_bytes()
    if path.suffix == ".gz":
        text = gzip.decompress(text)
    for record in text.decode().split(">")[1:]:
        header, _, letters = record.partition("\n")
        records.append((header, letters.replace("\n", "")))
    return records
