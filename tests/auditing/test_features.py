import numpy as np
import pytest

from deeprke_tf.auditing import features as cheap_features
from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.sites import Site, clean_site


def named(features):
    return {feature.name: feature for feature in features}


def sites_of(*sequences):
    return [clean_site("site", i, s, k=1) for i, s in enumerate(sequences, start=1)]


def test_composition_equals_a_count_by_hand():
    features = named(
        cheap_features.sequence_features(sites_of("GGCCNA", "GAGAGA", "AUAU"))
    )
    np.testing.assert_allclose(features["GC content"].values, [4 / 6, 0.5, 0])
    np.testing.assert_allclose(features["content of N"].values, [1 / 6, 0, 0])
    np.testing.assert_allclose(features["dinucleotide GA"].values, [0, 3 / 5, 0])
    # The A that ends a site and the U that begins the next are no dinucleotide.
    np.testing.assert_allclose(features["dinucleotide AU"].values, [0, 0, 2 / 3])


def test_positions_are_counted_from_the_edges_that_letter_case_marks():
    features = named(cheap_features.sequence_features(sites_of("acgUUGca", "aaCCAuuu")))
    letters = {"A": 0, "C": 1, "G": 2, "U": 3}
    expected = {
        "last base of the site": "GA",
        "base at the site end +1": "CU",
        "first base of the site": "UC",
        "base at the site start -1": "GA",
    }
    for name, bases in expected.items():
        assert features[name].codes.tolist() == [letters[base] for base in bases]
    assert features["length of the 5' flank"].values.tolist() == [3, 2]


def test_an_unmarked_site_has_no_edges_and_median_flanks():
    sequences = ["acgUUGca", *["aaCCAuuu"] * 9, "ACGUACGU"]
    features = named(cheap_features.sequence_features(sites_of(*sequences)))
    last = features["last base of the site"].codes.tolist()
    assert last == [2, *[0] * 9, -1]
    assert features["length of the 5' flank"].values.tolist() == [3, *[2] * 10]


def test_a_position_outside_the_sequence_or_an_n_is_missing():
    features = named(
        cheap_features.sequence_features(sites_of("AGUGA", *["CCCC"] * 18, "ANA"))
    )
    codes = features["base at the 5' end +1"].codes.tolist()
    assert codes == [2, *[1] * 18, -1]
    codes = features["base at the 5' end +3"].codes.tolist()
    assert codes == [2, *[1] * 18, -1]
    # Fewer than nine sites of ten have this one: it would tell of length.
    assert "base at the 5' end +4" not in features


def test_without_marked_edges_there_are_no_such_features():
    features = cheap_features.sequence_features(sites_of("acgUUGca", "AACC"))
    assert not any(feature.anchor.startswith("site") for feature in features)


def test_sites_of_one_length_have_one_anchor():
    features = cheap_features.sequence_features(sites_of("ACGU", "CGUA"))
    assert {feature.anchor for feature in features} == {"", "center"}


def test_a_constant_feature_is_left_out():
    features = named(cheap_features.sequence_features(sites_of("ACGU", "ACGA")))
    assert "length of the sequence" not in features
    assert "base at the center -1" not in features
    assert "base at the center +1" in features


@pytest.mark.parametrize(
    "values", [[0] * 98 + [1, 2], [5] * 60 + [1] * 40, list(range(100))]
)
def test_a_number_is_sorted_into_classes_in_order(values):
    sites = sites_of(*["A" * (value + 1) for value in values])
    length = named(cheap_features.sequence_features(sites))["length of the sequence"]
    by_value = {}
    for value, code in zip(values, length.codes.tolist(), strict=True):
        assert by_value.setdefault(value, code) == code
        assert 0 <= code < length.n_categories
    codes = [by_value[value] for value in sorted(by_value)]
    assert codes == sorted(codes) and len(set(codes)) > 1


def test_structure_gives_contexts_and_energy():
    sites = [Site("a", "GGGGAAAACCCC"), Site("b", "AAAAAAAAAAAA")]
    features = named(
        cheap_features.structure_features(
            sites, ["((((....))))", "............"], FoldSettings()
        )
    )
    for context, expected in (("S", [8 / 12, 0]), ("F", [0, 1])):
        fractions = features[f"fraction of loop context {context}"].values
        np.testing.assert_allclose(fractions, expected)
    assert (
        features["free energy"].values[0] < -3 and not features["free energy"].values[1]
    )
