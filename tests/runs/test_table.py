import csv
import io
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.runs import table
from deeprke_tf.runs.table import Prediction, TableWriter


def table_of(*predictions, comments=("model QKI",), with_sd=False):
    file = io.StringIO()
    writer = TableWriter(file, comments, with_sd)
    for prediction in predictions:
        writer.write(prediction)
    return file.getvalue()


def test_unknown_values_are_empty_cells():
    assert table_of(
        Prediction("a", 0.25, True, calibrated_probability=0.125),
        Prediction("b", 0.5, None),
        Prediction("c", None, None, "nothing but N: 7 letters"),
    ) == (
        "# model QKI\n"
        "name\tprobability\tcalibrated_probability\tbound\tskipped\n"
        "a\t0.250000\t0.125\t1\t\n"
        "b\t0.500000\t\t\t\n"
        "c\t\t\t\tnothing but N: 7 letters\n"
    )


def test_the_standard_deviation_is_the_last_column():
    row = Prediction("a", 0.25, False, "", 0.5, 0.0625)
    assert table_of(row, comments=["two", "lines\nof text"], with_sd=True) == (
        "# two\n# lines of text\n"
        "name\tprobability\tcalibrated_probability\tbound\tskipped\tprobability_sd\n"
        "a\t0.250000\t0.5\t0\t\t0.062500\n"
    )


def test_small_calibrated_probabilities_keep_their_digits():
    rows = (
        Prediction("a", 0.9, True, calibrated_probability=p) for p in (2.3e-7, 2.4e-7)
    )
    calibrated = [line.split("\t")[2] for line in table_of(*rows).splitlines()[2:]]
    assert calibrated == ["2.3e-07", "2.4e-07"]


@pytest.mark.parametrize("name", ["#1", "# model QKI", 'gene "A"#2', '"', "a\tb", "µ"])
def test_no_name_is_taken_for_a_comment(name):
    reason = "letters that are not nucleotides: '#', first as letter 1 of 5"
    text = table_of(Prediction(name, None, None, reason), Prediction("b", 0.5, True))
    assert [line[0] == "#" for line in text.splitlines()] == [True, *[False] * 3]
    frame = pd.read_csv(io.StringIO(text), sep="\t", comment="#")
    assert frame["name"].tolist() == [name, "b"]
    assert frame["skipped"][0] == reason
    lines = (line for line in io.StringIO(text) if not line.startswith("#"))
    rows = list(csv.DictReader(lines, dialect="excel-tab"))
    assert [row["name"] for row in rows] == [name, "b"]


def test_a_pipe_is_written_to_and_a_link_is_followed(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Both ends in one process: opened to read first, and without waiting.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with table.opened(pipe) as file:
        file.write("whole\n")
    assert os.read(reader, 100) == b"whole\n"
    os.close(reader)
    assert pipe.is_fifo()
    (tmp_path / "link").symlink_to(tmp_path / "table.tsv")
    with table.opened(tmp_path / "link") as file:
        file.write("whole\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "table.tsv").read_text() == "whole\n"


def test_after_an_error_no_table_is_left(tmp_path):
    with (
        pytest.raises(ValueError, match="broke off"),
        table.opened(tmp_path / "table.tsv") as file,
    ):
        file.write("half")
        raise ValueError("broke off")
    assert not list(tmp_path.iterdir())


def test_a_closed_standard_output_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with (
        pytest.raises(UserError, match="Standard output is closed"),
        table.opened(Path("-")),
    ):
        pass
