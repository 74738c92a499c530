import io
import re
import subprocess
import sys

import numpy as np
import pytest

from deeprke_tf.config import VectorConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import KmerVocabulary
from deeprke_tf.errors import UserError
from deeprke_tf.networks import word2vec
from deeprke_tf.networks.word2vec import one_hot_vectors, train_vectors

PAIRS = KmerVocabulary("ACGU", k=2)  # 18 ids, padding and unknown among them
SMALL = VectorConfig(vector_size=6, window=2)


@pytest.fixture(scope="module")
def corpus():
    """Sites in A and C, and sites in G and U: two families of 2-mers."""
    rng = np.random.default_rng(0)
    families = ["AC", "GU"] * 150
    return [PAIRS.encode("".join(rng.choice(list(f), 40))) for f in families]


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


# === word2vec ===


def test_rows_are_in_the_order_of_the_ids_and_absent_kmers_get_the_mean():
    # AA is common, CC is rare: gensim's own order is by frequency.
    aa, cc = PAIRS.encode("AA")[0], PAIRS.encode("CC")[0]
    sites = [np.array([aa] * 9 + [cc])]
    vectors = train_vectors(sites, PAIRS, SMALL, seed=1)
    assert (vectors.shape, vectors.dtype) == ((18, 6), np.float32)
    assert not vectors[0].any()
    mean = (vectors[aa] + vectors[cc]) / 2
    for i in range(1, 18):
        if i in (aa, cc):
            assert np.abs(vectors[i] - mean).max() > 1e-3
        else:
            np.testing.assert_allclose(vectors[i], mean, atol=1e-6)


def test_unknown_kmers_and_padding_in_a_site_are_ignored(corpus):
    clean, *rest = corpus
    with_gaps = np.concatenate([[1, 1], clean[:5], [1], clean[5:], [0, 0]])
    assert np.array_equal(
        train_vectors([with_gaps, *rest], PAIRS, SMALL, seed=1),
        train_vectors([clean, *rest], PAIRS, SMALL, seed=1),
    )


def test_kmers_that_occur_together_have_similar_vectors(corpus):
    settings = VectorConfig(vector_size=8, window=5, vector_epochs=10)
    vectors = train_vectors(corpus, PAIRS, settings, seed=1)
    families = [
        vectors[[PAIRS.encode(a + b)[0] for a in letters for b in letters]]
        for letters in ("AC", "GU")
    ]
    alike = [cosine(f[i], f[j]) for f in families for i in range(4) for j in range(i)]
    strangers = [cosine(a, b) for a in families[0] for b in families[1]]
    assert min(alike) > max(strangers)


def test_one_seed_gives_the_same_vectors_and_another_seed_others(corpus):
    first, again, other = (
        train_vectors(iter(corpus), PAIRS, SMALL, seed) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first[2:], other[2:], atol=0.01)


def test_a_seed_may_be_larger_than_gensim_takes(corpus):
    assert np.isfinite(train_vectors(corpus[:4], PAIRS, SMALL, seed=2**40)).all()


def test_kmers_far_along_a_long_rna_are_trained_too():
    # gensim reads 10,000 words of a text: G and U come after them.
    rng = np.random.default_rng(0)
    ac, gu = (
        "".join(rng.choice(list(letters), length))
        for letters, length in (("AC", 12_000), ("GU", 4_000))
    )
    settings = VectorConfig(vector_size=8, window=5, vector_epochs=5)
    vectors = train_vectors([PAIRS.encode(ac + gu)], PAIRS, settings, seed=1)
    late = vectors[[PAIRS.encode(kmer)[0] for kmer in ("GG", "GU", "UG", "UU")]]
    # Untrained ones would have random directions.
    assert min(cosine(a, b) for a in late for b in late) > 0.6


@pytest.mark.parametrize("sites", [[], [np.array([1, 1])], [np.array([], int)]])
def test_sites_without_a_known_kmer_cannot_be_trained_on(sites):
    with pytest.raises(UserError, match="No site has a k-mer of known letters"):
        train_vectors(sites, PAIRS, SMALL, seed=1)


def test_a_single_kmer_is_enough():
    vectors = train_vectors([np.array([7])], PAIRS, SMALL, seed=1)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[1:], [vectors[7]] * 17)


WITHOUT_HOME = """
import os, pwd
import numpy as np
os.environ.pop("HOME", None)

def no_entry(*_user):
    raise KeyError

pwd.getpwuid = pwd.getpwnam = no_entry
from deeprke_tf.config import VectorConfig
from deeprke_tf.data.kmers import KmerVocabulary
from deeprke_tf.networks import word2vec
word2vec.train_vectors([np.array([7])], KmerVocabulary("ACGU", 2), VectorConfig(), 1)
assert "HOME" not in os.environ
"""


def test_vectors_can_be_trained_by_a_user_without_a_home_directory():
    subprocess.run([sys.executable, "-c", WITHOUT_HOME], check=True)


# === One-hot letters ===


def test_one_hot_rows_are_the_letters_of_each_kmer_side_by_side():
    vectors = one_hot_vectors(PAIRS)
    assert (vectors.shape, vectors.dtype) == ((18, 8), np.float32)
    for kmer, row in zip(PAIRS.kmers(), vectors[2:], strict=True):
        letters = ["ACGU"[place] for place in row.reshape(2, 4).argmax(axis=1)]
        assert "".join(letters) == kmer
        assert row.sum() == 2


def test_one_hot_padding_is_zero_and_the_unknown_kmer_even():
    padding, unknown = one_hot_vectors(PAIRS)[:2]
    assert padding.tolist() == [0] * 8
    assert unknown.tolist() == [0.25] * 8


def test_one_hot_structure_has_six_letters():
    assert one_hot_vectors(Encoding().structure_vocabulary).shape == (218, 18)


# === Files ===


def table():
    vectors = np.arange(18 * 3, dtype=np.float32).reshape(18, 3) / 7
    vectors[0] = 0
    return vectors


def test_vectors_read_back_as_they_were_saved(tmp_path):
    word2vec.save(table(), tmp_path / "vectors.npy")
    loaded = word2vec.load(tmp_path / "vectors.npy", PAIRS)
    assert np.array_equal(loaded, table())
    assert loaded.dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.npy"]


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2"])
def test_floats_of_any_width_are_read_as_float32(tmp_path, dtype):
    np.save(tmp_path / "vectors.npy", table().astype(dtype))
    loaded = word2vec.load(tmp_path / "vectors.npy", PAIRS)
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, table(), rtol=1e-3)


def with_value(value, row):
    vectors = table().astype(float)
    vectors[row, 1] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (table()[:-1], "has 17 rows; k=2 over ACGU needs 18"),
        (table()[:0], "does not hold a table of vectors"),
        (table()[0], "does not hold a table of vectors"),
        (table().astype(int), "must hold floating-point numbers"),
        (table().astype(str), "must hold floating-point numbers"),
        (with_value(np.nan, 5), "must hold finite numbers"),
        (with_value(1e300, 5), "must hold finite numbers"),
        (with_value(0.1, 0), "row 0 stands for padding and must be zero"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, vectors, words):
    path = tmp_path / "vectors.npy"
    np.save(path, vectors)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}:? {words}"):
        word2vec.load(path, PAIRS)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, trace):
        self._trace = trace

    def __reduce__(self):
        return open, (str(self._trace), "w")


def test_a_pickle_is_refused_and_not_run(tmp_path):
    path, trace = tmp_path / "vectors.npy", tmp_path / "trace"
    np.save(path, np.array([Trap(trace)], dtype=object), allow_pickle=True)
    with pytest.raises(
        UserError, match=r"Cannot read the vectors .*allow_pickle=False"
    ):
        word2vec.load(path, PAIRS)
    assert not trace.exists()


def npy_bytes():
    file = io.BytesIO()
    np.save(file, table())
    return file.getvalue()


def npz_bytes():
    file = io.BytesIO()
    np.savez(file, vectors=table())
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"66 100\nAAA 0.1",
        b"PK\x03\x04 is how an archive begins",
        npy_bytes()[:-1],
        npz_bytes(),
    ],
    ids=["empty", "text", "zip", "cut off", "npz"],
)
def test_a_file_that_is_no_whole_npy_is_refused(tmp_path, content):
    path = tmp_path / "vectors.npy"
    path.write_bytes(content)
    words = r"Cannot read the vectors .*vectors\.npy: |does not hold a table of vectors"
    with pytest.raises(UserError, match=words):
        word2vec.load(path, PAIRS)


def test_a_missing_file_is_named(tmp_path):
    words = r"Cannot read the vectors .*none\.npy: .*No such file"
    with pytest.raises(UserError, match=words):
        word2vec.load(tmp_path / "none.npy", PAIRS)
