"""Steps from sites to records that all runners have in common."""

import csv
from collections.abc import Sequence

from deeprke_tf.data import records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.plan import Source
from deeprke_tf.rna.sites import Site, SkippedSite

SKIPPED_COLUMNS = ("split", "file", "row", "name", "reason", "detail")


class SkippedTable(csv.excel_tab):
    """The CSV dialect of `skipped.tsv`."""

    lineterminator = "\n"


def skipped_cells(source: Source, site: SkippedSite) -> list[str | int]:
    """Returns the row of a skipped site, in `SKIPPED_COLUMNS`."""
    return [
        *(source.split, source.path.name, site.row),
        *(site.name, site.reason, site.detail),
    ]


def sites_to_records(
    sites: Sequence[Site], dot_brackets: Sequence[str] | None, encoding: Encoding
) -> list[bytes]:
    """Encodes and serializes labelled sites.

    Args:
      sites: Some thousand at once, their labels 0 or 1.
      dot_brackets: The structure of each site, as long as its sequence; None for
        records of the sequence view alone.
      encoding: k, alphabets and fold settings of the dataset.
    """
    labels = []
    for site in sites:
        if site.label is None:
            raise ValueError(f"{site.name}: a record needs a label.")
        labels.append(site.label)
    names = [site.name for site in sites]
    sequences = [site.sequence for site in sites]
    if dot_brackets is None:
        ids = encoding.sequence_vocabulary.encode_all(sequences)
        return records.serialize_all(names, ids, None, labels)
    both = encoding.encode_all(sequences, dot_brackets)
    return records.serialize_all(names, *both, labels)
