import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.variants_alleles import pairs
from deeprke_tf.explaining.variants_places import OnGenome, OnRnas, alleles
from deeprke_tf.explaining.variants_reading import Record, VariantsFile
from deeprke_tf.explaining.variants_stretches import InGenes, InRegions, OnStrands
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.genome import open_genome, reverse_complement
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.spliced import SplicedTranscripts
from tests.support.real_genomes import GENOMES, linked, needs_real_genomes

# Positions 1 to 60 of chr1; exons of gene g on 11-20 and 31-40, of h on 35-50.
CHR1 = "ACGTTGCATGCATTGACCGATAGGCTTAACGGATCCAATTGGCACTTACGGTATTCCAAG"
GTF = "".join(
    f'chr1\tx\texon\t{first}\t{last}\t.\t{strand}\t.\tgene_id "{gene}"; '
    f'gene_name "{gene.upper()}"; transcript_id "t_{gene}";\n'
    for gene, first, last, strand in [
        *(("g", 11, 20, "+"), ("g", 31, 40, "+")),
        ("h", 35, 50, "-"),
    ]
)


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{CHR1}\n>chr2\nacgtnn\n")
    with open_genome(path) as opened:
        yield opened


@pytest.fixture
def genes(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    annotation = read_annotation(path)
    return annotation, Regions(annotation)


def record(position, ref=None, alts=("T",), chrom="1"):
    return Record(1, chrom, position, "", ref, alts)


def windows(allele, window=7):
    """By strand, the windows with the variant in the middle."""
    found = {}
    for place in allele.places:
        (pair,) = pairs(place.change, window, every=False)
        found[place.strand] = (pair.ref, pair.alt)
    return found


def test_the_minus_strand_has_the_mirror_image_of_the_windows(genome):
    ground = OnGenome(genome, OnStrands(genome.sizes, "+-"))
    (allele,) = alleles(record(16, "A", ("C",)), ground, 7)
    ref, alt = CHR1[12:19], CHR1[12:15] + "C" + CHR1[16:19]
    assert windows(allele) == {
        "+": (ref, alt),
        "-": (reverse_complement(ref), reverse_complement(alt)),
    }


def test_indels_are_read_on_the_minus_strand_too(genome):
    ground = OnGenome(genome, OnStrands(genome.sizes, "-"))
    (allele,) = alleles(record(15, "GACC", ("G",)), ground, 9)
    deleted = CHR1[:15] + CHR1[18:]
    ((ref, alt),) = windows(allele, 9).values()
    assert reverse_complement(ref) in CHR1
    assert reverse_complement(alt) in deleted


def test_chromosomes_go_by_any_of_their_names_and_either_case(genome):
    ground = OnGenome(genome, OnStrands(genome.sizes, "+"))
    for chrom in ("1", "chr1", "NC_000001.11"):
        (allele,) = alleles(record(1, "a", ("t",), chrom), ground, 7)
        assert allele.places


@pytest.mark.parametrize(
    ("position", "ref", "alts", "chrom", "reason"),
    [
        (16, "G", ("C",), "1", "REF differs from the genome"),
        (16, "A", ("C",), "7", "chromosome is not in the genome"),
        (61, "A", ("C",), "1", "position is not on the chromosome"),
        (0, "A", ("C",), "1", "position is not on the chromosome"),
        (60, "GG", ("G",), "1", "position is not on the chromosome"),
        (16, "A", (), "1", "no alternative allele"),
        (5, "N", ("C",), "2", "allele has letters other than A, C, G and T"),
        (5, None, None, "2", "allele has letters other than A, C, G and T"),
        (61, None, None, "1", "position is not on the chromosome"),
        (16, "A", ("ACCCCCCC",), "1", "allele is longer than the window"),
        (5, "T", ("A",), "1", "outside annotated transcripts"),
    ],
)
def test_what_cannot_be_placed_has_a_reason(
    genome, genes, position, ref, alts, chrom, reason
):
    ground = OnGenome(genome, InGenes(*genes))
    found = alleles(record(position, ref, alts, chrom), ground, 7)
    assert {allele.fault.reason for allele in found} == {reason}


def test_ref_and_alternatives_that_a_table_lacks_come_from_the_genome(genome):
    ground = OnGenome(genome, OnStrands(genome.sizes, "+"))
    found = alleles(record(16, None, None), ground, 7)
    assert [(one.ref, one.alt) for one in found] == [("A", x) for x in "CGT"]


def test_variants_lie_on_the_strands_of_their_genes(genome, genes):
    ground = OnGenome(genome, InGenes(*genes))
    (both,) = alleles(record(36, "C", ("A",)), ground, 7)
    (intron,) = alleles(record(25, "C", ("A",)), ground, 7)
    assert [(p.strand, p.gene, p.gene_name, p.region) for p in both.places] == [
        ("+", "g", "G", "ncRNA"),
        ("-", "h", "H", "ncRNA"),
    ]
    assert [(p.strand, p.region) for p in intron.places] == [("+", "intron")]


def test_variants_in_exons_may_lie_on_the_spliced_transcript(genome, genes):
    ground = OnGenome(genome, InGenes(*genes), SplicedTranscripts(*genes))
    spliced = CHR1[10:20] + CHR1[30:40]
    (exonic,) = alleles(record(19, CHR1[18], ("A",)), ground, 7)
    (intronic,) = alleles(record(23, "G", ("T",)), ground, 7)
    (across,) = alleles(record(19, CHR1[18:22], ("C",)), ground, 7)
    assert exonic.places[0].transcript == "t_g"
    assert windows(exonic)["+"][0] == spliced[5:12]
    assert intronic.places[0].transcript == across.places[0].transcript == ""
    assert windows(intronic)["+"][0] == CHR1[19:26]


def test_regions_give_variants_their_strand(genome, tmp_path):
    bed = tmp_path / "regions.bed"
    bed.write_text("1\t10\t20\tpeak1\t0\t-\n1\t15\t25\tpeak2\n")
    ground = OnGenome(genome, InRegions(bed, genome.sizes))
    placed = {}
    for position in (11, 20, 21, 26):
        allele = alleles(record(position, None, None), ground, 7)[0]
        placed[position] = [(p.strand, p.region) for p in allele.places]
    assert placed == {
        11: [("-", "peak1")],
        20: [("-", "peak1"), ("+", "peak2")],
        21: [("+", "peak2"), ("-", "peak2")],
        26: [],
    }


def test_regions_of_another_genome_are_refused(genome, tmp_path):
    bed = tmp_path / "regions.bed"
    bed.write_text("chr9\t10\t20\n")
    with pytest.raises(UserError, match=r"None of `regions` .* lies on the genome"):
        InRegions(bed, genome.sizes)


def test_variants_in_rnas_need_no_genome():
    ground = OnRnas({"rna": "ACGTACGT"})
    (allele,) = alleles(record(3, "g", ("u",), "rna"), ground, 40)
    (other,) = alleles(record(9, "A", ("C",), "rna"), ground, 40)
    (unknown,) = alleles(record(1, "A", ("C",), "rna2"), ground, 40)
    assert windows(allele, 40) == {".": ("ACGTACGT", "ACTTACGT")}
    assert other.fault.reason == "position is not in the RNA"
    assert unknown.fault.reason == "RNA is not in the file"


@needs_real_genomes
def test_every_ref_of_1000_genomes_is_that_of_its_genome(tmp_path):
    folder = GENOMES / "variants" / "vg_1mb1kgp"
    fasta = linked(folder / "z.fa.gz", tmp_path)
    reasons, n = {}, 0
    with open_genome(fasta) as genome:
        ground = OnGenome(genome, OnStrands(genome.sizes, "+"))
        for one in VariantsFile(folder / "z.vcf.gz"):
            n += 1
            for allele in alleles(one, ground, 101):
                if allele.fault:
                    reasons.setdefault(allele.fault.reason, []).append(allele.alt)
    assert n == 28998
    assert set(reasons) == {"symbolic allele"}
    assert all(alt.startswith("<") for alt in reasons["symbolic allele"])


@needs_real_genomes
def test_eight_dbsnp_variants_lie_in_peaks_of_rbfox2(tmp_path):
    fasta = linked(
        GENOMES / "genome_pieces_padded" / "chr22.hg19.20-21M.padded.fa.gz", tmp_path
    )
    peaks = GENOMES / "clip_hg19" / "RBFOX2_HepG2_IDR.hg19.narrowPeak"
    vcf = GENOMES / "genome_hg19_chr22" / "22_20-21M.derived.vcf.gz"
    names = []
    with open_genome(fasta) as genome:
        ground = OnGenome(genome, InRegions(peaks, genome.sizes))
        for one in VariantsFile(vcf):
            found = alleles(one, ground, 101)
            assert all(
                allele.fault.reason == "outside the regions"
                for allele in found
                if allele.fault
            )
            if any(allele.places for allele in found):
                names.append(one.name)
    assert len(set(names)) == 8
