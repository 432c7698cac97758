"""A board line as an ONNX model of one Conv node, for the libraries that read ONNX."""

from __future__ import annotations

from tweakconv.bench.problem import Problem

__all__ = ["onnx_model"]

#: Old enough for every library on the board to read.
OPSET = 13
IR_VERSION = 8


def onnx_model(problem: Problem) -> bytes:
    """The serialized model: ``x`` (NCHW) goes in, ``y`` comes out, weights and bias are constants."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - only the measuring process needs it

    line = problem.line
    constants = {"w": problem.oihw} | ({} if problem.bias is None else {"b": problem.bias})
    node = helper.make_node(
        "Conv",
        ["x", *constants],
        ["y"],
        kernel_shape=line.kernel,
        strides=line.strides,
        dilations=line.dilation_rate,
        pads=(*line.pad, *line.pad),
        group=line.groups,
    )
    graph = helper.make_graph(
        [node],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (line.batch, line.in_channels, *line.image))],
        [
            helper.make_tensor_value_info(
                "y", TensorProto.FLOAT, (line.batch, line.out_channels, *line.geometry.output_size)
            )
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION).SerializeToString()
    return model
