"""A server that speaks REST and gRPC as TF Serving does, with a real SavedModel.

It stands in for TF Serving where that is not at hand. It answers with the signatures
of an exported model, on the loopback interface only, and fails on request: each name
in `Stub.faults` spoils one request for probabilities.

    python -m tests.support.serving_stub serving/QKI --port 8501 --grpc-port 8500
"""

import argparse
import collections
import concurrent.futures
import contextlib
import http.server
import json
import os
import re
import socket
import struct
import threading
import time
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc as service

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?(?P<what>:predict|/metadata)"
)
_STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
}
SLOW = 2.0  # seconds, longer than a client waits
LATE = 0.5  # seconds


class RefusedError(Exception):
    """What both protocols answer as an error."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Stub:
    """One model directory with numbered versions.

    Attributes:
      directory: Where the versions lie; its name is the model's.
      models: The versions loaded so far, by number.
      faults: Names of faults of `_Handler`, or gRPC status codes; each spoils one
        request.
      batches: The number of sites of each request that was scored.
      n_at_once: The largest number of requests in flight together.
    """

    def __init__(self, directory):
        self.name = directory.resolve().name
        self.directory = directory
        self.models = {}
        self._under_way = 0
        self._lock = threading.Lock()
        self.faults = collections.deque()
        self.batches = []
        self.n_at_once = 0

    def version(self, name, version):
        """Returns the number of a version there is, by default the newest."""
        found = [int(p.name) for p in self.directory.iterdir() if p.name.isdecimal()]
        wanted = int(version) if version else max(found)
        if name != self.name or wanted not in found:
            which = f"Specific({name}, {wanted})" if version else f"Latest({name})"
            message = f"Servable not found for request: {which}"
            raise RefusedError(grpc.StatusCode.NOT_FOUND, message)
        return wanted

    def signature_map(self, version):
        """Returns the signatures of a version as the metadata have them."""
        saved = saved_model_pb2.SavedModel()
        path = self.directory / str(version) / "saved_model.pb"
        saved.ParseFromString(path.read_bytes())
        by_name = saved.meta_graphs[0].signature_def
        return get_model_metadata_pb2.SignatureDefMap(signature_def=by_name)

    def predict(self, version, signature, inputs):
        """Returns the outputs of a signature as arrays by name."""
        with self._lock:
            self._under_way += 1
            self.n_at_once = max(self.n_at_once, self._under_way)
            if version not in self.models:
                path = self.directory / str(version)
                self.models[version] = tf.saved_model.load(str(path))
        try:
            return self._outputs(self.models[version], signature, inputs)
        finally:
            with self._lock:
                self._under_way -= 1

    def _outputs(self, model, signature, inputs):
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        if signature not in model.signatures:
            message = (
                f'Serving signature name: "{signature}" not found in signature def'
            )
            raise RefusedError(invalid, message)
        specs = model.signatures[signature].structured_input_signature[1]
        if set(inputs) != set(specs):
            message = f"inputs are {sorted(inputs)}, expected {sorted(specs)}"
            raise RefusedError(invalid, message)
        tensors = {n: tf.constant(v, specs[n].dtype) for n, v in inputs.items()}
        try:
            outputs = model.signatures[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise RefusedError(invalid, error.message) from error
        self.batches.append(len(next(iter(inputs.values()))))
        # TensorFlow's order of the outputs differs between exports.
        return {name: output.numpy() for name, output in sorted(outputs.items())}

    def fault(self):
        """Returns the name of the fault of this request, or None."""
        with contextlib.suppress(IndexError):
            return self.faults.popleft()


# === REST ===


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._handle()

    def do_POST(self):
        self._handle()

    def log_message(self, *_arguments):
        pass

    def _handle(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        try:
            path = _PATH.fullmatch(self.path)
            if not path or (self.command == "POST") != (path["what"] == ":predict"):
                message = f"Malformed request: {self.command} {self.path}"
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
            version = self.server.stub.version(path["name"], path["version"])
            if path["what"] == ":predict":
                self._predict(version, json.loads(body))
            else:
                self._metadata(version)
        except RefusedError as error:
            self._answer(_STATUS[error.code], json.dumps({"error": str(error)}))

    def _metadata(self, version):
        stub = self.server.stub
        signatures = json_format.MessageToDict(
            stub.signature_map(version), preserving_proto_field_name=True
        )
        spec = {"name": stub.name, "signature_name": "", "version": str(version)}
        answer = {"model_spec": spec, "metadata": {"signature_def": signatures}}
        self._answer(200, json.dumps(answer))

    def _predict(self, version, request):
        fault = self.server.stub.fault()
        if fault in ("429", "503", "504", "500"):
            self._answer(int(fault), json.dumps({"error": f"fault {fault}"}))
            return
        if fault in ("reset", "hang up"):
            self.close_connection = True
            if fault == "reset":
                # Closing at once, with this option, sends RST.
                reset = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                os.close(self.connection.detach())
            return
        if fault == "slow":
            time.sleep(SLOW)
            self.close_connection = True
            return  # The client has gone; the next test must see nothing of it.
        if fault in ("half", "stall", "drip", "endless"):
            self.close_connection = True
            self._send_part_of_an_answer(fault)
            return
        if fault == "late":
            time.sleep(LATE)
        columns = request.get("inputs")
        if columns is None:
            rows = request["instances"]
            columns = {name: [row[name] for row in rows] for name in rows[0]}
        signature = request.get("signature_name", "serving_default")
        outputs = self.server.stub.predict(version, signature, columns)
        outputs = {name: _shortest(values) for name, values in outputs.items()}
        if "inputs" in request:
            # As TF Serving, which leaves out the name of an only output.
            only = next(iter(outputs.values()))
            answer = {"outputs": outputs if len(outputs) > 1 else only}
        else:
            rows = zip(*outputs.values(), strict=True)
            answer = {"predictions": [dict(zip(outputs, r, strict=True)) for r in rows]}
        self._answer(200, _spoiled(json.dumps(answer, indent=4), fault))

    def _send_part_of_an_answer(self, fault):
        with contextlib.suppress(OSError):  # The client may have given up.
            self.send_response(200)
            if fault != "endless":
                self.send_header("Content-Length", "1000")
            self.end_headers()
            if fault == "endless":
                while True:
                    self.wfile.write(b" " * (1 << 20))
            self.wfile.write(b'{"outputs":')
            if fault == "stall":
                time.sleep(SLOW)
            for _ in range(20 if fault == "drip" else 0):
                self.wfile.write(b" ")
                time.sleep(SLOW / 10)

    def _answer(self, status, text):
        body = text.encode()
        # The client may have given up.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def _shortest(values):
    """Nested lists of the shortest decimals of float32, as TF Serving writes them."""
    if values.dtype == object:
        return [[text.decode() for text in row] for row in values]
    return [[float(str(value)) for value in row] for row in values]


def _spoiled(text, fault):
    answer = json.loads(text)
    if fault == "not JSON":
        return text[: len(text) // 2]
    if fault == "rows missing":
        answer["outputs"]["probability"].pop()
    elif fault == "flat":
        rows = answer["outputs"]["probability"]
        answer["outputs"]["probability"] = [row[0] for row in rows]
    elif fault == "texts":
        answer["outputs"]["probability"][0] = ["0.5"]
    elif fault == "above 1":
        answer["outputs"]["probability"][0] = [1.5]
    elif fault == "digits":
        answer["outputs"]["probability"][0] = [10**400]
    elif fault == "deep":
        return "[" * 100_000
    elif fault == "infinite":
        answer["outputs"]["probability"][0] = [float("inf")]
    elif fault == "no output":
        answer = {"outputs": answer["outputs"]["probability"]}
    else:
        return text
    return json.dumps(answer)


@contextlib.contextmanager
def rest(stub, port=0):
    """Serves over REST; yields the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.stub = stub
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


# === gRPC ===


class _Servicer(service.PredictionServiceServicer):
    def __init__(self, stub):
        self._stub = stub

    def GetModelMetadata(self, request, context):  # noqa: N802
        version = self._version(request, context)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = self._stub.name
        answer.model_spec.version.value = version
        answer.metadata["signature_def"].Pack(self._stub.signature_map(version))
        return answer

    def Predict(self, request, context):  # noqa: N802
        fault = self._stub.fault()
        if fault == "slow":
            time.sleep(SLOW)
            context.abort(grpc.StatusCode.UNAVAILABLE, "too late")
        elif fault:
            context.abort(grpc.StatusCode[fault], f"fault {fault}")
        version = self._version(request, context)
        inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
        try:
            outputs = self._stub.predict(
                version, request.model_spec.signature_name, inputs
            )
        except RefusedError as error:
            context.abort(error.code, str(error))
        answer = predict_pb2.PredictResponse()
        for name in request.output_filter or outputs:
            values = outputs[name]
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return answer

    def _version(self, request, context):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            return self._stub.version(spec.name, version)
        except RefusedError as error:
            context.abort(error.code, str(error))


@contextlib.contextmanager
def grpc_server(stub, port=0):
    """Serves over gRPC; yields the port."""
    pool = concurrent.futures.ThreadPoolExecutor(8)
    server = grpc.server(pool, options=[("grpc.max_receive_message_length", -1)])
    service.add_PredictionServiceServicer_to_server(_Servicer(stub), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()
        pool.shutdown()


@contextlib.contextmanager
def urls(stub):
    """Serves over both protocols; yields the URL of the model by protocol."""
    with rest(stub) as port, grpc_server(stub) as grpc_port:
        yield {
            "REST": f"http://127.0.0.1:{port}/v1/models/{stub.name}",
            "gRPC": f"grpc://127.0.0.1:{grpc_port}/{stub.name}",
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--grpc-port", type=int, default=8500)
    flags = parser.parse_args()
    stub = Stub(flags.directory)
    with rest(stub, flags.port) as port, grpc_server(stub, flags.grpc_port) as other:
        print(f"http://127.0.0.1:{port}/v1/models/{stub.name}", flush=True)
        print(f"grpc://127.0.0.1:{other}/{stub.name}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
