"""Odd BED, GTF and FASTA: a one-line error or a listed skip, nothing silent."""

import gzip

import pytest

import deeprke_tf as dk
from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.peaks import read_peaks

LETTERS = "ACGTTGCAAC" * 60
GENOME = f">chr1\n{LETTERS}\n>chr2\n{LETTERS}\n"
GOOD = "chr1\t200\t220\tgood\t5\t+\n"

BED_LINES = {
    "one column": "chr1",
    "two columns": "chr1\t5",
    "empty chromosome": "\t5\t9\tp\t1\t+",
    "only tabs": "\t\t\t\t\t\t",
    "a header": "chrom\tstart\tend\tname\tscore\tstrand",
    "decimals": "chr1\t200.5\t220\tp\t1\t+",
    "decimals that are whole": "chr1\t200.0\t220.0\tp\t1\t+",
    "scientific notation": "chr1\t2e2\t220\tp\t1\t+",
    "thousands": "chr1\t1,000\t2,000\tp\t1\t+",
    "hexadecimal": "chr1\t0x10\t0x20\tp\t1\t+",
    "a sign": "chr1\t+200\t220\tp\t1\t+",
    "huge": f"chr1\t5\t{'9' * 30}\tp\t1\t+",
    "not a number": "chr1\tNaN\t220\tp\t1\t+",
    "end before start": "chr1\t220\t200\tp\t1\t+",
    "zero length": "chr1\t200\t200\tp\t1\t+",
    "negative start": "chr1\t-5\t20\tp\t1\t+",
    "negative end": "chr1\t-50\t-20\tp\t1\t+",
    "past the end": "chr1\t590\t700\tp\t1\t+",
    "at the end": "chr1\t598\t600\tp\t1\t+",
    "at the start": "chr1\t0\t2\tp\t1\t-",
    "far away": "chr1\t99999999\t99999999999\tp\t1\t+",
    "another chromosome": "chr9\t200\t220\tp\t1\t+",
    "chromosome in capitals": "CHR1\t300\t320\tp\t1\t+",
    "a range as chromosome": "chr1:1-1000\t200\t220\tp\t1\t+",
    "no strand": "chr1\t200\t220\tp\t1",
    "a dot as strand": "chr1\t200\t220\tp\t1\t.",
    "an empty strand": "chr1\t200\t220\tp\t1\t",
    "both strands": "chr1\t200\t220\tp\t1\t+-",
    "strand in words": "chr1\t200\t220\tp\t1\tplus",
    "strand as number": "chr1\t200\t220\tp\t1\t-1",
    "score in words": "chr1\t200\t220\tp\thigh\t+",
    "score with a comma": "chr1\t200\t220\tp\t1,5\t+",
    "score in scientific notation": "chr1\t300\t320\tp\t1.5e-300\t+",
    "infinite score": "chr1\t300\t320\tp\tinf\t+",
    "missing score": "chr1\t300\t320\tp\t.\t+",
    "spaces": "chr1 300 320 p 1 +",
    "spaces around cells": "chr1 \t 300 \t 320 \t p \t 1 \t + ",
    "spaces in a name": "chr1\t300\t320\ta long name\t1\t+",
    "quotes in a name": 'chr1\t300\t320\t"it\'s"\t1\t+',
    "a name that is a comment": "chr1\t300\t320\t#p\t1\t+",
    "a name beyond ASCII": "chr1\t300\t320\tβ-Aktin→\t1\t+",
    "the same name": "chr1\t300\t320\tgood\t1\t+",
    "the same peak": "chr1\t200\t220\tgood\t5\t+",
    "one nucleotide": "chr1\t300\t301\tp\t1\t+",
    "thirteen columns": "chr1\t300\t320\tp\t1\t+\t300\t320\t0\t1\t20,\t0,\tmore",
    "wrong blocks": "chr1\t300\t320\tp\t1\t+\t300\t320\t0\t2\t5,x\t0,15",
    "thick part outside": "chr1\t300\t320\tp\t1\t+\t10\t3200\t0",
    "summit outside": "chr1\t300\t320\tp\t1\t+\t3.5\t9.1\t-1\t20",
    "summit before": "chr1\t300\t320\tp\t1\t+\t3.5\t9.1\t-1\t-2",
    "summit in decimals": "chr1\t300\t320\tp\t1\t+\t3.5\t9.1\t-1\t4.5",
    "no summit": "chr1\t300\t320\tp\t1\t+\t3.5\t9.1\t-1\t-1",
    "a null byte": "chr1\t300\t320\tp\0q\t1\t+",
    "a line of GTF": 'chr1\tx\texon\t5\t9\t.\t+\t.\ttranscript_id "t";',
    "a line of SAM": "read1\t0\tchr1\t5\t60\t10M\t*\t0\t0\tACGT\tIIII",
}
# Behind the good line: no peak, but no fault either.
NO_PEAKS = ["", "   ", "# chr1\t1\t2", "track name=x", "browser hide all", "track"]


@pytest.fixture
def extracted(tmp_path):
    """Extracts from texts or bytes of files."""

    def extract(**texts):
        for name, text in texts.items():
            content = text if isinstance(text, bytes) else text.encode()
            (tmp_path / name).write_bytes(content)
        return dk.extract_sites(
            **{name: tmp_path / name for name in texts},
            **{"out": tmp_path / "out", "window": 41, "overlaps": "keep"},
            background="none",
        )

    return extract


@pytest.mark.parametrize("kind", BED_LINES)
def test_an_odd_line_of_bed_becomes_a_site_or_is_listed(kind, extracted):
    text = GOOD + BED_LINES[kind] + "\n" + GOOD.replace("chr1", "chr2")
    if list(BED_LINES).index(kind) % 2:
        text = text.replace("\n", "\r\n").rstrip()
    found = extracted(peaks=text, genome=GENOME)
    n_odd = int(bool(BED_LINES[kind].strip()))
    assert len(found.sites) + len(found.skipped) == 2 + n_odd
    assert found.contents["counts"]["peaks"] == 2 + n_odd
    assert {"chr1", "chr2"} <= set(found.sites["chrom"])
    assert found.sites["name"].is_unique
    lines = set(found.skipped["line"])
    assert lines <= {2} or kind == "the same peak"
    table = (found.directory / "sites.tsv").read_text().splitlines()
    assert len(table) == 1 + len(found.sites)
    assert all(line.count("\t") == 10 for line in table)


@pytest.mark.parametrize("kind", BED_LINES)
def test_an_odd_line_of_bed_alone_is_a_peak_or_an_error_of_one_line(kind, tmp_path):
    path = tmp_path / "odd.bed"
    path.write_text(BED_LINES[kind] + "\n")
    try:
        found = read_peaks(path)
    except UserError as error:
        assert "\n" not in str(error)
        assert "odd.bed" in str(error)
    else:
        assert (len(found.table), len(found.skipped)) == (1, 0)


@pytest.mark.parametrize("line", NO_PEAKS)
def test_lines_that_are_no_data_are_no_peaks(line, extracted):
    found = extracted(peaks=f"{line}\n{GOOD}{line}", genome=GENOME)
    assert (len(found.sites), len(found.skipped)) == (1, 0)


def exon(start, end, said='gene_id "g"; transcript_id "t";', strand="+", chrom="chr1"):
    return f"{chrom}\tx\texon\t{start}\t{end}\t.\t{strand}\t.\t{said}\n"


def cds(start, end):
    return exon(start, end).replace("exon", "CDS")


GTFS = {
    "no gene_id": exon(150, 300, 'transcript_id "t";'),
    "no transcript_id": exon(150, 300, 'gene_id "g";'),
    "empty transcript_id": exon(150, 300, 'gene_id "g"; transcript_id "";'),
    "no attributes": exon(150, 300, ""),
    "a dot for attributes": exon(150, 300, "."),
    "attributes without quotes": exon(150, 300, "gene_id g; transcript_id t"),
    "a semicolon in quotes": exon(150, 300, 'gene_id "g;h"; transcript_id "t;u";'),
    "an open quote": exon(150, 300, 'gene_id "g; transcript_id "t;'),
    "overlapping exons": exon(150, 300) + exon(250, 400),
    "equal exons": exon(150, 300) + exon(150, 300),
    "touching exons": exon(150, 200) + exon(201, 300),
    "descending exons": exon(350, 400) + exon(150, 300),
    "mixed strands": exon(150, 300) + exon(350, 400, strand="-"),
    "no strand": exon(150, 300, strand="."),
    "an odd strand": exon(150, 300, strand="?"),
    "two chromosomes": exon(150, 300) + exon(150, 300, chrom="chr2"),
    "end before start": exon(300, 150),
    "start at zero": exon(0, 150),
    "negative": exon(-300, -150),
    "decimals": exon(150.5, 300),
    "past the end": exon(150, 3000),
    "spaces for tabs": exon(150, 300).replace("\t", " "),
    "eight columns": exon(150, 300).rpartition("\t")[0] + "\n",
    "ten columns": exon(150, 300)[:-1] + "\tmore\n",
    "a CDS outside of its exons": exon(150, 300)
    + exon(400, 500).replace("exon", "CDS"),
    "a CDS alone": cds(150, 300),
    "a stop codon alone": exon(150, 300) + exon(150, 152).replace("exon", "stop_codon"),
    "genes alone": exon(150, 300).replace("exon", "gene"),
    "transcripts alone": exon(150, 300).replace("exon", "transcript"),
    "no final newline": exon(150, 300)[:-1],
    "CRLF": exon(150, 300).replace("\n", "\r\n"),
    "comments alone": "#!genome-build GRCh38\n",
    "empty": "",
    "FASTA": GENOME,
    "BED6": GOOD,
    "BED12 with too few blocks": "chr1\t150\t300\tt\t0\t+\t150\t300\t0\t2\t150\t0\n",
    "BED12 with words": "chr1\t150\t300\tt\t0\t+\t150\t300\t0\tone\t150\t0\n",
    "GFF3 without parents": exon(150, 300, "ID=e1;Name=x"),
    "GFF3 with a lost parent": exon(150, 300, "ID=e1;Parent=lost"),
    "GFF3 with a sequence": exon(150, 300, "Parent=t") + "##FASTA\n" + GENOME,
    "not text": b"\xff\xfe\x00\x01",
    "damaged gzip": gzip.compress(exon(150, 300).encode() * 50)[:40],
    "damaged xz": b"\xfd7zXZ\0damaged, not a stream",
}


@pytest.mark.parametrize("kind", GTFS)
def test_an_odd_annotation_is_used_listed_or_an_error_of_one_line(kind, tmp_path):
    path = tmp_path / "odd.gtf"
    text = GTFS[kind]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        annotation = read_annotation(path, sizes={"chr1": 600, "chr2": 600})
    except UserError as error:
        assert "\n" not in str(error)
        assert "odd.gtf" in str(error)
    else:
        assert len(annotation) or annotation.skipped
        for transcript in annotation.values():
            assert LETTERS[transcript.locus.start : transcript.locus.end]


FASTAS = {
    "empty": "",
    "blank": "\n\n",
    "no header": LETTERS,
    "a header alone": ">chr1\n",
    "text before the header": "x\n" + GENOME,
    "blank lines between records": GENOME.replace("\n>", "\n\n>"),
    "a blank line in a record": GENOME.replace("ACGTTG", "ACGTTG\n\n", 1),
    "lines of different lengths": GENOME.replace("ACGTTG", "ACGTTG\n", 3),
    "the same name twice": GENOME + ">chr1\nACGT\n",
    "no name": ">\n" + LETTERS + "\n",
    "CRLF": GENOME.replace("\n", "\r\n"),
    "no final newline": GENOME[:-1],
    "descriptions": GENOME.replace("chr1", "chr1 dna:chromosome GRCh38"),
    "RNA": GENOME.replace("T", "U"),
    "lower case": GENOME.replace(LETTERS, LETTERS.lower()),
    "N": GENOME.replace(LETTERS, "N" * 600),
    "IUPAC": GENOME.replace(LETTERS, "RYKM" * 150),
    "protein": GENOME.replace(LETTERS, "MEFLIPQ" * 90),
    "gaps": GENOME.replace(LETTERS, "AC-T" * 150),
    "other names": GENOME.replace("chr", "scaffold"),
    "short": ">chr1\nACGT\n",
    "FASTQ": "@chr1\n" + LETTERS + "\n+\n" + "I" * 600 + "\n",
    "GenBank": "LOCUS chr1\nORIGIN\n1 acgt\n",
    "gzip": gzip.compress(GENOME.encode()),
    "gzip twice": gzip.compress(gzip.compress(GENOME.encode())),
    "damaged gzip": gzip.compress(GENOME.encode())[:60],
    "damaged 2bit": b"\x43\x27\x41\x1a\0\0\0\0\1\0\0\0",
    "2bit of another version": b"\x43\x27\x41\x1a\1\0\0\0\0\0\0\0\0\0\0\0",
    "zip": b"PK\x03\x04 and more",
    "bytes": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("kind", FASTAS)
def test_an_odd_genome_is_read_rightly_or_an_error_of_one_line(kind, extracted):
    try:
        found = extracted(peaks=GOOD, genome=FASTAS[kind])
    except UserError as error:
        assert "\n" not in str(error)
        assert "genome" in str(error) or "No peak became a site" in str(error)
    else:
        (sequence,) = found.sites["sequence"]
        assert sequence.upper().replace("U", "T") in (
            LETTERS[190:231],
            "KMRY" * 10 + "K",
        )
