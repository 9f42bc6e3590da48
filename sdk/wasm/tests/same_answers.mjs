// Answers of the npm package to the lesson of tests/doors: the lines of sdk/examples/same_answers.rs.
//   OFFSHOOT_NPM=FOLDER node sdk/wasm/tests/same_answers.mjs PACKAGE LESSON KIND
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { bits, bytesOf, digest } from './bits.mjs';

const { Extractor, Head } = await import(pathToFileURL(resolve(process.env.OFFSHOOT_NPM, 'node.js')));
const [path, lesson, kind] = process.argv.slice(2);
const extractor = new Extractor(readFileSync(path));
const head = new Head(extractor, { kind, classes: 4, samples: 20 });
const images = new Map();

/** Pixels of a PNG file of 8-bit RGB without interlacing: Node has no decoder, as browsers have. */
function decode(file) {
  const width = file.readUInt32BE(16);
  const height = file.readUInt32BE(20);
  const parts = [];
  for (let at = 8; at < file.length; at += file.readUInt32BE(at) + 12) {
    const from = at + 8;
    if (file.toString('latin1', at + 4, from) === 'IDAT') parts.push(file.subarray(from, from + file.readUInt32BE(at)));
  }
  const lines = inflateSync(Buffer.concat(parts));
  const row = 3 * width;
  const data = new Uint8Array(row * height);
  for (let y = 0; y < height; y += 1) {
    const filter = lines[y * (row + 1)];
    for (let x = 0; x < row; x += 1) {
      const at = y * row + x;
      const left = x < 3 ? 0 : data[at - 3];
      const above = y ? data[at - row] : 0;
      const corner = y && x >= 3 ? data[at - row - 3] : 0;
      const guess = left + above - corner;
      const [a, b, c] = [left, above, corner].map((near) => Math.abs(guess - near));
      const nearest = a <= b && a <= c ? left : b <= c ? above : corner;
      data[at] = lines[y * (row + 1) + 1 + x] + [0, left, above, (left + above) >> 1, nearest][filter];
    }
  }
  return { width, height, data };
}

const samples = () => head.classNames().flatMap((name, id) => [name, head.samplesOf(id)]);
const named = (name) => head.classNames().indexOf(name);

const steps = {
  image(name, format, width, height, file) {
    const data = readFileSync(file);
    const embedding = format === 'file'
      ? extractor.embed(decode(data), 'rgb')
      : extractor.embed({ width: Number(width), height: Number(height), data }, format === 'grey' ? 'gray' : format);
    images.set(name, embedding);
    return [digest(bytesOf(embedding.values()))];
  },
  teach(name, image) {
    const id = named(name) < 0 ? head.addClass(name) : named(name);
    head.addSample(id, images.get(image));
    return samples();
  },
  undo() {
    const id = head.undo();
    const name = head.className(id);
    if (head.samplesOf(id) === 0) head.removeClass(id);
    return [name, ...samples()];
  },
  forget(name) {
    head.removeClass(named(name));
    return samples();
  },
  classify(image) {
    head.fit();
    const answer = head.probabilities(images.get(image));
    return [answer.known ? 'is' : 'unlike', answer.name, bits(answer.confidence), ...Array.from(answer.probabilities, bits)];
  },
  report() {
    head.fit();
    const report = head.report();
    const interval = digest(bytesOf(Float32Array.of(report.low, report.high)));
    const advice = digest(Buffer.from(report.advice.join('')));
    return [report.right, 'of', report.asked, ...report.confusion.flat(), interval, advice];
  },
  save() {
    const bytes = head.encode();
    return [bytes.length, digest(bytes)];
  },
};

for (const line of readFileSync(lesson, 'utf8').split('\n')) {
  const [step, ...words] = line.split(' ');
  if (line && step !== '#') console.log([`${line}:`, ...steps[step](...words)].join(' '));
}
