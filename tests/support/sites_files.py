"""Sites files of two sites, and how tests read them."""

import gzip

import pytest

from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site

LABELLED_FASTA = """\
> chr1,+,10,20; class:1
ACGT
ACG
> chr1,-,30,40; class:0
GGGTTT
"""
SITES = [Site("chr1,+,10,20", "ACGUACG", 1), Site("chr1,-,30,40", "GGGUUU", 0)]
FASTA = ">id_1;chr7,5,9,+\nacgtTTACGacg\n>id_2;chr7,5,9,-\nACGUA\n"


def write(tmp_path, content, name="sites.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def packed(text):
    """Gzip without its date: a test is named after its data."""
    return gzip.compress(text.encode(), mtime=0)


def read(path, **options):
    return list(SitesFile(path, k=3, **options))


def zstandard_of(data):
    return pytest.importorskip("zstandard").compress(data)
