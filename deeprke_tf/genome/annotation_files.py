"""Lines of GTF, GFF3 and BED12 files, as `annotation` collects them.

The flavours of Ensembl, GENCODE, RefSeq and UCSC differ in the names of attributes
only: those that matter here are few, and all of them are looked for.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

from deeprke_tf.errors import UserError
from deeprke_tf.rna.loci import Interval
from deeprke_tf.system.streams import DAMAGED, open_bytes

Form = Literal["gtf", "bed12"]

_LONGEST_CHROMOSOME = 1 << 40
_NO_DATA = (b"#", b"track", b"browser")
_PARTS = {"exon", "CDS", "stop_codon"}
_NO_TRANSCRIPTS = {"start_codon", "five_prime_utr", "three_prime_utr", "utr", "intron"}
_GTF_ATTRIBUTE = re.compile(r'([\w.-]+) +(?:"([^"]*)"|([^;\s]+))')
# Best first; APPRIS names the principal isoform where older files have no such tag.
_CANONICAL_TAGS = (
    *("MANE_Select", "Ensembl_canonical", "RefSeq_Select"),
    *("appris_principal_1", "appris_principal"),
)
NOT_CANONICAL = len(_CANONICAL_TAGS)
_BIOTYPES = (
    *("transcript_type", "transcript_biotype", "biotype", "gbkey"),
    *("gene_type", "gene_biotype"),
)
_ID_PREFIX = re.compile(r"^(?:gene|transcript|rna)[:-]")
_ROOT = 'transcript_id "'


class About(NamedTuple):
    """What a line says about its transcript; empty where it says nothing.

    Attributes:
      name: Name of the transcript.
      gene: Identifier of its gene.
      gene_name: Symbol of its gene.
      biotype: Such as `protein_coding`.
      rank: Place of its tag among those of canonical transcripts; `NOT_CANONICAL`.
    """

    name: str = ""
    gene: str = ""
    gene_name: str = ""
    biotype: str = ""
    rank: int = NOT_CANONICAL


class Line(NamedTuple):
    """A line that tells something of a transcript, or of a gene.

    Attributes:
      group: What the lines of one transcript have in common.
      chrom: Chromosome.
      strand: As in the file.
      part: `exon`, `CDS`, `stop_codon`, `transcript`, or `gene` of GFF3.
      interval: On the chromosome, from 0, the end exclusive.
      attributes: Of `about`.
    """

    group: str
    chrom: str
    strand: str
    part: str
    interval: Interval
    attributes: str


def read_lines(path: Path, form: Form | None) -> Iterator[Line]:
    """Yields the lines of a file that tell something of a transcript.

    Args:
      path: Plain or compressed.
      form: GTF or GFF3, or BED12; None: by the first line.

    Raises:
      UserError: The file cannot be read, or a line is impossible.
    """
    n_lines = 0
    try:
        with contextlib.ExitStack() as closing:
            # The inner loop is for the line ends of old Macs.
            for lines in open_bytes(path, closing):
                for line in lines.splitlines():
                    n_lines += 1
                    if not line.strip() or line.startswith(_NO_DATA):
                        if line.startswith(b"##FASTA"):
                            return
                        continue
                    cells = line.decode().split("\t")
                    form = form or _form_of(cells)
                    parsed = _bed12_lines if form == "bed12" else _gtf_lines
                    yield from parsed(cells, n_lines)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (*DAMAGED, IndexError, ValueError) as error:
        shown = {"gtf": "GTF or GFF3", "bed12": "BED12", None: "GTF, GFF3 or BED12"}
        cause = "too few columns" if isinstance(error, IndexError) else error
        raise UserError(
            f"{path}, line {n_lines}: this is not {shown[form]}, plain or gzip: "
            f"{cause}."
        ) from error


def _form_of(cells: list[str]) -> Form:
    if len(cells) >= 12 and cells[1].isdecimal() and cells[2].isdecimal():
        return "bed12"
    if len(cells) < 8:
        raise ValueError(f"{len(cells)} columns between tabs")
    return "gtf"


def _gtf_lines(cells: list[str], _number: int) -> Iterator[Line]:
    feature, attributes = cells[2], cells[8]
    part = feature if feature in _PARTS else None
    if part is None and feature.lower() in _NO_TRANSCRIPTS:
        return
    groups = _groups(attributes, part)
    if not groups:
        return
    interval = _interval(int(cells[3]) - 1, int(cells[4])) if part else (0, 0)
    part = part or ("gene" if feature.endswith("gene") else "transcript")
    for group in groups:
        yield Line(group, cells[0], cells[6], part, interval, attributes)


def _groups(attributes: str, part: str | None) -> list[str]:
    """Returns the transcripts that a line is of: several only in GFF3."""
    if (start := attributes.find(_ROOT)) >= 0:  # nearly all lines of GTF
        start += len(_ROOT)
        quoted = attributes[start : attributes.find('"', start)]
        return [quoted] if quoted else []
    if "=" not in attributes.partition('"')[0]:
        name = dict(_gtf_attributes(attributes)).get("transcript_id")
        return [name] if name else []
    found = _gff3_attributes(attributes)
    if part is None:
        return [found["ID"]] if "ID" in found else []
    parents = found.get("Parent") or found.get("transcript_id")
    return parents.split(",") if parents else []


def about(line: Line) -> About:
    """Returns what a line says about its transcript."""
    if not line.attributes:
        return About(line.group.partition("\t")[0], line.group.partition("\t")[0])
    if "=" in line.attributes.partition('"')[0]:
        return _about_gff3(line)
    pairs = _gtf_attributes(line.attributes)
    found = dict(pairs)
    tags = [value for name, value in pairs if name == "tag"]
    return About(
        name=line.group,
        gene=found.get("gene_id", ""),
        gene_name=found.get("gene_name") or found.get("gene", ""),
        biotype=_biotype(found),
        rank=_rank(tags),
    )


def _about_gff3(line: Line) -> About:
    found = _gff3_attributes(line.attributes)
    gene = found.get("gene_id", "")
    if not gene and line.part == "transcript":
        gene = _ID_PREFIX.sub("", found.get("Parent", ""))
    return About(
        name=found.get("transcript_id") or _ID_PREFIX.sub("", line.group),
        gene=gene,
        gene_name=found.get("gene_name") or found.get("gene", ""),
        biotype=_biotype(found),
        rank=_rank(found.get("tag", "").split(",")),
    )


def gene_of(line: Line) -> tuple[str, str]:
    """Returns identifier and symbol of the gene of a `gene` line."""
    found = _gff3_attributes(line.attributes)
    gene = found.get("gene_id") or _ID_PREFIX.sub("", line.group)
    return gene, found.get("gene_name") or found.get("Name", "")


def _biotype(found: dict[str, str]) -> str:
    return next((found[name] for name in _BIOTYPES if name in found), "")


def _rank(tags: list[str]) -> int:
    """Returns the place of the best tag among those of canonical transcripts."""
    known = {tag.strip().replace(" ", "_") for tag in tags}
    ranks = (rank for rank, tag in enumerate(_CANONICAL_TAGS) if tag in known)
    return next(ranks, NOT_CANONICAL)


def _gtf_attributes(text: str) -> list[tuple[str, str]]:
    """Returns names and values; a name such as `tag` may come more than once.

    >>> _gtf_attributes('gene_id "A;1"; exon_number 3; tag "basic"; tag "CCDS";')
    [('gene_id', 'A;1'), ('exon_number', '3'), ('tag', 'basic'), ('tag', 'CCDS')]
    """
    return [(name, value or bare) for name, value, bare in _GTF_ATTRIBUTE.findall(text)]


def _gff3_attributes(text: str) -> dict[str, str]:
    """Returns names and values.

    >>> _gff3_attributes("ID=rna-1;Parent=gene-1;Note=64%25")
    {'ID': 'rna-1', 'Parent': 'gene-1', 'Note': '64%'}
    """
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {
        name.strip(): (unquote(value) if "%" in value else value).strip().strip('"')
        for name, _, value in pairs
        if value
    }


def _bed12_lines(cells: list[str], number: int) -> Iterator[Line]:
    chrom, chrom_start, name, strand, thick, count, sizes, starts = (
        cells[i] for i in (0, 1, 3, 5, 6, 9, 10, 11)
    )
    # A name may come at several places: the lines are apart.
    group = f"{name}\t{number}"
    blocks = zip(_integers(starts), _integers(sizes), strict=True)
    for _, (start, size) in zip(range(int(count)), blocks, strict=True):
        start += int(chrom_start)
        yield Line(group, chrom, strand, "exon", _interval(start, start + size), "")
    if int(thick) < int(cells[7]):
        yield Line(group, chrom, strand, "CDS", (int(thick), int(cells[7])), "")


def _interval(start: int, end: int) -> Interval:
    if not 0 <= start < end <= _LONGEST_CHROMOSOME:
        raise ValueError(f"an exon from {start + 1} to {end}, counted from 1")
    return start, end


def _integers(cell: str) -> list[int]:
    return [int(number) for number in cell.rstrip(",").split(",")]
