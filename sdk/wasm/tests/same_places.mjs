// Answers of the npm package about places and signals: the lines of sdk/examples/same_places.rs.
//   OFFSHOOT_NPM=FOLDER node sdk/wasm/tests/same_places.mjs CELLS SIGNALS
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bits, bytesOf, digest } from './bits.mjs';

const { Extractor, GoodHead, SpatialHead } = await import(pathToFileURL(resolve(process.env.OFFSHOOT_NPM, 'node.js')));
const [eyes, sensing] = process.argv.slice(2).map((path) => new Extractor(readFileSync(path)));

/** Cells of a square of eight pixels on a dark floor. */
function square(x, y, colour) {
  const data = new Uint8Array(3 * 32 * 32).fill(40);
  for (let i = 0; i < 64; i += 1) data.set(colour, 3 * (32 * (y + (i >> 3)) + x + (i & 7)));
  return eyes.cells({ width: 32, height: 32, data }, 'rgb');
}

const BRIGHT = [220, 220, 220];
const head = new SpatialHead(eyes, 2);
const good = new GoodHead(eyes);
head.addClass('square');
for (const [x, y] of [[2, 4], [16, 8], [8, 20], [22, 22], [4, 12]]) {
  const cells = square(x, y, BRIGHT);
  head.teach(cells, [{ class: 0, left: x / 32, top: y / 32, width: 0.25, height: 0.25 }]);
  head.fit();
  good.teach(cells);
  if (good.lessons > 1) good.fit();
}
for (const found of head.find(square(12, 14, BRIGHT))) {
  const numbers = [found.score, found.x, found.y, found.width ?? 0, found.height ?? 0];
  console.log(['found', found.class, ...numbers.map(bits)].join(' '));
}
const odd = good.look(square(12, 14, [255, 0, 255]));
const numbers = [odd.score, odd.threshold, odd.x, odd.y];
console.log(['unusual', Number(odd.unusual), ...numbers.map(bits), digest(bytesOf(odd.heat))].join(' '));
console.log(['heads', digest(head.encode()), digest(good.encode())].join(' '));

const samples = Int16Array.from({ length: 3 * 26 }, (_, at) => ((at * 37) % 2001) - 1000);
console.log(['window', digest(bytesOf(sensing.embedSignal(samples.subarray(0, 48)).values()))].join(' '));
console.log(['recording', digest(bytesOf(sensing.embedRecording(samples).values()))].join(' '));
