import json

import numpy as np
import pytest

from deeprke_tf import train, vectors
from deeprke_tf.system import files
from deeprke_tf.training import epochs
from deeprke_tf.training import vectors as run_vectors
from tests.support.small_runs import ONE_EPOCH, make_sites, write_table

pytest_plugins = ["tests.support.run_fixtures"]

SMALL = ("--vector-size", "5", "--vector-sites", "30")


@pytest.fixture
def corpus(tmp_path):
    """60 RNAs with structures, of which 30 are sampled."""
    return write_table(tmp_path / "corpus.tsv", make_sites(60, seed=8))


def trained(corpus, out, *flags):
    """Trains vectors by `deeprke vectors`; returns the tables by view."""
    argv = ["--fasta", str(corpus), "--out", str(out), *SMALL, *flags]
    assert vectors.main(argv) == 0
    return {
        path.name.removesuffix("_vectors.npy"): np.load(path)
        for path in out.glob("*_vectors.npy")
    }


def test_both_tables_have_a_row_for_each_id(corpus, tmp_path, monkeypatch):
    # The structures of the corpus are used: nothing is folded.
    monkeypatch.setattr("deeprke_tf.rna.folding.fold", None)
    tables = trained(corpus, tmp_path / "out")
    assert {view: table.shape for view, table in tables.items()} == {
        "sequence": (66, 5),
        "structure": (218, 5),
    }
    assert not any(table[0].any() for table in tables.values())
    description = json.loads((tmp_path / "out" / "vectors.json").read_text())
    assert description["corpus_sha256"] == files.sha256(corpus)
    assert (description["n_read"], description["n_used"]) == (60, 30)


def test_rnas_without_a_structure_are_folded(tmp_path):
    fasta = tmp_path / "corpus.fa"
    fasta.write_text(">a\nGGGGCAAAAGCCCC\n>b\nGGGGCAAAAGCCCC\n")
    given = tmp_path / "corpus.tsv"
    write_table(given, [(n, "GGGGCAAAAGCCCC", 0, "(((((....)))))") for n in "ab"])
    folded = trained(fasta, tmp_path / "folded", "--workers", "1")
    expected = trained(given, tmp_path / "given")
    assert np.array_equal(folded["structure"], expected["structure"])


def test_the_order_of_the_corpus_does_not_matter(corpus, tmp_path):
    backwards = write_table(tmp_path / "other.tsv", make_sites(60, seed=8)[::-1])
    one, other = trained(corpus, tmp_path / "1"), trained(backwards, tmp_path / "2")
    for view in ("sequence", "structure"):
        assert np.array_equal(one[view], other[view])


def test_another_seed_gives_other_vectors(corpus, tmp_path):
    flags = ("--no-structure", "--seed")
    one, other = (trained(corpus, tmp_path / seed, *flags, seed) for seed in "12")
    assert not np.allclose(one["sequence"], other["sequence"])


def test_without_structure_only_the_sequence_table_is_written(corpus, tmp_path):
    assert trained(corpus, tmp_path / "out", "--no-structure").keys() == {"sequence"}


def test_training_uses_the_vectors_it_is_given(corpus, data, tmp_path, monkeypatch):
    tables = trained(corpus, tmp_path / "vectors")
    trained_on = {}

    def stop(_task, _config, vectors, *_rest, **_settings):
        trained_on.update(vectors)
        raise KeyboardInterrupt

    monkeypatch.setattr(epochs, "fit", stop)
    given, out = tmp_path / "vectors", tmp_path / "run"
    flags = ["--data", str(data), "--out", str(out), *ONE_EPOCH]
    assert train.main([*flags, "--vectors-from", str(given)]) == 130
    assert trained_on.keys() == tables.keys()
    for view, table in tables.items():
        assert np.array_equal(trained_on[view], table)
        assert np.array_equal(np.load(out / f"{view}_vectors.npy"), table)
    assert run_vectors.describe(trained_on, out, given)["from"] == "vectors"


def test_training_refuses_vectors_of_another_k(corpus, data, tmp_path, capsys):
    trained(corpus, tmp_path / "vectors", "--k", "2")
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *ONE_EPOCH]
    assert train.main([*flags, "--vectors-from", str(tmp_path / "vectors")]) == 1
    error = capsys.readouterr().err
    assert "sequence_vectors.npy has 18 rows; k=3 over ACGU needs 66." in error
    assert not (tmp_path / "run").exists()


def test_an_interrupted_command_leaves_nothing_and_can_be_repeated(
    corpus, tmp_path, monkeypatch
):
    out = tmp_path / "vectors"

    def interrupt(_path, _contents):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_json", interrupt)
        assert vectors.main(["--fasta", str(corpus), "--out", str(out), *SMALL]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.tsv"]
    assert trained(corpus, out, "--no-structure").keys() == {"sequence"}


def test_vectors_are_replaced_only_with_overwrite(corpus, tmp_path, capsys):
    out = tmp_path / "vectors"
    trained(corpus, out)
    argv = ["--fasta", str(corpus), "--out", str(out), *SMALL]
    assert vectors.main(argv) == 1
    assert "is not empty; name another, or give --overwrite." in capsys.readouterr().err
    tables = trained(corpus, out, "--no-structure", "--overwrite")
    assert tables.keys() == {"sequence"}


def test_training_refuses_vectors_of_other_folds(corpus, data, tmp_path, capsys):
    trained(corpus, tmp_path / "vectors", "--temperature", "30")
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *ONE_EPOCH]
    assert train.main([*flags, "--vectors-from", str(tmp_path / "vectors")]) == 1
    error = capsys.readouterr().err
    assert "folded with another temperature, 30.0, than" in error
    assert error.endswith("37.0.\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fasta", "{tmp}/none.fa"], "Cannot read {tmp}/none.fa: No such file"),
        (["--fasta", "-"], "Save the corpus to a file"),
        (["--fasta", "{tmp}/short.fa"], "none of 1 RNAs can be used."),
        (["--out", "{tmp}"], "is not empty; name another, or give --overwrite."),
        (["--out", "{tmp}/corpus.tsv"], "corpus.tsv is a file; name a directory."),
        (["--k", "0"], "k must be between 1 and 8, got 0."),
        (["--max-length", "0"], "--max-length must be at least 1, got 0."),
        (["--vector-size", "0"], "vector-size must be from 1 to 4,096"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line(flags, message, corpus, tmp_path, capsys):
    (tmp_path / "short.fa").write_text(">short\nA\n")
    base = ["--fasta", str(corpus), "--out", str(tmp_path / "out"), *SMALL]
    assert vectors.main([*base, *(flag.format(tmp=tmp_path) for flag in flags)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("deeprke vectors: error: ")
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1
