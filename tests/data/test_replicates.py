"""Datasets of one RBP, held out together."""

import pytest

from deeprke_tf.data import replicates
from deeprke_tf.errors import UserError

NAMES = ["QKI_1", "QKI_2", "FUS", "PUM2"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "replicates.tsv"

    def write(text):
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("hold_out", "expected"),
    [
        ((), []),
        (["QKI_2"], ["QKI_1", "QKI_2"]),
        (["QKI"], ["QKI_1", "QKI_2"]),
        (["PUM2", "QKI_1"], ["QKI_1", "QKI_2", "PUM2"]),
    ],
)
def test_replicates_are_held_out_together(table, hold_out, expected):
    rbps = replicates.read(table("# dataset\trbp\nQKI_1\tQKI\nQKI_2\tQKI\n\n"))
    assert replicates.held_out(NAMES, hold_out, rbps) == expected


def test_a_byte_order_mark_is_no_part_of_the_first_name(table):
    assert replicates.read(table("\ufeffQKI_1 QKI\n")) == {"QKI_1": "QKI"}


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="`hold_out` 'QK' is no dataset or RBP; there"):
        replicates.held_out(NAMES, ["QK"], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("QKI_1 QKI\nQKI_2\n", "line 2: 'QKI_2'; a line has two columns"),
        ("QKI_1 QKI\nQKI_1 FUS\n", "line 2: QKI_1 is named twice"),
    ],
)
def test_lines_that_say_nothing_clear_are_refused(table, text, message):
    with pytest.raises(UserError, match=message):
        replicates.read(table(text))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="Cannot read `replicates`"):
        replicates.read(tmp_path / "none.tsv")
