"""The same networks in LiteRT (XNNPACK): a model made operator by operator, channels last."""

import numpy as np


class _Builder:
    """One subgraph under construction."""

    def __init__(self, schema, shape):
        self.schema = schema
        self.buffers = [schema.BufferT()]
        self.tensors, self.operators, self.codes = [], [], []
        self.shape = shape  # without the batch; images are height, width, channels
        self.value = self.tensor(shape)

    def tensor(self, shape, array=None):
        made = self.schema.TensorT()
        made.shape, made.name = [1, *shape] if array is None else list(shape), b"t"
        made.type, made.buffer = self.schema.TensorType.FLOAT32, 0
        if array is not None:
            if array.dtype == np.int32:
                made.type = self.schema.TensorType.INT32
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
            self.buffers.append(buffer)
            made.buffer = len(self.buffers) - 1
        self.tensors.append(made)
        return len(self.tensors) - 1

    def add(self, name, shape, arrays=(), kind=None, **options):
        """Append an operator; its result, of a shape, is the current value."""
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        operator = self.schema.OperatorT()
        operator.opcodeIndex = len(self.codes)
        operator.inputs = [self.value, *(self.tensor(a.shape, a) for a in arrays)]
        if kind:
            operator.builtinOptions = getattr(self.schema, f"{kind}T")()
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self.shape, self.value = tuple(shape), self.tensor(shape)
        operator.outputs = [self.value]
        self.codes.append(code)
        self.operators.append(operator)

    def model(self):
        import flatbuffers

        graph, model = self.schema.SubGraphT(), self.schema.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [0], [self.value]
        model.version, model.subgraphs = 3, [graph]
        model.buffers, model.operatorCodes = self.buffers, self.codes
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _append(builder, layer, flattened):
    """A layer; `flattened` is the image (height, width, channels) that was made flat before."""
    kind, valid = type(layer).__name__, 1
    if kind == "Conv2d":
        out, _, rows, columns = layer.weight.shape
        height, width, _ = builder.shape
        builder.add(
            "CONV_2D", (height - rows + 1, width - columns + 1, out),
            (layer.weight.transpose(0, 2, 3, 1), layer.bias), "Conv2DOptions",
            padding=valid, strideW=1, strideH=1,
        )  # fmt: skip
    elif kind == "MaxPool2d":
        height, width, channels = builder.shape
        builder.add(
            "MAX_POOL_2D", (height // 2, width // 2, channels), (), "Pool2DOptions",
            padding=valid, strideW=2, strideH=2, filterWidth=2, filterHeight=2,
        )  # fmt: skip
    elif kind == "Linear":
        weight = layer.weight
        if flattened:
            height, width, channels = flattened
            images = weight.reshape(-1, channels, height, width)
            weight = images.transpose(0, 2, 3, 1).reshape(weight.shape)
        builder.add(
            "FULLY_CONNECTED", (len(weight),), (weight, layer.bias), "FullyConnectedOptions"
        )
    elif kind == "ReLU":
        builder.add("RELU", builder.shape)
    elif kind == "Flatten":
        n = int(np.prod(builder.shape))
        builder.add("RESHAPE", (n,), (np.array([1, n], np.int32),), "ReshapeOptions",
                    newShape=[1, n])  # fmt: skip
    else:
        builder.add("LOG_SOFTMAX", builder.shape, (), "LogSoftmaxOptions")


def call(layer, x):
    """(call that runs the network, its result with channels first)."""
    from ai_edge_litert import schema_py_generated
    from ai_edge_litert.interpreter import Interpreter

    first = np.moveaxis(x, 0, -1) if x.ndim == 3 else x
    builder, flattened = _Builder(schema_py_generated, first.shape), None
    for one in getattr(layer, "layers", (layer,)):
        before = builder.shape
        _append(builder, one, flattened)
        flattened = before if type(one).__name__ == "Flatten" else None
    interpreter = Interpreter(model_content=builder.model(), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], first[None].copy())
    output = interpreter.get_output_details()[0]["index"]

    def result():
        values = interpreter.get_tensor(output)[0]
        return np.moveaxis(values, -1, 0) if values.ndim == 3 else values

    return interpreter.invoke, result
