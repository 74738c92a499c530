import pytest

from deeprke_tf.genome.chromosomes import ChromosomeNames

UCSC = ["chr1", "chr22", "chrX", "chrM", "chrUn_KI270742v1", "chr1_KI270706v1_random"]
ENSEMBL = ["1", "22", "X", "MT", "KI270742.1", "KI270706.1"]
REFSEQ = ["NC_000001.11", "NC_000022.11", "NC_000023.11", "NC_012920.1"]


@pytest.mark.parametrize("ours", [UCSC, ENSEMBL, REFSEQ])
@pytest.mark.parametrize("theirs", [UCSC, ENSEMBL, REFSEQ])
def test_chromosomes_of_one_naming_are_found_in_another(ours, theirs):
    names = ChromosomeNames(theirs)
    n = min(len(ours), len(theirs))
    assert [names.find(name) for name in ours[:n]] == theirs[:n]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *(("chrIV", "chrIV"), ("IV", "chrIV"), ("NC_001136.10", "chrIV")),
        *(("NC_000068.8", None), ("chr4", None), ("chr", None), ("", None)),
    ],
)
def test_names_that_mean_nothing_known_are_not_found(name, found):
    assert ChromosomeNames(["chrIV", "chrM"]).find(name) == found


def test_a_name_that_could_mean_two_chromosomes_is_not_found():
    names = ChromosomeNames(["1", "chr1", "chr2"])
    assert names.find("Chr1") is None
    assert names.find("1") == "1"
    assert names.find("2") == "chr2"
