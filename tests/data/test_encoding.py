"""From RNA letters to the k-mer ids of both views."""

import pytest

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.rna.structure import loop_contexts


def test_the_papers_example_is_cut_into_its_words():
    encoding = Encoding(k=3)
    sequence, structure = encoding.sequence_vocabulary, encoding.structure_vocabulary
    assert sequence.decode(sequence.encode("AUUGC")) == ["AUU", "UUG", "UGC"]
    assert structure.decode(structure.encode("FHSIH")) == ["FHS", "HSI", "SIH"]


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_id_i_of_both_views_covers_the_same_nucleotides(k):
    sequence, dot_bracket = "AGGAAACCNUGC", ".((...))...."
    contexts = loop_contexts(dot_bracket)
    encoding = Encoding(k)
    sequence_kmers, structure_kmers = encoding.encode(sequence, dot_bracket)
    assert len(sequence_kmers) == len(structure_kmers) == 12 - k + 1
    for i in range(12 - k + 1):
        kmer = sequence[i : i + k]
        assert encoding.sequence_vocabulary.decode([sequence_kmers[i]]) == [
            "N" * k if "N" in kmer else kmer
        ]
        assert encoding.structure_vocabulary.decode([structure_kmers[i]]) == [
            contexts[i : i + k]
        ]


def test_sites_encoded_together_are_as_one_by_one():
    encoding = Encoding(k=3)
    sites = [
        ("GGAAACC", "((...))"),
        ("ACGNU", "....."),
        ("ACG", "..."),
        ("NNAAA", "....."),
    ]
    together = encoding.encode_all(*zip(*sites, strict=True))
    one_by_one = zip(*(encoding.encode(*site) for site in sites), strict=True)
    for found, expected in zip(together, one_by_one, strict=True):
        assert [ids.tolist() for ids in found] == [ids.tolist() for ids in expected]


def test_the_sequence_view_alone_is_that_of_both():
    encoding = Encoding(k=2)
    both = encoding.encode("GGAAACC", "((...))")
    assert encoding.encode_sequence("GGAAACC").tolist() == both[0].tolist()


@pytest.mark.parametrize("k", [-1, 0, 9])
def test_k_has_limits(k):
    with pytest.raises(UserError, match=f"k must be between 1 and 8, got {k}"):
        Encoding(k=k)


@pytest.mark.parametrize(
    ("sequence", "dot_bracket", "words"),
    [
        ("GGAAACC", "((...)", "7 nucleotides but a structure of 6"),
        ("", "...", "0 nucleotides but a structure of 3"),
        ("GC", "..", "'GC' is shorter than k=3"),
        ("GGAAACC", "((....)", "1 unclosed"),
    ],
)
def test_views_that_do_not_fit_are_refused(sequence, dot_bracket, words):
    with pytest.raises(ValueError, match=words):
        Encoding(k=3).encode(sequence, dot_bracket)
