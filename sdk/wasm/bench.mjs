// Processor time of a frame of 640x480, median of RUNS, kernels in turn: node sdk/wasm/bench.mjs NPM_FOLDER PACKAGE...
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

const RUNS = 100;
const [folder, ...packages] = process.argv.slice(2);
const { Extractor } = await import(resolve(folder, 'node.js'));
const image = { width: 640, height: 480, data: new Uint8Array(4 * 640 * 480).map((_, at) => at * 7) };
/** Milliseconds, however many others share the machine. */
const spent = (start) => {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
};
const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

for (const path of packages) {
  const bytes = await readFile(path);
  const kernels = ['generic', 'wasm-simd128'].map((isa) => ({ isa, extractor: new Extractor(bytes, { isa }), times: [] }));
  for (let run = -10; run < RUNS; run += 1) {
    for (const { extractor, times } of kernels) {
      const start = process.cpuUsage();
      extractor.embed(image).free();
      // The first ones wait for the compiler.
      if (run >= 0) times.push(spent(start));
    }
  }
  const [portable, simd] = kernels.map(({ times }) => median(times));
  console.log(`${path}: generic ${portable.toFixed(1)} ms, wasm-simd128 ${simd.toFixed(1)} ms, ${(portable / simd).toFixed(1)} times; least ${kernels[1].times[0].toFixed(1)} ms`);
}
