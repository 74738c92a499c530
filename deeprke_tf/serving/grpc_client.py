"""Client of TF Serving's gRPC API. Imports TensorFlow, which has the messages."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from deeprke_tf.errors import UserError
from deeprke_tf.serving.answers import SIGNATURE, Inputs, matched_url, shorten
from deeprke_tf.serving.protocol import RequestSettings
from deeprke_tf.serving.retries import TransientError, with_retries

_URL = re.compile(
    r"grpc://(?P<host>[^/@]+)/(?P<name>[^/?#]+)"
    r"(/versions/(?P<version>\d+)|/labels/(?P<label>[^/?#]+))?/?"
)
_BUSY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # By itself a channel would wait up to minutes before it connects again.
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


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
        self._service = PredictionServiceStub(self._channel)

    def describe(self) -> tuple[int, Any]:
        """Returns the version, used from here on, and the signatures by name."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        answer = self._answer(self._service.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        if not answer.model_spec.HasField("version"):
            raise UserError(f"{self._url} did not answer as TF Serving does.")
        version = answer.model_spec.version.value
        self._spec = {"name": self._spec["name"], "version": {"value": version}}
        by_name = json_format.MessageToDict(
            signatures, preserving_proto_field_name=True
        )
        return version, by_name.get("signature_def")

    def ask(self, inputs: Inputs, outputs: Sequence[str]) -> dict[str, Any]:
        """Returns the named outputs for a batch, as nested lists."""
        spec = {**self._spec, "signature_name": SIGNATURE}
        request = predict_pb2.PredictRequest(model_spec=spec, output_filter=outputs)
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string))
        answer = self._answer(self._service.Predict, request)
        for name in outputs:
            if name not in answer.outputs:
                raise UserError(f"{self._url} answered without the output {name}.")
        return {
            name: tf.make_ndarray(answer.outputs[name]).tolist() for name in outputs
        }

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _answer(self, method: Callable, request: Any) -> Any:
        def send() -> Any:
            try:
                return method(request, timeout=self._settings.timeout)
            except grpc.RpcError as error:
                message = shorten(error.details() or "no message").rstrip(".")
                said = f" answered {error.code().name}: {message}"
                if error.code() in _BUSY:
                    raise TransientError(said) from error
                raise UserError(f"{self._url}{said}.") from error

        return with_retries(send, self._url, self._settings.tries)
