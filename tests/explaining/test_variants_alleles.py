import pytest

from deeprke_tf.explaining.variants_alleles import (
    Change,
    Template,
    allele_fault,
    pairs,
    trimmed,
)

RNA = "ACGTTGCAAGGCTTAACCGGATCG"


def change_of(start, ref, alt, letters=RNA):
    assert letters[start : start + len(ref)] == ref
    template = Template(len(letters), lambda first, end: letters[first:end])
    return Change(template, start, ref, alt)


def mutated(start, ref, alt):
    return RNA[:start] + alt + RNA[start + len(ref) :]


CHANGES = {
    "single letter": (10, "G", "T"),
    "insertion": (10, "G", "GAC"),
    "deletion": (10, "GCT", "G"),
    "replacement": (10, "GCT", "AA"),
    "at the 5' end": (1, "C", "A"),
    "insertion at the 5' end": (1, "C", "CTT"),
    "at the 3' end": (23, "G", "A"),
    "deletion at the 3' end": (20, "ATC", "A"),
}


@pytest.mark.parametrize("window", [7, 8, 24])
@pytest.mark.parametrize("name", CHANGES)
def test_windows_are_those_of_the_rna_with_either_allele(name, window):
    start, ref, alt = CHANGES[name]
    for pair in pairs(change_of(start, ref, alt), window, every=True):
        first = start - pair.before
        assert pair.ref == RNA[first : first + len(pair.ref)]
        assert pair.alt == mutated(start, ref, alt)[first : first + len(pair.alt)]
        lengths = len(pair.ref), len(pair.alt)
        # The window of the shorter allele ends where its RNA ends.
        assert max(lengths) == window or window == 24
        ends_early = first + min(lengths) == min(
            len(RNA), len(mutated(start, ref, alt))
        )
        assert min(lengths) == window or ends_early


def test_a_single_letter_lies_where_extract_has_the_anchor_of_a_window():
    (odd,) = pairs(change_of(10, "G", "T"), 9, every=False)
    (even,) = pairs(change_of(10, "G", "T"), 8, every=False)
    assert (odd.before, even.before) == (9 // 2, 8 // 2)


def test_all_windows_are_as_many_as_the_letters_around_the_longer_allele():
    middle, *every = pairs(change_of(10, "G", "GAC"), 8, every=True)
    assert [pair.before for pair in every] == [0, 1, 2, 3, 4, 5]
    assert middle == every[middle.before]


def test_windows_move_inwards_at_the_ends_of_the_rna():
    (first,) = pairs(change_of(1, "C", "A"), 9, every=False)
    (last,) = pairs(change_of(23, "G", "A"), 9, every=False)
    assert (first.ref, last.ref) == (RNA[:9], RNA[-9:])


def test_an_rna_shorter_than_the_window_is_the_window():
    change = change_of(2, "G", "GT", letters="ACGT")
    assert [(p.ref, p.alt) for p in pairs(change, 40, every=True)] == [
        ("ACGT", "ACGTT")
    ] * 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((5, "A", "C"), (5, "A", "C")),
        ((5, "CAG", "C"), (5, "CAG", "C")),
        ((5, "ACTG", "ACAG"), (7, "T", "A")),
        ((5, "TAA", "TA"), (5, "TA", "T")),
        ((5, "AT", "GC"), (5, "AT", "GC")),
    ],
)
def test_letters_that_alleles_share_are_dropped_but_one(given, expected):
    assert trimmed(*given) == expected


@pytest.mark.parametrize(
    ("ref", "alt", "reason"),
    [
        ("A", "<DEL>", "symbolic allele"),
        ("A", "*", "symbolic allele"),
        ("A", "A[chr2:5[", "symbolic allele"),
        ("A", "-", "symbolic allele"),
        ("A", "AN", "allele has letters other than A, C, G and T"),
        ("R", "A", "allele has letters other than A, C, G and T"),
        ("AC", "AC", "alternative allele equals the reference"),
    ],
)
def test_alleles_that_cannot_be_scored_have_a_reason(ref, alt, reason):
    assert allele_fault(ref, alt).reason == reason
