"""A gRPC server that answers as TF Serving, with the bytes that a test gives."""

import concurrent.futures
import contextlib

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2


def metadata():
    """The message of a model that reads sequences alone."""
    signature = meta_graph_pb2.SignatureDef()
    signature.inputs["sequence"].dtype = types_pb2.DT_STRING
    signature.outputs["probability"].dtype = types_pb2.DT_FLOAT
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.model_spec.version.value = 1
    answer.metadata["signature_def"].Pack(
        get_model_metadata_pb2.SignatureDefMap(
            signature_def={"serving_default": signature}
        )
    )
    return answer


def tensor(shape, values=(0.5,), dtype=types_pb2.DT_FLOAT):
    """A tensor as it is sent; it may claim a shape that it does not hold."""
    made = tf.make_tensor_proto(np.array(values, np.float32))
    made.dtype = dtype
    made.tensor_shape.Clear()
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


def prediction(probability):
    """The message with this tensor of probabilities."""
    return predict_pb2.PredictResponse(outputs={"probability": probability})


@contextlib.contextmanager
def serve(described, predicted):
    """Serves two answers as bytes; yields the URL of the model."""
    answers = {"GetModelMetadata": described, "Predict": predicted}
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(lambda *_, answer=answer: answer)
        for name, answer in answers.items()
    }
    name = "tensorflow.serving.PredictionService"
    options = [("grpc.max_send_message_length", -1)]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, options=options)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, handlers)]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"grpc://127.0.0.1:{port}/QKI"
        finally:
            server.stop(grace=None).wait()
