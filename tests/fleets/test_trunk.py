import random

import numpy as np
import pytest

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.fleets.data import LabelledIds

trunk = pytest.importorskip("deeprke_tf.fleets.trunk", reason="JAX is not installed")

N = 60


def letters(n, seed):
    return "".join(random.Random(seed).choices("ACGU", k=n))


def splits(**sequences):
    vocabulary = Encoding().sequence_vocabulary
    return {
        split: LabelledIds(
            {"sequence_kmers": np.stack(vocabulary.encode_all(some))},
            np.zeros(len(some)),
        )
        for split, some in sequences.items()
    }


def test_a_site_that_shares_a_stretch_with_a_held_out_site_of_any_set_is_left_out():
    held_out = letters(N, "held out")
    shared = held_out[20:48] + letters(N - 28, "rest")
    short = held_out[20:30] + letters(N - 10, "rest")
    own = splits(train=[letters(N, 1), shared, short], validation=[letters(N, 2)])
    other = splits(
        train=[held_out, letters(N, 3)], validation=[letters(N, 4)], test=[held_out]
    )
    found = trunk.unseen([own, other])
    assert [mask.tolist() for mask in found] == [[True, False, True], [False, True]]


@pytest.mark.parametrize("offset", range(9))
def test_a_shared_stretch_is_found_wherever_it_lies(offset):
    held_out = letters(N, "held out")
    n_shared = trunk.SHARED + 2  # letters of that many 3-mers
    site = letters(offset, "a") + held_out[5 : 5 + n_shared]
    site += letters(N - len(site), "b")
    (found,) = trunk.unseen([splits(train=[site], validation=[held_out])])
    assert not found[0]


def test_what_is_unknown_is_shared_with_nobody():
    unknown = "N" * N
    (found,) = trunk.unseen([splits(train=[unknown], validation=[unknown])])
    assert found[0]
