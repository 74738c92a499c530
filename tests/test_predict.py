import csv
import gzip
import io
import json
import random

import pandas as pd
import pytest

from deeprke_tf import dataset, dataset_info, evaluate, inference, predict, runs
from deeprke_tf.folding import Folder
from deeprke_tf.structure import fold
from tests.small_runs import make_sites, run_command, write_table

pytest_plugins = ["tests.run_fixtures"]

HAIRPIN = "GGGGCAAAAGCCCC"


def predicted(model, sites, out, *flags):
    """The rows that `deeprke predict` writes, by its main."""
    argv = ["--model", str(model), "--sites", str(sites), "--out", str(out), *flags]
    assert predict.main(argv) == 0
    return rows_of(out.read_text())


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text), dialect="excel-tab"))


@pytest.fixture
def no_folding(monkeypatch):
    """Makes folding anything at all an error."""

    def refuse(*_arguments):
        raise AssertionError("Nothing is to be folded.")

    monkeypatch.setattr(Folder, "_started", refuse)


def test_the_table_is_in_the_order_of_the_input_and_says_what_was_skipped(
    sequence_run, tmp_path, no_folding
):
    fasta = tmp_path / "sites.fa"
    fasta.write_text(
        ">good\nACGUACGUACGU\n>short\nAC\n>foreign\nACGZACGT\n"
        f">dna; class:1\nacgtacgtacgt\n>long\n{'A' * 60}\n>good\nUUUUUUUU\n"
    )
    rows = predicted(sequence_run, fasta, tmp_path / "out.tsv", "--max-length", "50")
    assert [row["name"] for row in rows] == [
        *("good", "short", "foreign", "dna", "long", "good")
    ]
    assert [row["skipped"].partition(":")[0] for row in rows] == [
        *("", "shorter than k", "letters that are not nucleotides"),
        *("", "longer than the maximum length", ""),
    ]
    skipped = [row for row in rows if row["skipped"]]
    assert {(row["probability"], row["bound"]) for row in skipped} == {("", "")}
    # DNA or RNA, labelled or not, one sequence has one probability.
    assert rows[0]["probability"] == rows[3]["probability"] != ""


def test_a_site_is_bound_from_the_threshold_of_the_run_on(
    run, sites_files, tmp_path, no_folding
):
    rows = predicted(run, sites_files / "test.tsv", tmp_path / "out.tsv")
    threshold = json.loads((run / "manifest.json").read_text())["threshold"]
    assert {row["bound"] for row in rows} == {"0", "1"}
    for row in rows:
        assert row["bound"] == str(int(float(row["probability"]) >= threshold))


def test_the_probabilities_are_those_of_evaluate(
    run, data, sites_files, tmp_path, no_folding
):
    rows = predicted(run, sites_files / "test.tsv", tmp_path / "out.tsv")
    labels = [site[2] for site in make_sites(40, seed=2)]
    found = sorted(
        (label, float(row["probability"]))
        for label, row in zip(labels, rows, strict=True)
    )
    loaded = runs.load(run)
    flags = evaluate.EvaluateFlags(model=run, data=data, n_bootstrap=1)
    _measured, labels, probabilities = evaluate.measure(loaded, flags)
    expected = sorted(zip(labels.tolist(), probabilities.tolist(), strict=True))
    assert [label for label, _ in found] == [label for label, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-6)


def test_given_structures_are_used(run, tmp_path, no_folding):
    table = tmp_path / "sites.tsv"
    stems = ["((((......))))", ".(((......))).", "((((......))))"]
    rows = [(f"s{i}", HAIRPIN, 0, stem) for i, stem in enumerate(stems)]
    write_table(table, rows)
    first, second, third = (
        float(row["probability"]) for row in predicted(run, table, tmp_path / "out.tsv")
    )
    assert first == third != second


def test_labels_are_not_looked_at(sequence_run, tmp_path):
    texts = {"right": "1", "wrong": "yes", "none": ""}
    tables = []
    for name, label in texts.items():
        path = tmp_path / f"{name}.tsv"
        path.write_text(f"name\tsequence\tlabel\nsite\t{HAIRPIN}\t{label}\n")
        tables.append(predicted(sequence_run, path, tmp_path / "out.tsv"))
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "text",
    [f">site\n{HAIRPIN}\n", f"sequence,name\n{HAIRPIN},site\n"],
    ids=["FASTA", "table"],
)
def test_every_format_gives_the_same_row(sequence_run, compress, text, tmp_path):
    path = tmp_path / "sites"
    path.write_bytes(compress(text.encode()))
    (row,) = predicted(sequence_run, path, tmp_path / "out.tsv")
    assert row["name"] == "site"
    model = runs.load(sequence_run)
    ids = model.encoding.encode_sequence(HAIRPIN)
    score = inference.scorer(model.model)({"sequence_kmers": ids[None]})
    assert float(row["probability"]) == pytest.approx(score[0], abs=1e-6)


def test_a_name_with_quotes_and_commas_is_read_back_whole(sequence_run, tmp_path):
    name = 'chr1, "the 2nd" 5\'-UTR; µ'
    path = tmp_path / "sites.fa"
    path.write_text(f">{name}\n{HAIRPIN}\n", encoding="utf-8")
    (row,) = predicted(sequence_run, path, tmp_path / "out.tsv")
    assert row["name"] == name
    assert pd.read_csv(tmp_path / "out.tsv", sep="\t")["name"].tolist() == [name]


def test_thousands_of_sites_stream_in_order(sequence_run, tmp_path):
    rng = random.Random(0)
    sequences = ["".join(rng.choices("ACGU", k=rng.randint(5, 30))) for _ in range(7)]
    sequences[3] = "AC"  # is skipped
    fasta = tmp_path / "many.fa"
    # Rows 2,048 and 4,096 end what is read at once.
    cycle = [sequences[i % 7] for i in range(4_100)]
    fasta.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(cycle)))
    rows = predicted(sequence_run, fasta, tmp_path / "out.tsv")
    assert [row["name"] for row in rows] == [f"s{i}" for i in range(4_100)]
    of_sequence = {}
    for row, sequence in zip(rows, cycle, strict=True):
        of_sequence.setdefault(sequence, []).append(row["probability"])
    assert set(of_sequence.pop("AC")) == {""}
    for probabilities in of_sequence.values():
        values = list(map(float, probabilities))
        assert max(values) - min(values) < 2e-6
    assert len({values[0] for values in of_sequence.values()}) > 1


@pytest.mark.slow
def test_standard_input_goes_to_standard_output_with_nothing_but_the_table(
    run, tmp_path
):
    done = run_command(
        "predict",
        *("--model", run, "--sites", "-", "--workers", 1),
        input=f">site\n{HAIRPIN}\n>short\nAC\n",
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "name\tprobability\tbound\tskipped"
    folded, skipped = rows_of(done.stdout)
    assert skipped["skipped"].startswith("shorter than k")
    assert "read -: FASTA, 2 sites, 1 skipped" in done.stderr
    # Without a structure the MFE structure is taken.
    table = tmp_path / "sites.tsv"
    write_table(table, [("site", HAIRPIN, 0, fold(HAIRPIN)[0])])
    (given,) = predicted(run, table, tmp_path / "out.tsv")
    assert folded["probability"] == given["probability"]


def test_a_file_that_breaks_off_leaves_no_table(sequence_run, tmp_path, capsys):
    text = "".join(f">s{i}\n{HAIRPIN}\n" for i in range(5_000))
    path = tmp_path / "sites.fa.gz"
    path.write_bytes(gzip.compress(text.encode())[:-40])
    out = tmp_path / "out.tsv"
    flags = ["--model", str(sequence_run), "--sites", str(path), "--out", str(out)]
    assert predict.main(flags) == 1
    assert "the gzip data are cut off or damaged" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sites.fa.gz"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sites", "{tmp}/empty.fa"], "empty.fa is empty; expected FASTA or a table"),
        (["--sites", "{tmp}/none.fa"], "none.fa: No such file or directory."),
        (["--model", "{tmp}"], "is not a run of `deeprke train`"),
        (["--out", "{tmp}"], "is a directory; name a file."),
        (["--out", "{tmp}/sites.fa"], "is the file of --sites; name another."),
        (["--out", "{tmp}/sites.fa/out"], "sites.fa is a file; name a directory."),
        (["--max-length", "0"], "max_length and batch_size must be at least 1."),
        (["--batch-size", "0"], "max_length and batch_size must be at least 1."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line_and_leave_nothing(
    flags, message, sequence_run, tmp_path, capsys
):
    (tmp_path / "empty.fa").touch()
    fasta = tmp_path / "sites.fa"
    fasta.write_text(f">site\n{HAIRPIN}\n")
    out = tmp_path / "out.tsv"
    base = ["--model", str(sequence_run), "--sites", str(fasta), "--out", str(out)]
    assert predict.main([*base, *(flag.format(tmp=tmp_path) for flag in flags)]) == 1
    error = capsys.readouterr().err
    assert "deeprke predict: error: " in error
    assert message in error
    assert "Traceback" not in error
    assert {path.name for path in tmp_path.iterdir()} == {"empty.fa", "sites.fa"}
    assert fasta.read_text() == f">site\n{HAIRPIN}\n"


def test_padding_and_order_do_not_change_a_score(run, data):
    loaded = runs.load(run)
    score = inference.scorer(loaded.model)
    batches = dataset.read_split(
        dataset_info.read(data), "test", loaded.config.model.views, 40
    )
    (inputs, _label, _weight), *_ = batches
    ids = {name: values.numpy() for name, values in inputs.items()}
    n_kmers = (ids["sequence_kmers"] > 0).sum(axis=1)
    sites = [
        {name: values[i, : n_kmers[i]] for name, values in ids.items()}
        for i in range(len(n_kmers))
    ]
    expected = score(inputs)
    assert inference.score_sites(score, sites, 3) == pytest.approx(expected, abs=1e-6)
    backwards = inference.score_sites(score, sites[::-1], 40)[::-1]
    assert backwards == pytest.approx(expected, abs=1e-6)
    assert inference.score_sites(score, [], 3).tolist() == []
