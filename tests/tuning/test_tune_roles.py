import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.tuning import roles

IP, PORT, ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"


@pytest.fixture
def set_to(monkeypatch):
    def set_all(**values):
        for name in (IP, PORT, ID):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


@pytest.mark.parametrize(
    ("values", "role", "name"),
    [
        ({}, "alone", "tuner0"),
        ({ID: "mine"}, "alone", "mine"),
        ({IP: "127.0.0.1", PORT: "8000", ID: "chief"}, "chief", "chief"),
        ({IP: "127.0.0.1", PORT: "8000", ID: "worker-3"}, "worker", "worker-3"),
    ],
)
def test_the_environment_says_who_a_process_is(values, role, name, set_to):
    set_to(**values)
    assert roles.role() == role
    assert roles.worker_name() == name


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({IP: "127.0.0.1"}, f"{PORT} and {ID} is missing"),
        ({PORT: "8000"}, f"{IP} and {ID} is missing"),
        ({IP: "127.0.0.1", PORT: "8000"}, f"{ID} is missing"),
        ({IP: "127.0.0.1", PORT: "", ID: "chief"}, f"{PORT} is missing"),
    ],
)
def test_half_of_the_variables_is_refused(values, missing, set_to):
    set_to(**values)
    with pytest.raises(UserError, match=missing):
        roles.role()


def test_the_address_is_that_of_the_chief(set_to):
    set_to(**{IP: "10.0.0.7", PORT: "8000", ID: "chief"})
    assert roles.address() == "10.0.0.7:8000"
