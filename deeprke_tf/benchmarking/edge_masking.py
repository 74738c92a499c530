"""Masks the edges of sites that letter case marks: they reveal the label.

RNase T1 cuts after G, and the last base of an RBP-24 site alone predicts its label
(AUROC 0.88 on CAPRIN1). The base before the site was a cut base, too.
"""

import gzip
import io
from pathlib import Path

from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site
from deeprke_tf.system.files import bytes_written_aside

NEIGHBORS = 3  # masked on each side of an edge base


def masked(site: Site, mask: str) -> str:
    """Returns the sequence with N at an edge base and three neighbors on each side.

    >>> masked(Site("s", "ACGUACGUACGUACGU", viewpoint=(4, 10)), "3prime-edge")
    'ACGUACNNNNNNNCGU'

    Args:
      site: With its viewpoint.
      mask: "3prime-edge": around the last base of the site; "both-edges": around the
        base before the first, too.

    Raises:
      UserError: Letter case does not mark the site.
    """
    if site.viewpoint is None:
        raise UserError(
            f"Site {site.name!r} is not marked by letter case: its edge is unknown."
        )
    start, end = site.viewpoint
    edges = [end - 1] + ([start - 1] if mask == "both-edges" else [])
    letters = list(site.sequence)
    for edge in edges:
        for place in range(max(0, edge - NEIGHBORS), edge + NEIGHBORS + 1):
            if place < len(letters):
                letters[place] = "N"
    return "".join(letters)


def write_masked(source: Path, label: int, mask: str, path: Path) -> None:
    """Writes the sites of a FASTA file with their edges masked, gzip-compressed.

    Sites that cannot be used, or that letter case does not mark, are left out.

    Raises:
      UserError: Letter case marks no site.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    n_written = 0
    # Without name and time in its header, the same sites give the same bytes.
    with (
        bytes_written_aside(path) as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as compressed,
        io.TextIOWrapper(compressed, encoding="utf-8") as file,
    ):
        for site in SitesFile(source, k=1, label=label):
            if isinstance(site, Site) and site.viewpoint is not None:
                file.write(f">{site.name}\n{masked(site, mask)}\n")
                n_written += 1
        if not n_written:
            raise UserError(f"{source} marks no site by letter case: nothing to mask.")
