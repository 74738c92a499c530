import bz2
import gzip
import lzma
import os
import random

import pysam
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.genome import open_genome, reverse_complement
from deeprke_tf.rna.loci import Locus
from tests.support.two_bit import write_2bit

RNG = random.Random(1)
RECORDS = {
    "chr1": "".join(RNG.choices("ACGTacgt", k=1003)) + "NNNNN" + "ACG" * 30,
    "chr2": "NNNN" + "".join(RNG.choices("ACGT", k=200)) + "NNacg",
}


COMPRESSED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


def text_of(records, width=60, line_end="\n"):
    lines = []
    for name, letters in records.items():
        lines.append(f">{name} some words")
        lines += [letters[i : i + width] for i in range(0, len(letters), width)]
    return line_end.join([*lines, ""]).encode()


def write(path, kind):
    if kind == "2bit":
        write_2bit(path, RECORDS)
    elif kind == "bgzip":
        with pysam.BGZFile(str(path), "wb", None) as file:
            file.write(text_of(RECORDS))
    elif kind in COMPRESSED:
        path.write_bytes(COMPRESSED[kind](text_of(RECORDS)))
    else:
        path.write_bytes(text_of(RECORDS, line_end="\r\n" if kind == "CRLF" else "\n"))
    return path


@pytest.mark.parametrize("kind", ["plain", "CRLF", *COMPRESSED, "bgzip", "2bit"])
def test_all_formats_give_the_same_letters(kind, tmp_path):
    rng = random.Random(2)
    for _again in range(2):  # with an index, the second time
        with open_genome(write(tmp_path / "genome", kind)) as genome:
            assert genome.sizes == {name: len(text) for name, text in RECORDS.items()}
            for name, letters in RECORDS.items():
                assert genome.fetch(name, 0, len(letters)) == letters
                for _ in range(20):
                    start, end = sorted(rng.sample(range(len(letters) + 1), 2))
                    cut = letters[start:end]
                    assert genome.fetch(name, start, end) == cut
                    minus = genome.fetch(name, start, end, "-")
                    assert minus == reverse_complement(cut)
                    assert reverse_complement(minus) == cut


def test_blocks_of_a_locus_are_joined_along_its_strand(tmp_path):
    with open_genome(write(tmp_path / "genome.fa", "plain")) as genome:
        letters = RECORDS["chr1"][10:20] + RECORDS["chr1"][50:55]
        locus = Locus("chr1", ((10, 20), (50, 55)), "+")
        assert genome.fetch_locus(locus) == letters
        assert genome.fetch_locus(locus._replace(strand="-")) == reverse_complement(
            letters
        )


@pytest.mark.parametrize("place", [("chr1", -1, 5), ("chr1", 5, 4), ("chr3", 0, 1)])
@pytest.mark.parametrize("kind", ["plain", "2bit"])
def test_what_lies_outside_of_the_genome_is_refused(kind, place, tmp_path):
    with open_genome(write(tmp_path / "genome", kind)) as genome:
        with pytest.raises(ValueError, match="does not lie on the genome"):
            genome.fetch(*place)
        with pytest.raises(ValueError, match="does not lie on the genome"):
            genome.fetch("chr2", 0, genome.sizes["chr2"] + 1)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPRKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "genomes"


def test_an_index_lies_beside_the_genome(tmp_path, cache):
    open_genome(write(tmp_path / "genome.fa", "plain"))
    assert {path.name for path in tmp_path.iterdir()} == {"genome.fa", "genome.fa.fai"}
    assert not cache.exists()


@pytest.mark.parametrize("kind", ["plain", "bgzip"])
def test_an_index_lies_in_the_cache_where_the_folder_cannot_be_written(
    kind, tmp_path, cache, monkeypatch
):
    folder = tmp_path / "read-only"
    folder.mkdir()
    path = write(folder / "genome.fa", kind)
    access = os.access
    monkeypatch.setattr(os, "access", lambda p, m: p != folder and access(p, m))
    with open_genome(path) as genome:
        assert genome.fetch("chr1", 0, 60) == RECORDS["chr1"][:60]
    assert [one.name for one in folder.iterdir()] == ["genome.fa"]
    assert any(one.suffix == ".fai" for one in cache.iterdir())


def test_an_index_older_than_the_genome_is_not_used(tmp_path, cache):
    path = write(tmp_path / "genome.fa", "plain")
    index = tmp_path / "genome.fa.fai"
    index.write_text("chr9\t5\t6\t60\t61\n")
    os.utime(index, (1, 1))
    with open_genome(path) as genome:
        assert list(genome.sizes) == list(RECORDS)
    assert index.read_text().startswith("chr9")


def test_another_genome_of_the_same_name_is_indexed_again(tmp_path, cache):
    path = tmp_path / "genome.fa.gz"
    for letters in ("ACGT", "TTTTTTT"):
        path.write_bytes(gzip.compress(text_of({"chr1": letters})))
        with open_genome(path) as genome:
            assert genome.fetch("chr1", 0, genome.sizes["chr1"]) == letters


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no FASTA"),
        (b"chr1\t1\t5\n", "is no FASTA"),
        (b">chr1\nACGT\n>chr1 b\nACGT\n", "two records named 'chr1'"),
        (b">chr1\nACGT\nACGTA\nACG\n", "all lines of a record .* same length"),
        (b">chr1\nACGT\n\nACG\n", "same length"),
        (gzip.compress(text_of(RECORDS), mtime=0)[:300], "cut off or damaged"),
        (b"\xfd7zXZ\0damaged, not a stream", "cut off or damaged"),
        (b"\x43\x27\x41\x1a damaged", "2bit file is damaged"),
        (b"PK\x03\x04", "zip archive"),
    ],
)
def test_what_is_no_genome_is_refused(content, message, tmp_path, cache):
    path = tmp_path / "genome"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        open_genome(path)
    assert "\n" not in str(error.value)


def test_a_missing_genome_is_refused(tmp_path):
    with pytest.raises(UserError, match="There is no genome"):
        open_genome(tmp_path / "genome.fa")


def test_headers_are_found_at_the_edges_of_blocks(tmp_path, monkeypatch):
    from deeprke_tf.genome import fasta_index

    text = text_of({f"chr{i}": "ACGT" * (i % 7 + 1) for i in range(40)}, width=11)
    path = tmp_path / "genome.fa"
    for size in range(1, 40):
        path.write_bytes(text + b">chr3\nACGT\n")
        monkeypatch.setattr(fasta_index, "_BLOCK_SIZE", size)
        with pytest.raises(UserError, match="two records named 'chr3'"):
            open_genome(path)
