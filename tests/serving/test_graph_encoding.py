"""Encoding inside a TensorFlow graph, compared with encoding in Python."""

import random

import pytest
import tensorflow as tf

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import UNKNOWN_ID
from deeprke_tf.rna.sites import Site, clean_site
from deeprke_tf.rna.structure import LOOP_CONTEXTS, fold, loop_contexts
from deeprke_tf.serving import graph_encoding

N_PROPERTY_SITES = 2_000


def random_structure(rng, length):
    """A balanced structure; hairpins of any size, also none."""
    symbols, n_open = [], 0
    weights = [rng.random(), rng.random(), rng.random()]
    for position in range(length):
        left = length - position
        if n_open == left:
            symbol = ")"
        else:
            symbol = rng.choices("(.)", weights)[0]
            if (symbol == "(" and n_open + 1 > left - 1) or (
                symbol == ")" and not n_open
            ):
                symbol = "."
        n_open += {"(": 1, ".": 0, ")": -1}[symbol]
        symbols.append(symbol)
    return "".join(symbols)


def contexts_in_graph(structures):
    """Loop contexts as the graph names them, one string for each structure."""
    width = tf.constant(max(1, *map(len, structures)))
    numbers, balanced = graph_encoding.loop_contexts(tf.constant(structures), width)
    assert balanced.numpy().all()
    return [
        "".join(LOOP_CONTEXTS[number] for number in row[: len(structure)])
        for row, structure in zip(numbers.numpy(), structures, strict=True)
    ]


def encoded_in_graph(k, sequences, structures=None):
    """Ids of the sequence and of the structure view, and which rows are valid."""
    views = graph_encoding.encode(
        Encoding(k=k),
        tf.constant(sequences),
        dot_bracket=None if structures is None else tf.constant(structures),
    )
    assert all(ids.dtype == tf.int64 for ids in views.values())
    valid = [max(row) > UNKNOWN_ID for row in views["sequence_kmers"].to_list()]
    return *(ids.to_list() for ids in views.values()), valid


def encoded_in_python(k, sequence, dot_bracket):
    """Ids of both views, or None where Python skips the site."""
    site = clean_site("site", 1, sequence, k=k, dot_bracket=dot_bracket)
    if not isinstance(site, Site):
        return None
    ids = Encoding(k=k).encode(site.sequence, site.dot_bracket)
    return tuple(view.tolist() for view in ids)


# === Loop contexts ===


def test_loop_contexts_of_random_structures_equal_python():
    rng = random.Random(1)
    structures = [
        random_structure(rng, rng.randint(0, 120)) for _ in range(N_PROPERTY_SITES)
    ]
    assert contexts_in_graph(structures) == [loop_contexts(s) for s in structures]


def test_loop_contexts_of_folds_equal_python():
    rng = random.Random(2)
    sequences = ["".join(rng.choices("ACGU", k=rng.randint(1, 150))) for _ in range(99)]
    structures = [fold(sequence)[0] for sequence in sequences]
    assert contexts_in_graph(structures) == [loop_contexts(s) for s in structures]


def test_a_structure_of_nothing_but_pairs_may_be_deep():
    structures = ["(" * 700 + ")" * 700, "()" * 700, "." * 1_400]
    assert contexts_in_graph(structures) == [loop_contexts(s) for s in structures]


@pytest.mark.parametrize("alphabet", ["FTIHMS", "SMHITF"])
def test_loop_contexts_take_their_numbers_from_the_alphabet(alphabet):
    structure = ".((...)(.(...)))..()"
    numbers, _ = graph_encoding.loop_contexts(
        tf.constant([structure]), tf.constant(len(structure)), alphabet
    )
    assert "".join(alphabet[i] for i in numbers.numpy()[0]) == loop_contexts(structure)


@pytest.mark.parametrize(
    "structure", ["(", ")", "(()", "())", ")(", "(]", "[]", "(-)", "((...))é", "\0"]
)
def test_a_structure_that_python_refuses_is_not_balanced(structure):
    with pytest.raises(ValueError, match=r"symbol|unclosed"):
        loop_contexts(structure)
    width = tf.constant(max(3, len(structure.encode())))
    _, balanced = graph_encoding.loop_contexts(
        tf.constant([structure, "(.)", ""]), width
    )
    assert balanced.numpy().tolist() == [False, True, True]


# === Both views ===


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_random_sites_have_the_ids_of_python_or_none(k):
    rng = random.Random(k)
    sequences, structures = [], []
    for _ in range(500):
        letters = "".join(rng.choices("ACGUTacgutNnRy", k=rng.randint(k, 400)))
        padding = "N" * rng.randint(0, 4)
        sequences.append(padding + letters + padding[::2])
        n_dots = len(sequences[-1]) - len(letters)
        dots = "." * len(padding)
        structures.append(dots + random_structure(rng, len(letters)) + dots[::2])
        assert len(structures[-1]) == len(letters) + n_dots
    *views, valid = encoded_in_graph(k, sequences, structures)
    expected = [
        encoded_in_python(k, *site) for site in zip(sequences, structures, strict=True)
    ]
    assert valid == [ids is not None for ids in expected]
    assert sum(valid) > 100
    one_unknown = ([UNKNOWN_ID], [UNKNOWN_ID])
    assert list(zip(*views, strict=True)) == [ids or one_unknown for ids in expected]


CASES = {
    "DNA in lower case": ("acgtacgt", "((....))"),
    "white space": (" AC GU\nAC\tGU\r\n", "((....))"),
    "IUPAC codes": ("ACGRYUSW", "((....))"),
    "N padding": ("NNACGUNACGNN", "..((...))..."),
    "N padding, all unpaired": ("NNNACGUNACG", "..........."),
    "as long as k": ("ACG", "..."),
    "nothing at all": ("", ""),
    "white space alone": (" \n", ""),
    "shorter than k": ("AC", ".."),
    "shorter than k without its padding": ("NNACNN", "......"),
    "nothing but N": ("NNNNN", "....."),
    "no k-mer without N": ("ACNGU", "....."),
    "foreign letter": ("ACGZACG", "......."),
    "foreign letter in the padding": ("*NACGUAC", "........"),
    "a gap": ("ACG-ACG", "......."),
    "letter beyond ASCII": ("ACGÀACG", "......."),
    "null byte": ("ACGU\0ACG", "........"),
    "structure too short": ("ACGUACGU", "((...))"),
    "structure too long": ("ACGUACGU", "((....)).........................."),
    "no structure": ("ACGUACGU", ""),
    "unopened": ("ACGUACGU", "..)....."),
    "unclosed": ("ACGUACGU", "(......."),
    "foreign symbol": ("ACGUACGU", "[......]"),
    "null byte in the structure": ("ACGUACGU", "(....).\0"),
    "white space in the structure": ("ACGUACGU", "(.....) "),
    "paired padding": ("NNACGUACGUN", ".(((....)))"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_row_is_valid_where_python_makes_a_site_of_it(case):
    expected = encoded_in_python(3, *CASES[case])
    sequence_kmers, structure_kmers, valid = encoded_in_graph(
        3, *([text] for text in CASES[case])
    )
    assert valid == [expected is not None]
    expected = expected or ([UNKNOWN_ID], [UNKNOWN_ID])
    assert (sequence_kmers[0], structure_kmers[0]) == expected


def test_a_bad_row_does_not_change_the_others():
    sequences, structures = zip(*CASES.values(), strict=True)
    *views, valid = encoded_in_graph(3, sequences, structures)
    for row, site in enumerate(CASES.values()):
        *alone, valid_alone = encoded_in_graph(3, *([text] for text in site))
        assert valid[row] == valid_alone[0]
        assert [view[row] for view in views] == [view[0] for view in alone]


# === Loop contexts as they come ===


def test_contexts_give_the_ids_of_their_structure():
    sequences = ["NNGGACUUCGGUCCAN", "GGAAACC"]
    structures = ["..((((....))))..", "((...))"]
    *expected, valid = encoded_in_graph(3, sequences, structures)
    contexts = [loop_contexts(structure) for structure in structures]
    views = graph_encoding.encode(
        Encoding(), tf.constant(sequences), contexts=tf.constant(contexts)
    )
    assert [ids.to_list() for ids in views.values()] == expected
    assert valid == [True, True]


@pytest.mark.parametrize(
    ("fault", "sequence", "contexts"),
    [
        ("too short", "ACGUA", "FFFF"),
        ("too long", "ACGUA", "FFFFFF"),
        ("lower case", "ACGUA", "fffff"),
        ("not a loop context", "ACGUA", "FFNFF"),
        ("paired padding", "NACGUA", "SFFFFS"),
    ],
)
def test_contexts_that_do_not_fit_are_not_valid(fault, sequence, contexts):
    views = graph_encoding.encode(
        Encoding(), tf.constant([sequence]), contexts=tf.constant([contexts])
    )
    assert [ids.to_list() for ids in views.values()] == [[[UNKNOWN_ID]]] * 2, fault
