import pytest

from deeprke_tf.rna.sites import Reason, Site, SkippedSite
from deeprke_tf.runs import onnx_scorer

SITE = Site("s", "ACGU" * 250, 0)
SKIPPED = SkippedSite("t", 2, Reason.EMPTY, "")


@pytest.mark.parametrize(("n_sites", "few"), [(0, True), (1000, True), (1001, False)])
def test_a_million_nucleotides_are_few_and_more_are_not(n_sites, few):
    found, sites = onnx_scorer.are_few([SKIPPED] + [SITE] * n_sites + [SKIPPED])
    assert found == few
    assert list(sites) == [SKIPPED] + [SITE] * n_sites + [SKIPPED]


def test_many_sites_are_read_no_farther_than_needed():
    read = []

    def endless():
        while True:
            read.append(SITE)
            yield SITE

    few, _sites = onnx_scorer.are_few(endless())
    assert not few
    assert len(read) == 1001


def test_a_file_that_is_no_network_is_refused():
    with pytest.raises(ValueError, match="onnxruntime cannot load the network"):
        onnx_scorer.scorer_of(b"no network")
