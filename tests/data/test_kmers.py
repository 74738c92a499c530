"""k-mer vocabularies."""

import random

import pytest

from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID, UNKNOWN_ID, KmerVocabulary


@pytest.mark.parametrize(
    ("alphabet", "k"), [("ACGU", 1), ("ACGU", 3), ("ACGU", 5), ("FTIHMS", 3), ("A", 4)]
)
def test_every_kmer_encodes_to_its_own_id(alphabet, k):
    vocabulary = KmerVocabulary(alphabet, k)
    ids = [vocabulary.encode(kmer).tolist() for kmer in vocabulary.kmers()]
    assert ids == [[i] for i in range(FIRST_KMER_ID, len(vocabulary))]


@pytest.mark.parametrize(
    ("alphabet", "k", "n_kmers"), [("ACGU", 3, 64), ("FTIHMS", 3, 216), ("ACGU", 1, 4)]
)
def test_all_kmers_of_the_alphabet_have_an_id(alphabet, k, n_kmers):
    vocabulary = KmerVocabulary(alphabet, k)
    assert len(set(vocabulary.kmers())) == n_kmers
    assert len(vocabulary) == FIRST_KMER_ID + n_kmers


def test_kmers_stand_in_the_order_of_the_alphabet():
    assert KmerVocabulary("BA", k=2).kmers() == ["BB", "BA", "AB", "AA"]


def test_pad_and_unknown_are_no_kmers():
    vocabulary = KmerVocabulary("ACGU", k=3)
    assert vocabulary.encode("AAA").tolist() == [FIRST_KMER_ID]
    assert (PAD_ID, UNKNOWN_ID) == (0, 1) and FIRST_KMER_ID == 2


@pytest.mark.parametrize(
    ("letters", "ids"),
    [
        ("ACGU", [8, 29]),
        ("NCGU", [1, 29]),
        ("ACNU", [1, 1]),
        ("ACGUN", [8, 29, 1]),
        ("AAANAAA", [2, 1, 1, 1, 2]),
        ("NNNN", [1, 1]),
        ("UUUNUUU", [65, 1, 1, 1, 65]),
        ("acg", [1]),
        ("AC?", [1]),
        ("ACÜGUA", [1, 1, 1, 46]),
        ("ACωGUA", [1, 1, 1, 46]),
        ("AC🧬GUA", [1, 1, 1, 46]),
    ],
)
def test_an_unknown_letter_spoils_the_kmers_that_cover_it(letters, ids):
    assert KmerVocabulary("ACGU", k=3).encode(letters).tolist() == ids


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_unknown_letters_spoil_exactly_the_kmers_that_cover_them(k):
    rng = random.Random(k)
    vocabulary = KmerVocabulary("FTIHMS", k)
    for _ in range(50):
        letters = "".join(rng.choices("FTIHMSxN", k=rng.randint(k, 40)))
        covers = [
            bool(set(letters[i : i + k]) & set("xN"))
            for i in range(len(letters) - k + 1)
        ]
        assert (vocabulary.encode(letters) == UNKNOWN_ID).tolist() == covers


@pytest.mark.parametrize("k", [1, 3, 4])
def test_decoding_inverts_encoding(k):
    letters = "".join(random.Random(k).choices("ACGU", k=60))
    vocabulary = KmerVocabulary("ACGU", k)
    kmers = [letters[i : i + k] for i in range(60 - k + 1)]
    assert vocabulary.decode(vocabulary.encode(letters)) == kmers


def test_an_unknown_kmer_is_decoded_as_n_and_padding_as_nothing():
    assert KmerVocabulary("ACGU", k=3).decode([1, 0, 65]) == ["NNN", "", "UUU"]


@pytest.mark.parametrize("wrong", [-1, 66])
def test_an_id_without_a_kmer_is_refused(wrong):
    with pytest.raises(ValueError, match=f"No k-mer has an id of {wrong}; ids end at"):
        KmerVocabulary("ACGU", k=3).decode([2, wrong])


@pytest.mark.parametrize("letters", ["", "A", "AC"])
def test_letters_shorter_than_k_are_refused(letters):
    with pytest.raises(ValueError, match=f"{letters!r} is shorter than k=3"):
        KmerVocabulary("ACGU", k=3).encode(letters)


@pytest.mark.parametrize(
    ("alphabet", "k", "words"),
    [
        ("ACGA", 3, "Alphabet 'ACGA' repeats a letter"),
        ("ACGU", 0, "k must be at least 1, got 0"),
        ("ACGU", -1, "k must be at least 1, got -1"),
    ],
)
def test_a_vocabulary_that_makes_no_sense_is_refused(alphabet, k, words):
    with pytest.raises(ValueError, match=words):
        KmerVocabulary(alphabet, k)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_letters_are_the_inverse_of_encode(k):
    vocabulary = KmerVocabulary("ACGU", k)
    for n_letters in (k, k + 1, 40):
        text = "".join(random.Random(n_letters).choices("ACGU", k=n_letters))
        assert vocabulary.letters(vocabulary.encode(text)) == text
        unknown = f"{text}N{text}"
        found = vocabulary.letters(vocabulary.encode(unknown))
        assert found.endswith(f"N{text}") and len(found) == len(unknown)
        assert found[: n_letters - k + 1] == text[: n_letters - k + 1]
        assert vocabulary.letters(vocabulary.encode("N" * n_letters)) == "N" * n_letters
