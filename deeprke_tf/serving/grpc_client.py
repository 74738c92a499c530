"""Client of TF Serving's gRPC API. Imports TensorFlow, which has the messages."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import grpc
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from deeprke_tf.errors import UserError
from deeprke_tf.serving.answers import (
    LARGEST_ANSWER,
    RBPS_SIGNATURE,
    SIGNATURE,
    Inputs,
    matched_url,
    shorten,
    too_large,
)
from deeprke_tf.serving.protocol import RequestSettings
from deeprke_tf.serving.retries import TransientError, with_retries

_URL = re.compile(
    r"grpc://(?P<host>[^/@]+:[0-9]+)/(?P<name>[^/?#]+)"
    r"(/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/?#]+))?/?"
)
_BUSY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
_SERVICE = "/tensorflow.serving.PredictionService"
_TOO_LARGE = "larger than max"  # in the message for more than LARGEST_ANSWER
_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.max_send_message_length", -1),
    # By itself a channel would wait up to minutes before it connects again.
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

Answer = TypeVar("Answer", bound=Message)


class GrpcClient:
    """A model behind TF Serving's gRPC API; see `client.Client`.

    A request is sent again while the server cannot be reached, is busy, or does not
    answer in time.

    Args:
      url: URL of the model, such as grpc://host:8500/NAME.
      settings: Timeout and number of tries.

    Raises:
      UserError: `url` does not have this form.
    """

    def __init__(self, url: str, settings: RequestSettings):
        parts = matched_url(url, _URL, "grpc://host:8500/NAME")
        self._url = url
        self._settings = settings
        self._spec: dict[str, Any] = {"name": parts["name"]}
        if parts["version"]:
            self._spec["version"] = {"value": int(parts["version"])}
        if parts["label"]:
            self._spec["version_label"] = parts["label"]
        self._channel = grpc.insecure_channel(parts["host"], _OPTIONS)

    def describe(self) -> tuple[int, Any]:
        """Returns the version, used from here on, and the signatures by name."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        answer = self._answer(
            "GetModelMetadata",
            request,
            get_model_metadata_pb2.GetModelMetadataResponse(),
        )
        signatures = get_model_metadata_pb2.SignatureDefMap()
        try:
            answer.metadata["signature_def"].Unpack(signatures)
            by_name = json_format.MessageToDict(
                signatures, preserving_proto_field_name=True
            )
        except (DecodeError, json_format.Error) as error:
            raise self._no_tf_serving() from error
        if not answer.model_spec.HasField("version"):
            raise self._no_tf_serving()
        version = answer.model_spec.version.value
        self._spec = {"name": self._spec["name"], "version": {"value": version}}
        return version, by_name.get("signature_def")

    def ask(
        self, inputs: Inputs, outputs: Sequence[str], n_rbps: int = 1
    ) -> dict[str, Any]:
        """Returns the named outputs for a batch, as nested lists."""
        found = self._predicted(SIGNATURE, inputs, outputs)
        shape = [len(inputs["sequence"]), n_rbps]
        return {name: self._rows(found[name], shape) for name in outputs}

    def ask_names(self) -> Any:
        """Returns the names of the RBPs of a joint model, in a list of one list."""
        tensor = self._predicted(RBPS_SIGNATURE, {"any": [""]}, ["rbp"])["rbp"]
        return [[name.decode(errors="replace") for name in tensor.string_val]]

    def _predicted(
        self, signature: str, inputs: Inputs, outputs: Sequence[str]
    ) -> Mapping[str, Any]:
        """Returns the named outputs, as tensor messages."""
        spec = {**self._spec, "signature_name": signature}
        request = predict_pb2.PredictRequest(model_spec=spec, output_filter=outputs)
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string))
        answer = self._answer("Predict", request, predict_pb2.PredictResponse())
        for name in outputs:
            if name not in answer.outputs:
                raise UserError(f"{self._url} answered without the output {name}.")
        return answer.outputs

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _rows(self, tensor: Any, expected: list[int]) -> list[list[float]]:
        """Returns an output as nested lists.

        Raises:
          UserError: It does not hold floats of the expected shape.
        """
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        # First the shape: a few bytes can claim one that no memory would hold.
        if shape == expected and tensor.dtype == tf.float32.as_datatype_enum:
            with contextlib.suppress(ValueError):  # fewer or more values than that
                return tf.make_ndarray(tensor).tolist()
        raise UserError(
            f"{self._url} answered a tensor of shape {shorten(str(shape))} that does "
            f"not hold the probabilities of {expected[0]} sites."
        )

    def _answer(self, method: str, request: Message, answer: Answer) -> Answer:
        """Sends a request, and reads the message that comes back into `answer`."""
        # The stub of TF Serving would log a traceback for bytes that are no message.
        call = self._channel.unary_unary(f"{_SERVICE}/{method}")

        def send() -> bytes:
            try:
                return call(request.SerializeToString(), timeout=self._settings.timeout)
            except grpc.RpcError as error:
                message = shorten(error.details() or "no message").rstrip(".")
                if _TOO_LARGE in message:
                    raise too_large(self._url) from error
                said = f" answered {error.code().name}: {message}"
                if error.code() in _BUSY:
                    raise TransientError(said) from error
                raise UserError(f"{self._url}{said}.") from error

        content = with_retries(send, self._url, self._settings.tries)
        try:
            answer.ParseFromString(content)
        except DecodeError as error:
            raise self._no_tf_serving() from error
        return answer

    def _no_tf_serving(self) -> UserError:
        return UserError(f"{self._url} did not answer as TF Serving does.")
