"""Sites files, and the command `preprocess` with what it wrote and said."""

import csv
import json
import random

import tensorflow as tf

from pipelines import preprocess


def random_sequences(n, length, seed):
    rng = random.Random(seed)
    return ["".join(rng.choices("ACGU", k=length)) for _ in range(n)]


def write_table(path, rows, columns="name sequence label structure"):
    lines = ["\t".join(map(str, cells)) for cells in [columns.split(), *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_fasta(path, sites):
    path.write_text("".join(f">{header}\n{letters}\n" for header, letters in sites))
    return path


def unfolded(sequences, label, prefix=""):
    """Rows of a table with structures, so that nothing is folded."""
    return [
        (f"{prefix}{label}:{i}", sequence, label, "." * len(sequence))
        for i, sequence in enumerate(sequences)
    ]


def run(*arguments):
    """Runs the command, which must succeed."""
    assert preprocess.main(list(map(str, arguments))) == 0


def error_of(capsys, *arguments):
    """Runs the command, which must fail; returns the one line it says."""
    assert preprocess.main(list(map(str, arguments))) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    (line,) = (line for line in said.err.splitlines() if "error:" in line)
    assert said.err.endswith(line + "\n") and not said.out
    return line


def contents_of(directory):
    return json.loads((directory / "dataset.json").read_text())


def counts_of(directory):
    """Sites and bound sites by split."""
    return {
        split: (info["n_sites"], info["n_positive"])
        for split, info in contents_of(directory)["splits"].items()
    }


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def records_of(directory, split):
    """(name, label, sequence k-mer ids, structure k-mer ids), read by TensorFlow."""
    shards = sorted(map(str, directory.glob(f"{split}-*.tfrecord.gz")))
    found = []
    for record in tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        (name,) = feature["name"].bytes_list.value
        (label,) = feature["label"].int64_list.value
        sequence, structure = (
            list(feature[view].int64_list.value)
            for view in ("sequence_kmers", "structure_kmers")
        )
        found.append((name.decode(), label, sequence, structure))
    return found


def names_of(directory, split):
    return [name for name, *_ in records_of(directory, split)]


def skipped_of(directory):
    with open(directory / "skipped.tsv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def left_behind(tmp_path):
    """What a run that fails must not leave."""
    return [path.name for path in tmp_path.iterdir() if "dataset" in path.name]
