"""Damaged files of a cross-validation."""

import json

import pytest

from deeprke_tf.crossvalidation.result import FILE_NAME, CrossValidation, CvFold
from deeprke_tf.errors import UserError


@pytest.mark.parametrize("contents", [[], {}, {"n_sites": 3, "measures": {}}, None])
def test_a_damaged_result_is_one_line(contents, tmp_path):
    (tmp_path / FILE_NAME).write_text(json.dumps(contents))
    with pytest.raises(UserError, match=rf"{FILE_NAME} has a damaged file.*delete it"):
        CrossValidation.read(tmp_path)


def test_a_damaged_run_of_a_cv_fold_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "metrics.json").write_text('{"split": "test"}')
    with pytest.raises(UserError) as error:
        CvFold.read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} has a damaged file, or one of another version (no 'calibration'); "
        "delete it, and give the same command again."
    )
