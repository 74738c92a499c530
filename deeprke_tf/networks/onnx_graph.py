"""A graph of ONNX operators, built one operator at a time; the only `onnx` import.

ONNX is a file format for networks that many runtimes read, in Python, R, C++, Java or a
browser, without TensorFlow. Onnxruntime computes a network of a few sites while
TensorFlow would still be loading.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, checker, helper, numpy_helper

# Read by onnxruntime 1.14 (2023) and later.
_OPSET, _IR_VERSION = 17, 8

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


class Graph:
    """Operators in the order in which they are added; a value is known by its name."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str) -> str:
        """Declares an input, int64 [batch, n_kmers], and returns its name."""
        if name not in [given.name for given in self._inputs]:
            shape = ["batch", "n_kmers"]
            self._inputs.append(
                helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            )
        return name

    def add(
        self,
        operator: str,
        *inputs: str | npt.ArrayLike,
        output: int = 0,
        **attributes: Any,
    ) -> str:
        """Adds an operator and returns the name of an output.

        Args:
          operator: Its name in ONNX, such as "MatMul".
          inputs: Names of values, or arrays that become constants.
          output: Which of its outputs, if it has several.
          attributes: Of the operator.
        """
        names = [x if isinstance(x, str) else self._constant(x) for x in inputs]
        name = f"{operator.lower()}_{len(self._nodes)}"
        outputs = [""] * output + [name]
        node = helper.make_node(operator, names, outputs, name=name, **attributes)
        self._nodes.append(node)
        return name

    def _constant(self, value: npt.ArrayLike) -> str:
        name = f"constant_{len(self._constants)}"
        array = np.ascontiguousarray(value)
        self._constants.append(
            numpy_helper.from_array(array.reshape(np.shape(value)), name)
        )
        return name

    def file(
        self, output: str, name: str, n_outputs: int, metadata: Mapping[str, str]
    ) -> bytes:
        """Returns the contents of an ONNX file.

        Args:
          output: The value that the network returns, float [batch, n_outputs].
          name: What the file calls it.
          n_outputs: Its columns.
          metadata: Texts to keep in the file, by name.
        """
        self._nodes.append(helper.make_node("Identity", [output], [name]))
        returned = helper.make_tensor_value_info(name, FLOAT, ["batch", n_outputs])
        graph = helper.make_graph(
            *(self._nodes, "deeprke", self._inputs, [returned], self._constants)
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(
            graph,
            producer_name="deeprke_tf",
            opset_imports=[opset],
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        checker.check_model(model, full_check=True)
        return model.SerializeToString()


def ints(*values: int) -> np.ndarray:
    """Returns a constant of integers, such as axes or the ends of a slice."""
    return np.array(values, np.int64)
