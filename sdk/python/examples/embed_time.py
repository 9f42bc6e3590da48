"""Median time of an embedding, by python embed_time.py PACKAGE RUNS."""

import statistics
import sys
import time

import numpy as np
import offshoot

extractor = offshoot.Extractor(sys.argv[1])
at = np.arange(3 * 96 * 96, dtype=np.uint32) * np.uint32(2_654_435_761)
frame = (at >> np.uint32(24)).astype(np.uint8).reshape(96, 96, 3)
times = []
for _ in range(int(sys.argv[2])):
    begun = time.perf_counter()
    extractor.embed(frame)
    times.append(time.perf_counter() - begun)
print(f"{1e6 * statistics.median(times):.1f} us")
