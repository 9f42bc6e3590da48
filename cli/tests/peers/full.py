"""Runs an exported model on pictures with onnxruntime and prints what it says as JSON.

    python full.py MODEL.onnx PICTURES.npy

PICTURES.npy: bytes, pictures x height x width x channels.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime

model, pictures = sys.argv[1], np.load(sys.argv[2])
onnx.checker.check_model(model, full_check=True)
options = onnxruntime.SessionOptions()
# Without it the kernels for AVX2 without VNNI add pairs of products in 16 bits, and saturate.
options.add_session_config_entry("session.x64quantprecision", "1")
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
rows = []
for picture in pictures:
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {"picture": picture[None]})
    rows.append({name: value[0].tolist() for name, value in zip(names, values)})
json.dump({"metadata": session.get_modelmeta().custom_metadata_map, "rows": rows}, sys.stdout)
