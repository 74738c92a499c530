"""Cleaning: letters that are normalized, sites that are skipped, and messages."""

import pytest

from deeprke_tf.rna.sites import Site, SkippedSite, clean_site


def clean(sequence, dot_bracket=None, k=3):
    return clean_site("site 1", 7, sequence, k=k, label=1, dot_bracket=dot_bracket)


@pytest.mark.parametrize(
    ("came", "cleaned"),
    [
        ("ACGU", "ACGU"),
        ("acgu", "ACGU"),
        ("ACGT", "ACGU"),
        ("acgt", "ACGU"),
        ("ACGRYSWKMBDHVNACG", "ACGNNNNNNNNNNNACG"),
        ("acgryswkmbdhvnacg", "ACGNNNNNNNNNNNACG"),
        (" AC\tGU AC\r\n", "ACGUAC"),
        ("NNACGU", "ACGU"),
        ("ACGUnn", "ACGU"),
        ("NRACGNUNN", "ACGNU"),
    ],
)
def test_letters_are_made_rna_without_padding(came, cleaned):
    assert clean(came).sequence == cleaned


def test_cleaning_a_clean_sequence_changes_nothing():
    once = clean("nnacgTTRACacgn")
    assert clean(once.sequence).sequence == once.sequence


def test_name_and_label_are_kept():
    assert clean("ACGU") == Site("site 1", "ACGU", 1, None, None)


@pytest.mark.parametrize(
    ("sequence", "k", "reason", "detail"),
    [
        ("", 3, "empty sequence", ""),
        (" \t", 3, "empty sequence", ""),
        ("NNNN", 3, "nothing but N", "4 letters"),
        ("nRyN", 3, "nothing but N", "4 letters"),
        ("AC", 3, "shorter than k", "AC"),
        ("NNACNN", 3, "shorter than k", "AC"),
        ("ACNGU", 3, "no k-mer without N", "ACNGU"),
        ("ACGNU", 4, "no k-mer without N", "ACGNU"),
        (
            "AC GXA-X",
            3,
            "letters that are not nucleotides",
            "'X', '-', first as letter 4 of 7",
        ),
        (
            "ACGÜ",
            3,
            "letters that are not nucleotides",
            "'Ü', first as letter 4 of 4",
        ),
    ],
)
def test_an_unusable_sequence_is_skipped(sequence, k, reason, detail):
    assert clean(sequence, k=k) == SkippedSite("site 1", 7, reason, detail)


def test_one_kmer_without_n_is_enough():
    assert clean("ACNGUC").sequence == "ACNGUC"


@pytest.mark.parametrize(
    "sequence",
    [
        "ACGU" * 25 + "X",
        "AN" * 100,
        "".join(chr(letter) for letter in range(0x3B1, 0x3C9)),
    ],
)
def test_the_detail_of_a_skipped_site_is_short(sequence):
    assert len(clean(sequence).detail) <= 80


def test_a_given_structure_is_kept():
    assert clean("GGAAACC", "((...))").dot_bracket == "((...))"


def test_a_given_structure_is_stripped_with_the_padding():
    site = clean("NGGAAACCNN", ".((...))..")
    assert (site.sequence, site.dot_bracket) == ("GGAAACC", "((...))")


@pytest.mark.parametrize(
    ("sequence", "dot_bracket", "reason", "detail"),
    [
        (
            "GGAAACC",
            "((...)",
            "structure and sequence differ in length",
            "6 symbols for 7 letters",
        ),
        (
            "GGAAACC",
            "((....)",
            "structure is not balanced dot-bracket",
            "1 unclosed '(' in '((....)'.",
        ),
        (
            "GGAAACC",
            "[(...)]",
            "structure is not balanced dot-bracket",
            "'[', symbol 1 of '[(...)]', is not one of '(', ')', '.'.",
        ),
        ("NGAAACC", "((...))", "structure pairs the N padding", "((...))"),
        ("GGAAACN", "((...))", "structure pairs the N padding", "((...))"),
    ],
)
def test_a_wrong_structure_is_skipped(sequence, dot_bracket, reason, detail):
    skipped = clean(sequence, dot_bracket)
    assert skipped == SkippedSite("site 1", 7, reason, detail)


@pytest.mark.parametrize(
    ("sequence", "viewpoint"),
    [
        ("ACGUACGU", None),
        ("acguacgu", None),
        ("acgUACgu", (3, 6)),
        ("acgtTTgu", (4, 6)),
        ("ACGuacgu", (0, 3)),
        ("acguacGU", (6, 8)),
        ("acGnUAgu", (2, 6)),
        ("acGUacGU", None),
        ("ac gUA Cgu", (3, 6)),
        ("nnacgUACgunn", (3, 6)),
        ("NNacgUACguNN", (3, 6)),
        ("NNacguacguNN", None),
        ("nnACGUACGUnn", None),
        ("rracgUACguyy", (3, 6)),
    ],
)
def test_the_viewpoint_is_the_stretch_in_upper_case(sequence, viewpoint):
    assert clean(sequence).viewpoint == viewpoint
