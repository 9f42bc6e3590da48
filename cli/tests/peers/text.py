"""The mean of a language backbone's vectors over a text's tokens, by onnxruntime, as JSON.

    python text.py MODEL.onnx LENGTH PAD ID,ID,...
"""
import json
import sys

import numpy as np
import onnxruntime

model, length, pad, ids = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(i) for i in sys.argv[4].split(",")]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
places = np.arange(length)
values = {
    "input_ids": np.array([ids + [pad] * (length - len(ids))]),
    "attention_mask": (places < len(ids)).astype(np.int64)[None],
    "token_type_ids": np.zeros((1, length), np.int64),
}
inputs = {i.name: values[i.name] for i in session.get_inputs()}
(vectors,) = session.run(None, inputs)
json.dump(vectors[0, : len(ids)].mean(axis=0).tolist(), sys.stdout)
