"""Damaged files end with one line that says what to do."""

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.system.damage import one_line_if_damaged


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        (lambda: {}["auroc"], "(no 'auroc')"),
        (lambda: [][0], "(list index out of range)"),
        (lambda: len(3), "(object of type 'int' has no len())"),
        (lambda: [].items(), "('list' object has no attribute 'items')"),
        (lambda: 1 / 0, "(division by zero)"),
        (lambda: f"{'x':.3f}", "(Unknown format code 'f' for object of type 'str')"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_line_has_directory_cause_and_remedy(read, cause, tmp_path):
    with (
        pytest.raises(UserError) as error,
        one_line_if_damaged(tmp_path, "delete it"),
    ):
        read()
    assert str(error.value) == (
        f"{tmp_path} has a damaged file, or one of another version {cause}; delete it."
    )


def test_a_long_cause_is_cut_and_stays_in_one_line(tmp_path):
    with (
        pytest.raises(UserError) as error,
        one_line_if_damaged(tmp_path, "delete it"),
    ):
        raise ValueError("two\nlines" * 100)
    assert len(str(error.value)) < 200 + len(str(tmp_path))
    assert "\n" not in str(error.value)


def test_what_is_no_damage_passes(tmp_path):
    with (
        pytest.raises(UserError, match="as it was"),
        one_line_if_damaged(tmp_path, "delete it"),
    ):
        raise UserError("as it was")
    with pytest.raises(MemoryError), one_line_if_damaged(tmp_path, "delete it"):
        raise MemoryError
