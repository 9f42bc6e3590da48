"""Log-mel windows of other programs, for the front end's tests.

usage: mel.py FRONTEND.onnx FOLDER: for each FOLDER/*.i16 (16-bit samples) writes NAME.speech, what the ONNX front end gives
for the speech embedding, and NAME.yamnet, YAMNet's formula; both as 32-bit floats, a row per frame.
"""
import pathlib
import sys

import numpy as np
import onnxruntime as ort

session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])


def hz_to_mel(hz):
    return 1127.0 * np.log(1.0 + hz / 700.0)


def yamnet(samples):
    frames = 1 + (len(samples) - 400) // 160
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    framed = np.stack([samples[i * 160 : i * 160 + 400] for i in range(frames)]) / 32768.0
    magnitude = np.abs(np.fft.rfft(framed * window, 512))
    bins = hz_to_mel(np.linspace(0, 8000, 257))
    edges = np.linspace(hz_to_mel(125.0), hz_to_mel(7500.0), 66)
    up = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(up, down))
    weights[0] = 0
    return np.log(magnitude @ weights + 0.001)


for path in sorted(pathlib.Path(sys.argv[2]).glob("*.i16")):
    samples = np.fromfile(path, np.int16).astype(np.float32)
    speech = session.run(None, {"input": samples[None]})[0].reshape(-1, 32) / 10.0 + 2.0
    speech.astype(np.float32).tofile(path.with_suffix(".speech"))
    yamnet(samples.astype(np.float64)).astype(np.float32).tofile(path.with_suffix(".yamnet"))
