import random

import numpy as np
import pytest

from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.regions import INTERGENIC, REGIONS, Regions

LENGTH = 400


def random_transcripts(rng):
    """Name, gene, strand, exons and CDS of some transcripts of chr1."""
    for i in range(rng.randint(1, 6)):
        cuts = sorted(rng.sample(range(1, LENGTH), 2 * rng.randint(1, 5)))
        exons = list(zip(cuts[::2], cuts[1::2], strict=True))
        inside = [p for start, end in exons for p in range(start, end)]
        cds = None
        if rng.random() < 0.7 and len(inside) > 1:
            first, last = sorted(rng.sample(inside, 2))
            cds = (first, last + 1)
        yield f"t{i}", f"g{rng.randint(0, 3)}", rng.choice("+-"), exons, cds


def gtf_of(transcripts):
    lines = []
    for name, gene, strand, exons, cds in transcripts:
        said = f'gene_id "{gene}{strand}"; transcript_id "{name}";'
        rows = [("exon", *exon) for exon in exons]
        if cds:
            parts = [(max(s, cds[0]), min(e, cds[1])) for s, e in exons]
            rows += [("CDS", s, e) for s, e in parts if s < e]
        lines += [
            f"chr1\tx\t{part}\t{start + 1}\t{end}\t.\t{strand}\t.\t{said}\n"
            for part, start, end in rows
        ]
    random.Random(1).shuffle(lines)
    return "".join(lines)


def label_of(position, strand, transcripts):
    """The region of a position, one transcript after the other."""
    found = [INTERGENIC]
    for _, _, own_strand, exons, cds in transcripts:
        if own_strand != strand or not exons[0][0] <= position < exons[-1][1]:
            continue
        if not any(start <= position < end for start, end in exons):
            found.append("intron")
        elif cds is None:
            found.append("ncRNA")
        elif cds[0] <= position < cds[1]:
            found.append("CDS")
        else:
            found.append("5'UTR" if (position < cds[0]) == (strand == "+") else "3'UTR")
    return min(found, key=REGIONS.index)


@pytest.mark.parametrize("seed", range(12))
def test_every_position_has_the_region_that_counts_most(seed, tmp_path):
    transcripts = list(random_transcripts(random.Random(seed)))
    (tmp_path / "genes.gtf").write_text(gtf_of(transcripts))
    annotation = read_annotation(tmp_path / "genes.gtf")
    regions = Regions(annotation)
    positions = np.arange(LENGTH)
    for strand in "+-":
        expected = [label_of(p, strand, transcripts) for p in positions]
        assert regions.of("chr1", strand, positions).tolist() == expected
        assert set(regions.of("chr2", strand, positions)) == {INTERGENIC}
    for gene in annotation.genes:
        own = [one for one in transcripts if one[1] + one[2] == gene]
        labels = [label_of(p, gene[-1], own) for p in positions]
        found = [INTERGENIC] * LENGTH
        for start, end, region in regions.segments(gene):
            assert set(found[start:end]) == {INTERGENIC}
            found[start:end] = [region] * (end - start)
        assert found == labels


@pytest.mark.parametrize("seed", range(10))
def test_genes_at_a_position_are_those_whose_transcripts_have_it(seed, tmp_path):
    transcripts = list(random_transcripts(random.Random(seed)))
    (tmp_path / "genes.gtf").write_text(gtf_of(transcripts))
    regions = Regions(read_annotation(tmp_path / "genes.gtf"))
    for strand in "+-":
        for position in range(0, LENGTH, 7):
            own = [
                one
                for one in transcripts
                if one[2] == strand and one[3][0][0] <= position < one[3][-1][1]
            ]
            genes = sorted({one[1] + strand for one in own})
            assert regions.genes_at("chr1", strand, position) == genes
            gene = regions.gene_at("chr1", strand, position)
            assert gene in genes if genes else gene == ""


def test_the_gene_of_a_position_is_the_one_with_the_region_that_counts_most(tmp_path):
    transcripts = [
        ("t1", "host", "+", [(0, 10), (300, 310)], None),
        ("t2", "inner", "+", [(100, 150)], (110, 140)),
    ]
    (tmp_path / "genes.gtf").write_text(gtf_of(transcripts))
    regions = Regions(read_annotation(tmp_path / "genes.gtf"))
    assert regions.gene_at("chr1", "+", 120) == "inner+"
    assert regions.gene_at("chr1", "+", 200) == "host+"
    assert regions.gene_at("chr1", "-", 120) == ""
