"""Settings of an explanation that cannot be."""

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.settings import ExplainSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("top", 0), ("top", 10**30), ("check", -1), ("seed", -1), ("seed", 2**63)),
        *(("backgrounds", 0), ("backgrounds", 10**30), ("batch_size", 0)),
    ],
)
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=rf"`{name}` must be from .*, got {value}\."):
        ExplainSettings(**{name: value})


def test_a_method_that_does_not_exist_is_named():
    with pytest.raises(UserError, match=r"`method` must be one of .*; got 'shap'\."):
        ExplainSettings(method="shap")
