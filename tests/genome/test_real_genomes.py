"""Windows, transcripts and regions of real files equal independent answers."""

import gzip
import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

import deeprke_tf as dk
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.cutting import cut_sites
from deeprke_tf.genome.genome import open_genome
from deeprke_tf.genome.peaks import COLUMNS, NO_SUMMIT
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.settings import WindowSettings
from deeprke_tf.genome.skips import Reason
from deeprke_tf.genome.windows import windows_of
from tests.support.real_genomes import GENOMES, fasta, linked, needs_real_genomes

pytestmark = needs_real_genomes

HG19_CHR20 = GENOMES / "genome_hg19_chr20" / "ucsc.hg19.chr20.unittest.fasta.gz"
HG19_CHR22 = GENOMES / "genome_pieces_padded" / "chr22.hg19.20-21M.padded.fa.gz"
HG38 = GENOMES / "genome_pieces_padded" / "chr20_chr21_chr22.hg38.pieces.fa.gz"


def benchmark_windows():
    """Peak, flanks and published letters of each window, by benchmark."""
    path = GENOMES / "benchmark_sites_in_pieces" / "rbp24_rbp31.hg19.chr20_chr22.fa.gz"
    for header, letters in fasta(path):
        published = header.split("|")[1]
        letters = letters.replace("u", "t").replace("U", "T")
        if found := re.search(r";(chr\w+),(\d+),(\d+),([+-])$", published):
            chrom, start, end, strand = found.groups()
            before = len(letters) - len(letters.lstrip("acgtn"))
            behind = len(letters) - len(letters.rstrip("acgtn"))
            peak = (chrom, int(start), int(end), strand)
            yield "RBP-24", peak, (before, behind), letters
        else:
            chrom, strand, start, end, _ = re.split("[,;]", published)
            yield "RBP-31", (chrom, int(start), int(end) + 1, strand), (0, 0), letters


def test_windows_of_the_benchmarks_are_cut_again_letter_for_letter():
    by_flanks = defaultdict(list)
    for name, peak, flanks, letters in benchmark_windows():
        by_flanks[peak[0], flanks].append((name, peak, letters))
    equal, n = defaultdict(int), defaultdict(int)
    for (chrom, flanks), windows in by_flanks.items():
        rows = [
            (*peak[:3], str(i), 0.0, peak[3], NO_SUMMIT, "x", i)
            for i, (_, peak, _) in enumerate(windows)
        ]
        peaks = pd.DataFrame(rows, columns=list(COLUMNS))
        with open_genome(HG19_CHR20 if chrom == "chr20" else HG19_CHR22) as genome:
            sites = cut_sites(peaks, genome, WindowSettings(extend=flanks)).sites
        for (name, peak, letters), cut in zip(
            windows, sites["sequence"].reindex(range(len(windows))), strict=True
        ):
            for key in (name, (name, peak[3])):
                n[key] += 1
                equal[key] += letters == cut
    # The file leaves out the one window of RBP-24 that was published otherwise.
    assert equal == n
    assert (n["RBP-24"], n["RBP-31"]) == (221, 915)
    assert n["RBP-24", "-"] + n["RBP-31", "-"] == 444


def test_spliced_transcripts_equal_the_cdna_of_ensembl(tmp_path):
    folder = GENOMES / "genome_hg38_chr21"
    annotation = read_annotation(folder / "vep.test.gtf.gz")
    cdna = fasta(folder / "Ensembl.cdna.chr21.subset.fa.gz")
    n_minus = 0
    with open_genome(folder / "21.GRCh38.pieces.fa.gz") as genome:
        for header, letters in cdna:
            found = annotation.find(header.split()[0], len(letters))
            assert not isinstance(found, str), found
            assert genome.fetch_locus(found.locus).upper() == letters.upper()
            n_minus += found.strand == "-" and len(found.exons) > 1
    assert (len(cdna), n_minus) == (50, 17)


@pytest.mark.parametrize("name", ["annotation.exp.gtf", "annotation.gff"])
def test_gtf_and_gff3_of_refseq_give_the_transcripts_of_gffread(name):
    folder = GENOMES / "transcript_truth_gffread"
    annotation = read_annotation(folder / name)
    published = [letters for _, letters in fasta(folder / "transcripts.fa")]
    with open_genome(folder / "genome.fa.gz") as genome:
        cut = [genome.fetch_locus(one.locus) for one in annotation.values()]
    assert sorted(cut) == sorted(published)
    assert len(cut) == 4
    assert annotation.gene_names["gene55473"] == "MGAM"


def test_intron_genes_of_yeast_equal_the_2bit():
    folder = GENOMES / "yeast_sacCer3"
    genes = fasta(folder / "kmccue.GCF_000146045.2_R64_genes_with_introns.fsa")
    n_equal = n_minus = 0
    with open_genome(folder / "sacCer3.2bit") as genome:
        assert sum(genome.sizes.values()) == 12_157_105
        names = ChromosomeNames(genome.sizes)
        for header, letters in genes:
            said = dict(part.split(":", 1) for part in header.split()[1:])
            start, end = sorted((int(said["Start"]), int(said["Stop"])))
            chrom = names.find(said["Chromosome"])
            cut = genome.fetch(chrom, start - 1, end, said["Strand"])
            n_equal += cut.upper() == letters.upper()
            n_minus += said["Strand"] == "-"
    assert (n_equal, len(genes), n_minus) == (270, 270, 133)


def test_2bit_equals_fasta_with_its_case(tmp_path):
    folder = GENOMES / "twobit"
    pairs = [
        *((folder / "T_ko.2bit", folder / "T_ko.2bit.fa.gz"),),
        *((folder / "foo.2bit", folder / "foo.2bit.fa"),),
        *((folder / "volvox.2bit", folder / "volvox.2bit.fa"),),
    ]
    yeast = GENOMES / "yeast_sacCer3"
    pairs.append((yeast / "sacCer3.2bit", yeast / "sacCer3.chrIV.fa.gz"))
    for two_bit, text in pairs:
        with open_genome(two_bit) as one, open_genome(linked(text, tmp_path)) as other:
            for header, letters in fasta(text):
                name = header.split()[0]
                assert one.fetch(name, 0, one.sizes[name]) == letters
                assert other.fetch(name, 0, other.sizes[name]) == letters
                middle = len(letters) // 2, len(letters) // 2 + 40
                assert one.fetch(name, *middle, "-") == other.fetch(name, *middle, "-")


def test_narrow_peaks_outside_of_the_real_letters_are_listed(tmp_path):
    peaks = GENOMES / "clip_hg19" / "RBFOX2_HepG2_IDR.hg19.narrowPeak"
    found = dk.extract_sites(
        peaks,
        **{"genome": HG19_CHR22, "out": tmp_path / "out"},
        **{"extend": (0, 0), "overlaps": "keep", "max_n": 0, "background": "none"},
    )
    counts = found.contents["counts"]
    assert (counts["peaks"], counts["bound"]) == (7339, 23)
    assert counts["skipped"] == {
        Reason.CHROMOSOME: 7033,
        Reason.TOO_MANY_N: 283,
    }
    assert "another assembly" in found.warnings[0]


@pytest.mark.parametrize(
    ("name", "n_inside"),
    [
        ("RBFOX2.hepg2_eclip.clipper_idr.bed", 28),
        # 43 lie between the ends of the pieces, one of them in a gap of N.
        ("RBFOX2.k562_eclip.clipper_idr.bed", 42),
        ("PUM1.k562_eclip.clipper_idr.bed", 12),
        ("PUM1.k562_eclip.dewseq_w100_s5.bed", 7),
        ("K562-TIA1-chr20.xl_peaks.bed.gz", 18),
    ],
)
def test_peaks_of_hg38_inside_the_real_letters_become_sites(name, n_inside, tmp_path):
    found = dk.extract_sites(
        GENOMES / "clip_hg38" / name,
        **{"genome": HG38, "out": tmp_path / "out"},
        **{"extend": (0, 0), "overlaps": "keep", "max_n": 0.99, "background": "none"},
    )
    assert found.contents["counts"]["bound"] == n_inside


def segments_of_chr20():
    """Feature, start, end, strand and gene of iCount's segmentation."""
    path = GENOMES / "clip_hg38" / "chr20.regions.gtf.gz"
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if not line.startswith("#"):
            cells = line.split("\t")
            gene = re.search('gene_id "([^"]*)"', cells[8])[1]
            yield cells[2], int(cells[3]) - 1, int(cells[4]), cells[6], gene


def coding_runs(segments, strand):
    """Cuts parts of a gene into runs 5'UTR, CDS, 3'UTR, each with a CDS."""
    order = {"UTR5": 0, "CDS": 1, "UTR3": 2}
    coding = [one for one in segments if one[0] == "CDS"]
    runs: list[list] = []
    for one in sorted(segments, key=lambda one: one[1], reverse=strand == "-"):
        if not runs or order[one[0]] < order[runs[-1][-1][0]]:
            runs.append([])
        runs[-1].append(one)
    for run in runs:
        if all(one[0] != "CDS" for one in run):
            is_before = run[0][0] == "UTR5"
            sign = 1 if (strand == "+") == is_before else -1
            run.append(
                min(
                    (one for one in coding if sign * (one[1] - run[0][1]) > 0),
                    key=lambda one: abs(one[1] - run[0][1]),
                )
            )
    return runs


def test_every_base_of_chr20_has_the_region_of_icounts_segmentation(tmp_path):
    genes = defaultdict(list)
    truth = list(segments_of_chr20())
    for feature, start, end, strand, gene in truth:
        if feature != "intergenic":
            genes[gene, strand].append((feature, start, end))
    lines = []
    for (gene, strand), parts in genes.items():
        coding = [part for part in parts if part[0] not in ("ncRNA", "intron")]
        groups = coding_runs(coding, strand) if coding else []
        groups += [[part] for part in parts if part[0] == "ncRNA"]
        # Around an intron lie exons, if only of another gene that counts more there.
        groups += [
            [("ncRNA", start - 1, start), ("ncRNA", end, end + 1)]
            for feature, start, end in parts
            if feature == "intron"
        ]
        for i, group in enumerate(groups):
            said = f'gene_id "{gene}"; transcript_id "{gene}.{i}{strand}";'
            for feature, start, end in group:
                features = ["exon", "CDS"] if feature == "CDS" else ["exon"]
                lines += [
                    f"chr20\tx\t{one}\t{start + 1}\t{end}\t.\t{strand}\t.\t{said}\n"
                    for one in features
                ]
    (tmp_path / "chr20.gtf").write_text("".join(lines))
    annotation = read_annotation(tmp_path / "chr20.gtf")
    regions = Regions(annotation)
    names = {"UTR5": "5'UTR", "UTR3": "3'UTR"}
    wrong = n_bases = 0
    for strand in "+-":
        own = sorted(one for one in truth if one[3] == strand)
        # The label can change at edges of exons only, which are edges of segments.
        edges = np.array([one[1:3] for one in own])
        expected = [names.get(one[0], one[0]) for one in own]
        for places in (edges[:, 0], edges[:, 1] - 1, edges.sum(axis=1) // 2):
            wrong += (regions.of("chr20", strand, places) != expected).sum()
        n_bases += (edges[:, 1] - edges[:, 0]).sum()
    assert n_bases == 2 * 64_444_167
    assert wrong == 0


def test_sites_on_transcripts_lie_on_the_genome_where_peakhood_has_them(tmp_path):
    def rows(name):
        text = (GENOMES / "peakhood_hg38" / f"SERBP1_K562.{name}.bed").read_text()
        return [line.split("\t") for line in text.splitlines()]

    lines = [
        f"{chrom}\tx\texon\t{int(start) + 1}\t{end}\t.\t{strand}\t.\t"
        f'transcript_id "{name.rpartition("_")[0]}";\n'
        for chrom, start, end, name, _, strand in rows("exon_regions.all_tr")
    ]
    (tmp_path / "exons.gtf").write_text("".join(lines))
    annotation = read_annotation(tmp_path / "exons.gtf")
    peaks = {row[3]: row for row in rows("exonic_sites.tr_con.gen")}
    n_equal = n_joined = 0
    for name, start, end, said, *_ in rows("exonic_sites.tr_con.sel_tr"):
        transcript = annotation[name]
        part = transcript.locus.part(int(start), int(end))
        first = part.start if part.strand == "+" else part.end - 1
        assert transcript.locus.offset(first) == int(start)
        if site := peaks.get(said.split(",")[0]):
            chosen = Chosen(transcript)
            peak = (*site[:3], "", 0.0, site[5], NO_SUMMIT, "x", 1)
            table = pd.DataFrame([peak], columns=list(COLUMNS))
            table = table.astype({"start": int, "end": int})
            (window,) = windows_of(table, {}, WindowSettings(extend=(0, 0)), chosen)
            n_equal += window.locus == part
        else:  # Peakhood joined two sites over an intron.
            n_joined += len(part.blocks) == 2
    assert (n_equal, n_joined) == (89, 3)


class Chosen:
    """One transcript, whatever the position."""

    def __init__(self, transcript):
        self.transcript = transcript

    def at(self, chrom, strand, position):
        return self.transcript
