"""Folding, and the loop context of every nucleotide."""

import random

import numpy as np
import pytest
import RNA

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.structure import (
    LOOP_CONTEXTS,
    all_loop_contexts,
    base_pairs,
    energy,
    fold,
    layout,
    loop_contexts,
)


def random_sequence(rng, length):
    return "".join(rng.choices("ACGU", k=length))


def pairs(dot_bracket):
    """Positions (i, j) of the partners of every base pair."""
    found, opened = [], []
    for position, symbol in enumerate(dot_bracket):
        if symbol == "(":
            opened.append(position)
        elif symbol == ")":
            found.append((opened.pop(), position))
    return set(found)


def lonely_pairs(dot_bracket):
    every = pairs(dot_bracket)
    return {
        (i, j)
        for i, j in every
        if (i - 1, j + 1) not in every and (i + 1, j - 1) not in every
    }


@pytest.fixture(scope="module")
def folds():
    """200 random sequences and their structures, a few without any pair."""
    rng = random.Random(3)
    sequences = [random_sequence(rng, rng.randint(10, 110)) for _ in range(200)]
    return {sequence: fold(sequence)[0] for sequence in sequences}


# === Loop contexts ===


@pytest.mark.parametrize(
    ("rule", "dot_bracket", "contexts"),
    [
        ("nothing", "", ""),
        ("no pair", "....", "FFFF"),
        ("one pair", "(...)", "SHHHS"),
        ("one pair, no loop", "()", "SS"),
        ("dangling start and end", "..(...).", "FFSHHHST"),
        ("bulge, 5' side", "(.(...))", "SISHHHSS"),
        ("bulge, 3' side", "((...).)", "SSHHHSIS"),
        ("internal loop", "(.(...)..)", "SISHHHSIIS"),
        ("two internal loops", "(.(.(...).).)", "SISISHHHSISIS"),
        ("multiloop", "(.(...).(...).)", "SMSHHHSMSHHHSMS"),
        ("multiloop without a letter", "((...)(...))", "SSHHHSSHHHSS"),
        ("three branches", "(()()().)", "SSSSSSSMS"),
        ("between exterior stems", "(...)..(...)", "SHHHSMMSHHHS"),
        ("neighboring exterior stems", "(...)(...)", "SHHHSSHHHS"),
        ("three exterior stems", ".().().().", "FSSMSSMSST"),
        ("multiloop in an internal loop", "(.((.)(.)).)", "SISSHSSHSSIS"),
        ("internal loop in a multiloop", "(.(.(.).)(.))", "SMSISHSISSHSS"),
    ],
)
def test_a_loop_context_is_that_of_the_rule(rule, dot_bracket, contexts):
    assert loop_contexts(dot_bracket) == contexts, rule


def test_the_published_example_is_reproduced():
    assert loop_contexts(
        "....((((((....((.......((((.((((.(((...(((((..........)))))...((.......))...."
        ")))......))))))))......))...)).))))......(((....((((((((...))))))))...)))......"
        ".."
    ) == (
        "FFFFSSSSSSIIIISSIIIIIIISSSSISSSSISSSMMMSSSSSHHHHHHHHHHSSSSSMMMSSHHHHHHHSSMMMM"
        "SSSIIIIIISSSSSSSSIIIIIISSIIISSISSSSMMMMMMSSSIIIISSSSSSSSHHHSSSSSSSSIIISSSTTTTTT"
        "TT"
    )


def test_loop_contexts_agree_with_viennarna(folds):
    dot_brackets = [*folds.values(), "", "..", "()", "..(()(.)).()."]
    contexts = all_loop_contexts(dot_brackets)
    assert contexts == [loop_contexts(dot_bracket) for dot_bracket in dot_brackets]


def test_the_random_folds_have_every_loop_context(folds):
    assert set("".join(map(loop_contexts, folds.values()))) == set(LOOP_CONTEXTS)


@pytest.mark.parametrize(
    ("dot_bracket", "words"),
    [
        ("(...)).", r"Unopened '\)', symbol 6 of '\(\.\.\.\)\)\.'\."),
        (")(", r"Unopened '\)', symbol 1 of"),
        ("((...)", r"1 unclosed '\(' in '\(\(\.\.\.\)'\."),
        ("(((", r"3 unclosed '\(' in"),
        ("(.x.)", r"'x', symbol 3 of '\(\.x\.\)', is not one of '\(', '\)', '\.'\."),
        ("[...]", r"'\[', symbol 1 of"),
        ("(...) ", r"' ', symbol 6 of"),
    ],
)
def test_what_is_not_dot_bracket_is_refused(dot_bracket, words):
    with pytest.raises(ValueError, match=words):
        loop_contexts(dot_bracket)
    # Where the brackets of both together would be balanced, too.
    for others in ["(...)"], [")", "."], ["(", ")"], ["(" * 99, ")"]:
        with pytest.raises(ValueError, match=r"symbol|unclosed"):
            all_loop_contexts([*others, dot_bracket])


# === Folding ===


def test_a_hairpin_folds_into_a_hairpin_with_its_energy_in_kcal_per_mol():
    dot_bracket, mfe = fold("GGGGAAAACCCC")
    assert dot_bracket == "((((....))))"
    assert mfe == pytest.approx(RNA.eval_structure_simple("GGGGAAAACCCC", dot_bracket))
    assert mfe < -4


def test_a_structure_is_as_long_as_its_sequence(folds):
    assert all(len(sequence) == len(folds[sequence]) for sequence in folds)


def test_lonely_pairs_form_only_when_allowed(folds):
    assert not any(map(lonely_pairs, folds.values()))
    allowed = FoldSettings(lonely_pairs=True)
    assert any(lonely_pairs(fold(sequence, allowed)[0]) for sequence in folds)


def test_no_pair_is_longer_than_the_longest_allowed(folds):
    def longest_pair(dot_bracket):
        # ViennaRNA counts both partners.
        return max((j - i + 1 for i, j in pairs(dot_bracket)), default=0)

    assert max(map(longest_pair, folds.values())) > 20
    settings = FoldSettings(max_bp_span=20)
    short = [longest_pair(fold(sequence, settings)[0]) for sequence in folds]
    assert 0 < max(short) <= 20


def test_a_longest_pair_beyond_the_sequence_changes_nothing(folds):
    settings = FoldSettings(max_bp_span=1000)
    assert all(fold(s, settings)[0] == folds[s] for s in list(folds)[:20])


def test_heat_opens_pairs():
    sequence = "GGGAAAUCCC"
    assert fold(sequence, FoldSettings(temperature=10))[0] == "(((....)))"
    assert fold(sequence, FoldSettings(temperature=95))[0] == ".........."


@pytest.mark.parametrize(
    ("sequence", "dot_bracket"),
    [
        ("NNNNNNNNNNNN", "............"),
        ("GGGGAAAANNNN", "............"),
        ("GGGGNNNNCCCC", "((((....))))"),
    ],
)
def test_n_pairs_with_nothing(sequence, dot_bracket):
    assert fold(sequence)[0] == dot_bracket


def test_one_nucleotide_has_no_structure():
    assert fold("A")[0] == "."


def test_an_empty_sequence_is_not_folded():
    with pytest.raises(ValueError, match="Cannot fold an empty sequence"):
        fold("")


def test_the_energy_of_an_mfe_structure_is_the_mfe():
    settings = FoldSettings(temperature=30.0)
    sequence = "GGGAAACUCGAUUACGGCAUUACGGGCAUUACGAUUUGCGAUCGGGAUUUACGG"
    dot_bracket, mfe = fold(sequence, settings)
    assert energy(sequence, dot_bracket, settings) == pytest.approx(mfe)


# === Local folds ===


def local_energy(sequence, span):
    """The best structure of a span, by ViennaRNA's sliding window."""
    details = RNA.md()
    details.noLP, details.window_size, details.max_bp_span = 1, span, span
    compound = RNA.fold_compound(sequence, details, RNA.OPTION_MFE | RNA.OPTION_WINDOW)
    return compound.mfe_window_cb(lambda *_found: None, None)


@pytest.mark.parametrize("dot_bracket", ["", ".", "....", "((...))", "((..).(...)).."])
def test_a_layout_has_a_place_for_each_nucleotide(dot_bracket):
    places = layout(dot_bracket)
    assert places.shape == (len(dot_bracket), 2)
    assert np.isfinite(places).all()


def test_a_layout_of_an_unbalanced_structure_is_refused():
    with pytest.raises(ValueError, match="1 unclosed"):
        layout("((...)")


def test_base_pairs_are_those_of_the_brackets():
    dot_bracket = "((..).(...)).."
    assert base_pairs(dot_bracket) == [(0, 11), (1, 4), (6, 10)]
