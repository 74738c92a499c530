"""gRPC answers that are no probabilities: one line of error, and no large memory."""

import pytest
from google.protobuf import any_pb2
from tensorflow.core.framework import types_pb2

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import Site
from deeprke_tf.serving.answers import LARGEST_ANSWER
from deeprke_tf.serving.client import ServedModel
from deeprke_tf.serving.protocol import RequestSettings
from tests.support.grpc_bytes import metadata, prediction, serve, tensor

SITES = [Site("a", "ACGUACGU"), Site("b", "ACGUACGUA")]
GOOD = tensor([2, 1], [[0.25], [0.75]])


def scored(described=None, predicted=None):
    """Probabilities of two sites from a server with these answers, as bytes."""
    if described is None:
        described = metadata().SerializeToString()
    if predicted is None:
        predicted = prediction(GOOD).SerializeToString()
    settings = RequestSettings(timeout=20, tries=1)
    with serve(described, predicted) as url, ServedModel(url, settings) as model:
        return [site.probability for site in model.score(SITES, None)]


def test_probabilities_are_read():
    assert scored() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("probability", "message"),
    [
        # A value stands for all the others, so that 30 bytes claim 32 GiB.
        (tensor([1 << 33, 1]), "of shape [8589934592, 1] that does not hold the prob"),
        (tensor([0, 1 << 40]), "of shape [0, 1099511627776] that does not hold"),
        (tensor([-2, -1], [[0.5], [0.5]]), "of shape [-2, -1] that"),
        (tensor([1] * 10_000), "of shape [1, 1, 1, 1,"),
        (tensor([1, 2], [[0.5, 0.5]]), "of shape [1, 2] that"),
        (tensor([2], [0.5, 0.5]), "of shape [2] that does not hold"),
        (tensor([2, 1], [[0.5]] * 3), "of shape [2, 1] that does not hold"),
        (tensor([2, 1], dtype=types_pb2.DT_STRING), "of shape [2, 1] that"),
        (tensor([2, 1], dtype=types_pb2.DT_RESOURCE), "of shape [2, 1] that"),
        (tensor([2, 1], dtype=99), "of shape [2, 1] that does not hold"),
        (tensor([2, 1], [[0.5], [1.5]]), "answered a probability of 1.5."),
        (tensor([2, 1], [[0.5], [float("inf")]]), "answered a probability of inf."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tensors_that_are_no_probabilities_are_refused(probability, message):
    with pytest.raises(UserError) as error:
        scored(predicted=prediction(probability).SerializeToString())
    assert message in str(error.value)
    assert len(str(error.value)) < 400


def test_content_of_another_length_is_refused():
    probability = tensor([2, 1])
    probability.tensor_content = b"\0" * 7
    with pytest.raises(UserError, match="does not hold the probabilities of 2 sites"):
        scored(predicted=prediction(probability).SerializeToString())


@pytest.mark.parametrize("which", ["described", "predicted"])
def test_bytes_that_are_no_message_are_one_line(which, caplog):
    with pytest.raises(UserError, match="did not answer as TF Serving does"):
        scored(**{which: b"\xff\xfe"})
    assert not caplog.records


def test_an_empty_answer_has_no_output():
    with pytest.raises(UserError, match="answered without the output probability"):
        scored(predicted=b"")


@pytest.mark.parametrize(
    "content",
    [
        any_pb2.Any(type_url="x/tensorflow.serving.SignatureDefMap", value=b"\xff"),
        any_pb2.Any(type_url="\x1b", value=b"\xff"),
        any_pb2.Any(),
    ],
)
def test_signatures_that_cannot_be_read_are_one_line(content):
    answer = metadata()
    answer.metadata["signature_def"].CopyFrom(content)
    with pytest.raises(
        UserError, match=r"TF Serving does|no signature serving_default"
    ):
        scored(described=answer.SerializeToString())


def test_an_answer_past_the_limit_is_not_asked_for_again():
    with pytest.raises(UserError, match=r"answered more than 64 MiB: it is no model"):
        scored(predicted=bytes(LARGEST_ANSWER + 1))


@pytest.mark.parametrize(
    "path", ["M/versions/99999999999999999999", "M/versions/\u0663", "M\udcff", "M\x1b"]
)
def test_urls_that_cannot_be_sent_are_refused(path):
    for url in (f"grpc://h:1/{path}", f"http://h:1/v1/models/{path}"):
        if "9999" in path and url.startswith("http"):
            continue  # The server says what it thinks of the number.
        with pytest.raises(UserError, match="is no URL of a served model"):
            ServedModel(url, RequestSettings(timeout=5, tries=1))
