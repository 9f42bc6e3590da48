// Signals, and heads on cells, under Node: OFFSHOOT_NPM=FOLDER node --test sdk/wasm/tests
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';

const folder = process.env.OFFSHOOT_NPM;
assert.ok(folder, 'OFFSHOOT_NPM names the folder that build.sh made');
const { Extractor, GoodHead, Probe, SpatialHead } = await import(pathToFileURL(resolve(folder, 'node.js')));
const open = (name) => new Extractor(readFileSync(new URL(`../../tests/${name}.offshoot`, import.meta.url)));
const PLACES = [[2, 4], [16, 8], [8, 20], [22, 22], [4, 12]];

/** Cells of a square of eight pixels on a dark floor; of the floor alone without a place. */
function square(extractor, at, colour = [220, 220, 220]) {
  const data = new Uint8Array(3 * 32 * 32).fill(40);
  for (let i = 0; at && i < 64; i += 1) data.set(colour, 3 * (32 * (at[1] + (i >> 3)) + at[0] + (i & 7)));
  return extractor.cells({ width: 32, height: 32, data }, 'rgb');
}

function taught(extractor) {
  const head = new SpatialHead(extractor, 2);
  assert.equal(head.addClass('square'), 0);
  for (const [x, y] of PLACES) {
    head.teach(square(extractor, [x, y]), [{ class: 0, left: x / 32, top: y / 32, width: 0.25, height: 0.25 }]);
    head.fit();
  }
  return head;
}

test('squares are found, taken back, kept and merged', () => {
  const extractor = open('tiny-cells');
  const head = taught(extractor);
  const cells = square(extractor, [12, 14]);
  assert.deepEqual([cells.rows, cells.columns, cells.codes().length], [16, 16, 2048]);
  const found = head.find(cells);
  assert.equal(found.length, 1);
  assert.ok(found[0].name === 'square' && found[0].class === 0 && found[0].score > 0.5);
  assert.ok(Math.abs(found[0].x - 0.5) < 0.0625 && Math.abs(found[0].y - 0.5625) < 0.0625);
  assert.ok(Math.abs(found[0].width - 0.25) < 0.1);
  assert.deepEqual(head.find(square(extractor)), []);
  assert.equal(head.expected(0).objects, 4);
  head.test(cells, [{ class: 0, x: 0.5, y: 0.5625 }]);
  assert.equal(head.expected(0).objects, 5);
  assert.ok(head.threshold(0) > 0 && head.objectsOf(0) === 5);
  head.teach(square(extractor));
  assert.ok(head.undo() && !head.undo() && head.lessons === 5);
  head.fit();
  const again = SpatialHead.decode(head.encode(), extractor);
  assert.deepEqual(again.find(cells), head.find(cells));
  again.merge(head);
  assert.equal(again.lessons, 10);
  again.renameClass(0, 'box');
  assert.equal(again.classNames()[0], 'box');
  again.forget(0);
  assert.deepEqual(again.classNames(), []);
  const fixed = new SpatialHead(extractor);
  assert.equal(fixed.changed(cells), undefined);
  fixed.setReference(cells);
  assert.equal(fixed.changed(cells), 0);
});

test('odd squares are unusual', () => {
  const extractor = open('tiny-cells');
  const head = new GoodHead(extractor, false);
  assert.equal(head.threshold, undefined);
  for (const at of PLACES) {
    head.teach(square(extractor, at));
    if (head.lessons > 1) head.fit();
  }
  const usual = head.look(square(extractor, [12, 14]));
  assert.ok(!usual.unusual && usual.threshold === head.threshold && usual.heat.length === 256);
  assert.equal(usual.score, Math.max(...usual.heat));
  const odd = head.look(square(extractor, [12, 14], [255, 0, 255]));
  assert.ok(odd.unusual && odd.score > odd.threshold && Math.abs(odd.x - 0.5) < 0.2);
  const again = GoodHead.decode(head.encode(), extractor);
  assert.equal(again.look(square(extractor, [12, 14])).score, usual.score);
  head.test(square(extractor, [12, 14]));
  assert.ok(head.undo() && head.lessons === 4);
});

test('signals are windows, recordings and streams', () => {
  const extractor = open('tiny-signals');
  const sensor = extractor.sensor();
  assert.deepEqual(sensor, { channels: 3, places: 16, step: 5, rate: 50, unit: 0.5 });
  const samples = Int16Array.from({ length: 3 * 26 }, (_, at) => ((at * 37) % 2001) - 1000);
  const real = Float32Array.from(samples, (sample) => sample / 2);
  const windows = [0, 5, 10].map((at) => extractor.embedSignal(samples.subarray(3 * at, 3 * (at + 16))).values());
  assert.deepEqual(extractor.embedSignal(real.subarray(0, 48)).values(), windows[0]);
  const mean = windows[0].map((value, i) => Math.fround(Math.fround(value + windows[1][i]) + windows[2][i]) / 3);
  assert.deepEqual(extractor.embedRecording(samples).values(), Float32Array.from(mean));
  const probe = new Probe(extractor);
  for (const form of [samples, real]) {
    const found = [];
    for (let at = 0; at < form.length; at += 21) found.push(...probe.push(extractor, form.subarray(at, at + 21)));
    assert.deepEqual(found.map((embedding) => embedding.values()), windows);
    probe.clear();
  }
});

test('mistakes are errors', () => {
  const eyes = open('tiny-cells');
  const sensing = open('tiny-signals');
  const plain = open('tiny');
  const head = taught(eyes);
  const cells = square(eyes, [12, 14]);
  const fails = (act, words) => assert.throws(act, (error) => error instanceof Error && words.test(error.message));
  fails(() => new SpatialHead(plain), /--cells/);
  fails(() => new GoodHead(sensing), /--cells/);
  fails(() => plain.cells({ width: 8, height: 8, data: new Uint8Array(256) }), /--cells/);
  fails(() => new SpatialHead(eyes, 0), /room for 0 classes/);
  fails(() => new SpatialHead(eyes, 1.5), /classes is 1.5/);
  fails(() => head.addClass('square'), /there is a class `square`/);
  fails(() => head.teach(cells, [{ class: 7, x: 0.5, y: 0.5 }]), /no class 7, there are 1/);
  fails(() => head.teach(cells, [{ class: 0, x: 0.5 }]), /a mark has class, x and y/);
  fails(() => head.teach(cells, [{ class: 0, x: 1.5, y: 0 }]), /mark 0 does not lie in the frame/);
  fails(() => head.teach(cells, 3), /marks are an array/);
  fails(() => head.teach(cells, Array(129).fill({ class: 0, x: 0.5, y: 0.5 })), /129 marks/);
  fails(() => new SpatialHead(eyes).find(cells), /fit/);
  fails(() => new SpatialHead(eyes).fit(), /at least one object/);
  fails(() => head.setReference(cells), /before the first lesson/);
  fails(() => SpatialHead.decode(new Uint8Array(9), eyes), /./);
  fails(() => GoodHead.decode(head.encode(), eyes), /./);
  fails(() => new Probe(plain), /takes images/);
  fails(() => plain.embedSignal(new Int16Array(48)), /takes images/);
  fails(() => sensing.embedSignal(new Int16Array(47)), /no whole number of places/);
  fails(() => sensing.embedSignal(new Int16Array(51)), /17 places/);
  fails(() => sensing.embedSignal([1, 2, 3]), /Int16Array or a Float32Array/);
  fails(() => sensing.embedSignal(new Float32Array(48).fill(NaN)), /finite/);
  assert.equal(plain.sensor(), undefined);
});
