"""A case in the onnx project's layout: model.onnx, and test_data_set_0 with input_N.pb and output_N.pb."""
import os

import onnx
from onnx import numpy_helper


def save(folder, model, inputs, outputs, proto=numpy_helper.from_array):
    """proto: what makes a message of a value. The folder must not be there yet."""
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for what, values in (("input", inputs), ("output", outputs)):
        for i, v in enumerate(values):
            with open(os.path.join(data, f"{what}_{i}.pb"), "wb") as f:
                f.write(proto(v).SerializeToString())
