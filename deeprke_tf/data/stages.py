"""Steps from sites to records that all runners have in common."""

import collections
import csv
import dataclasses
from collections.abc import Sequence
from typing import Any

from deeprke_tf.data import records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.plan import Plan, Source
from deeprke_tf.rna.sites import Reason, Site, SkippedSite, refuse_long, skip_site

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


@dataclasses.dataclass
class InputFacts:
    """What is counted while an input is read.

    Attributes:
      n_sites: All sites.
      reasons: How many sites are skipped for each reason.
      n_stated: Usable sites whose split stands in the column `split`.
      n_without_coordinates: Sites whose coordinates do not fit, and are left out.
    """

    n_sites: int = 0
    reasons: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    n_stated: int = 0
    n_without_coordinates: int = 0

    def described(
        self, source: Source, file_format: str | None, sha256: str | None
    ) -> dict[str, Any]:
        """Returns an input as `dataset.json` has it."""
        described = {
            "split": source.split,
            "file": source.path.name,
            "format": file_format,
            "label": source.label,
            "sha256": sha256,
            "n_sites": self.n_sites,
            "n_skipped": self.reasons.total(),
        }
        if self.n_stated:
            described["n_split_by_column"] = self.n_stated
        if self.n_without_coordinates:
            described["n_without_coordinates"] = self.n_without_coordinates
        return described


def checked_site(
    site: Site | SkippedSite, row: int, source: Source, plan: Plan
) -> Site | SkippedSite:
    """Skips a site that is too long, or in a test file and not for testing.

    Args:
      site: A site of a file, or one that is skipped already.
      row: Its number in its file, from 1.
      source: The file.
      plan: The run.
    """
    site = refuse_long(site, row, plan.max_length)
    if isinstance(site, SkippedSite) or source.split != "test":
        return site
    if site.split not in ("", "test"):
        return skip_site(site.name, row, Reason.OTHER_SPLIT, site.split)
    return site


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
    places: tuple[list[str], ...] = ()
    # Most sites have no coordinates, and are the faster for it.
    if any(site.locus or site.gene for site in sites):
        loci = [str(site.locus or "") for site in sites]
        places = loci, [site.gene for site in sites]
    if dot_brackets is None:
        ids = encoding.sequence_vocabulary.encode_all(sequences)
        return records.serialize_all(names, ids, None, labels, *places)
    both = encoding.encode_all(sequences, dot_brackets)
    return records.serialize_all(names, *both, labels, *places)
