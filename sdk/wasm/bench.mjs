// Processor time of a frame, median of RUNS, kernels in turn: frames of the network's own size, and
// of 640x480, which are resized: node sdk/wasm/bench.mjs NPM_FOLDER PACKAGE...
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

const RUNS = 100;
const [folder, ...packages] = process.argv.slice(2);
const { Extractor } = await import(resolve(folder, 'node.js'));
const image = (width, height) => ({ width, height, data: new Uint8Array(4 * width * height).map((_, at) => at * 7) });
/** Milliseconds, however many others share the machine. */
const spent = (start) => {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
};
const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

function compare(path, bytes, frame) {
  const kernels = ['generic', 'wasm-simd128'].map((isa) => ({ extractor: new Extractor(bytes, { isa }), times: [] }));
  for (let run = -10; run < RUNS; run += 1) {
    for (const { extractor, times } of kernels) {
      const start = process.cpuUsage();
      extractor.embed(frame).free();
      // The first ones wait for the compiler.
      if (run >= 0) times.push(spent(start));
    }
  }
  const [portable, simd] = kernels.map(({ times }) => median(times));
  const [least] = kernels[1].times;
  console.log(`${path} ${frame.width}x${frame.height}: generic ${portable.toFixed(1)} ms, wasm-simd128 ${simd.toFixed(1)} ms `
    + `(least ${least.toFixed(1)}), ${(portable / simd).toFixed(1)} times`);
}

for (const path of packages) {
  const bytes = await readFile(path);
  const { width, height } = new Extractor(bytes).manifest();
  for (const sides of [[width, height], [640, 480]]) compare(path, bytes, image(...sides));
}
