// The npm package under Node: OFFSHOOT_NPM=FOLDER node --test sdk/wasm/tests
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';

const root = new URL('../../../', import.meta.url);
const folder = process.env.OFFSHOOT_NPM;
assert.ok(folder, 'OFFSHOOT_NPM names the folder that build.sh made');
const offshoot = await import(pathToFileURL(resolve(folder, 'node.js')));
const { Embedding, Extractor, Head } = offshoot;
const file = (path) => readFileSync(new URL(path, root));
const PACKAGES = { tiny: 'sdk/tests/tiny.offshoot', sprout: 'models/sprout/sprout.offshoot' };
const open = (name, options) => new Extractor(file(PACKAGES[name]), options);

/** Numerical Recipes' generator, as in native.rs. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}
const pixels = (seed, count) => Uint8Array.from({ length: count }, generator(seed));
const hex = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');

/** An RGB image as a canvas gives it, with any alpha. */
function rgba(width, height, rgb) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let at = 0; at < width * height; at += 1) data.set([rgb[3 * at], rgb[3 * at + 1], rgb[3 * at + 2], at % 256], 4 * at);
  return { width, height, data };
}

const native = new Map(file('sdk/wasm/tests/native.txt').toString().trimEnd().split('\n').map((line) => {
  const [name, what, ...rest] = line.split(' ');
  if (what === 'embed') return [`${name} embed ${rest[0]}`, rest[1]];
  return [`${name} ${what}`, rest.join(' ')];
}));

for (const name of Object.keys(PACKAGES)) {
  for (const isa of ['wasm-simd128', 'generic']) {
    for (const rowFusion of [true, false]) {
      test(`${name} gives the native bits, ${isa}, row fusion ${rowFusion}`, () => equalsNative(name, open(name, { isa, rowFusion })));
    }
  }
}

function equalsNative(name, extractor) {
  assert.equal(extractor.verify().line, native.get(`${name} verify`));
  for (const [width, height] of [[8, 8], [96, 96], [97, 61], [160, 120]]) {
    const rgb = pixels(width * height, 3 * width * height);
    const want = native.get(`${name} embed ${width}x${height}`);
    assert.equal(hex(extractor.embed(rgba(width, height, rgb)).codes()), want);
    assert.equal(hex(extractor.embed({ width, height, data: rgb }, 'rgb').codes()), want);
  }
  const head = new Head(extractor, { classes: 3, samples: 12 });
  for (const name of ['one', 'two', 'three']) head.addClass(name);
  for (let sample = 0; sample < 12; sample += 1) {
    const shade = pixels(sample, 3 * 32 * 32).map((byte) => (byte >> 2) + 80 * (sample % 3));
    head.addSample(sample % 3, extractor.embed({ width: 32, height: 32, data: shade }, 'rgb'));
  }
  head.fit();
  const bytes = head.encode();
  assert.equal(hex(bytes), native.get(`${name} head`));
  const embedding = extractor.embed({ width: 32, height: 32, data: pixels(99, 3 * 32 * 32) }, 'rgb');
  assert.equal(hex(head.probabilities(embedding).probabilities), native.get(`${name} probabilities`));
  const map = extractor.activations(head, 1);
  assert.equal(map ? hex(map.values) : '', native.get(`${name} activations`));
  const again = Head.decode(bytes, extractor);
  assert.equal(hex(again.encode()), hex(bytes));
}

test('every format is the same picture', () => {
  const extractor = open('tiny');
  const [width, height] = [16, 8];
  const grey = pixels(5, width * height);
  const each = (bytes) => Uint8Array.from({ length: width * height * bytes.length }, (_, at) => grey[Math.floor(at / bytes.length)]);
  const want = hex(extractor.embed({ width, height, data: grey }, 'gray').codes());
  for (const [format, data] of [['rgb', each('rgb')], ['bgr', each('bgr')], ['rgba', each('rgba')]]) {
    assert.equal(hex(extractor.embed({ width, height, data }, format).codes()), want, format);
  }
  // A view of a larger buffer, as cameras hand out.
  const buffer = new Uint8Array(100 + 4 * width * height);
  buffer.set(each('rgba'), 37);
  const data = new Uint8ClampedArray(buffer.buffer, 37, 4 * width * height);
  assert.equal(hex(extractor.embed({ width, height, data }).codes()), want);
});

test('what is wrong is an Error that says so', () => {
  const extractor = open('tiny');
  const head = new Head(extractor, { kind: 'ridge', classes: 2, samples: 3 });
  const data = new Uint8Array(4 * 64);
  const one = extractor.embed({ width: 8, height: 8, data });
  const damaged = file(PACKAGES.tiny);
  damaged[100] ^= 1;
  const other = new Head(open('sprout'));
  const fails = (act, words) => assert.throws(act, (error) => error instanceof Error && words.test(error.message), String(words));
  fails(() => new Extractor(new Uint8Array(3)), /package|bytes/);
  fails(() => new Extractor(damaged), /checksum|damaged/);
  fails(() => new Extractor(file(PACKAGES.tiny), { isa: 'neon' }), /no isa `neon`; there are generic, wasm-simd128/);
  fails(() => new Extractor(file(PACKAGES.tiny), { threads: 2 }), /no option `threads`; there are isa, rowFusion/);
  fails(() => new Extractor(file(PACKAGES.tiny), { rowFusion: 1 }), /neither true nor false/);
  fails(() => extractor.embed(), /not an image/);
  fails(() => extractor.embed({ width: 8, height: 8 }), /no Uint8Array/);
  fails(() => extractor.embed({ width: 8, height: 9, data }), /needs 288 bytes, the buffer has 256/);
  fails(() => extractor.embed({ width: 0, height: 8, data }), /sides must be 1 to/);
  fails(() => extractor.embed({ width: 1e6, height: 1e6, data }), /sides must be 1 to/);
  fails(() => extractor.embed({ width: 7.5, height: 8, data }), /width is 7.5, allowed are whole numbers/);
  fails(() => extractor.embed({ width: 8, height: 8, data }, 'cmyk'), /no format `cmyk`; there are rgba, rgb/);
  fails(() => extractor.embed({ width: 7, height: 8, data }, 'yuyv'), /YUV wants even numbers/);
  fails(() => new Head(extractor, { kind: 'deep' }), /unknown head, available are auto/);
  fails(() => new Head(extractor, { classes: 0 }), /room for 0 classes/);
  fails(() => new Head(extractor, { classes: 70000 }), /option `classes` is 70000/);
  fails(() => new Head(extractor, { sample: 3 }), /no option `sample`/);
  fails(() => head.classify(one), /nothing has been taught/);
  fails(() => head.addClass(''), /a class needs a name/);
  assert.equal(head.addClass('a'), 0);
  fails(() => head.addClass('a'), /there is a class `a`/);
  fails(() => head.addSample(1, one), /no class 1, there are 1/);
  fails(() => head.addSample(undefined, one), /class is NaN/);
  fails(() => head.addSample(-1, one), /class is -1/);
  fails(() => head.addSample(0, Embedding.fromValues(new Float32Array(3))), /3 dimensions, this head takes/);
  fails(() => Embedding.fromValues(new Float32Array([0, NaN])), /dimension 1 is not finite/);
  head.addSample(0, one);
  fails(() => head.classify(one), /call `fit` before asking/);
  fails(() => head.removeSample(1), /no sample 1, there are 1/);
  fails(() => head.setFalseRejectionRate(0.9), /rate 0.9, allowed are 0 to/);
  fails(() => head.setInverseL2(-1), /allowed are/);
  fails(() => head.setWhenFull('drop'), /no policy `drop`; there are refuse, reservoir, herding/);
  fails(() => head.setTransform('cube'), /no transform `cube`; there are raw, half, unit, quarter/);
  fails(() => head.merge(other), /different packages/);
  fails(() => head.merge(head), /./);
  fails(() => Head.decode(new Uint8Array(2), extractor), /bytes/);
  fails(() => Head.decode(other.encode(), extractor), /another package/);
  head.setWhenFull('refuse');
  head.addSample(0, one);
  head.addSample(0, one);
  fails(() => head.addSample(0, one), /all 3 samples are taken/);
  head.free();
  fails(() => head.fit(), /./);
  // And after all of that it still works.
  assert.ok(extractor.embed({ width: 8, height: 8, data }).length > 0);
});

test('memory that comes to its end is an Error', (context) => {
  if (!process.env.OFFSHOOT_LARGE) return context.skip('OFFSHOOT_LARGE=1 runs it; it takes 4 GB');
  const extractor = open('sprout');
  const large = () => new Head(extractor, { kind: 'softmax', classes: 1024, samples: 65535 });
  const heads = [];
  assert.throws(() => { for (;;) heads.push(large()); }, /^Error: not enough memory: the head needs \d+ bytes; lower its limits$/);
  for (const head of heads) head.free();
  assert.ok(extractor.verify().ok);
  large().free();
});

/** What a head should hold, in plain JavaScript. */
class Model {
  constructor(limits) {
    this.limits = limits;
    this.names = [];
    this.samples = [];
  }

  count(own) {
    return this.samples.filter(({ name }) => name === own).length;
  }
}

for (const kind of ['auto', 'ncm', 'ridge', 'slda', 'knn']) {
  test(`random lessons, ${kind}`, () => {
    const extractor = open('tiny');
    for (let seed = 1; seed <= 12; seed += 1) sequence(extractor, kind, seed);
  });
}

function sequence(extractor, kind, seed) {
  const next = generator(seed);
  // The low bits of this generator's bytes are random enough for choices.
  const below = (n) => ((next() << 8) | next()) % n;
  const limits = { classes: 2 + below(4), samples: 3 + below(12) };
  const fresh = (room) => {
    const head = new Head(extractor, { kind, ...room });
    head.setWhenFull('refuse');
    head.setFalseRejectionRate(0);
    return head;
  };
  let head = fresh(limits);
  const model = new Model(limits);
  const dim = extractor.embeddingDim;
  let names = 0;
  // Things lie in directions of their own, so that a sample is of the class that it was taught as.
  const directions = new Map();
  const like = (name) => {
    if (!directions.has(name)) directions.set(name, Array.from({ length: dim }, () => next() - 128));
    return Embedding.fromValues(Float32Array.from(directions.get(name), (value) => value + (next() - 128) / 32));
  };
  const throws = (act) => assert.throws(act, Error);
  const steps = {
    addClass() {
      const taken = model.names.length > 0 && below(5) === 0;
      const name = taken ? model.names[below(model.names.length)] : `thing ${names += 1}`;
      if (taken || model.names.length === limits.classes) return throws(() => head.addClass(name));
      assert.equal(head.addClass(name), model.names.length);
      model.names.push(name);
    },
    addSample() {
      const index = below(model.names.length + 1);
      const name = model.names[index];
      const thing = like(name ?? 'none');
      if (!name || model.samples.length === limits.samples) return throws(() => head.addSample(index, thing));
      head.addSample(index, thing);
      model.samples.push({ name });
    },
    undo() {
      const undone = model.samples.pop();
      assert.equal(head.undo(), undone && model.names.indexOf(undone.name));
    },
    removeSample() {
      const index = below(model.samples.length + 1);
      if (index === model.samples.length) return throws(() => head.removeSample(index));
      const [gone] = model.samples.splice(index, 1);
      assert.equal(head.removeSample(index), model.names.indexOf(gone.name));
    },
    removeClass() {
      if (below(3) > 0) return;
      const index = below(model.names.length + 1);
      if (index === model.names.length) return throws(() => head.removeClass(index));
      head.removeClass(index);
      const [gone] = model.names.splice(index, 1);
      model.samples = model.samples.filter(({ name }) => name !== gone);
    },
    rename() {
      const index = below(model.names.length + 1);
      const name = `thing ${names += 1}`;
      if (index === model.names.length) return throws(() => head.renameClass(index, name));
      head.renameClass(index, name);
      const old = model.names[index];
      directions.set(name, directions.get(old) ?? Array.from({ length: dim }, () => next() - 128));
      model.names[index] = name;
      for (const sample of model.samples) if (sample.name === old) sample.name = name;
    },
    merge() {
      if (below(3) > 0) return;
      const other = fresh({ classes: 1, samples: 2 });
      const name = model.names.length > 0 && below(2) ? model.names[below(model.names.length)] : `thing ${names += 1}`;
      other.addClass(name);
      const count = below(3);
      for (let at = 0; at < count; at += 1) other.addSample(0, like(name));
      const news = model.names.includes(name) ? 0 : 1;
      if (model.names.length + news > limits.classes || model.samples.length + count > limits.samples) {
        return throws(() => head.merge(other));
      }
      head.merge(other);
      if (news) model.names.push(name);
      for (let at = 0; at < count; at += 1) model.samples.push({ name });
    },
    reload() {
      const bytes = head.encode();
      head.free();
      head = Head.decode(bytes, extractor);
      assert.equal(hex(head.encode()), hex(bytes));
    },
    ask() {
      if (model.samples.length === 0) return throws(() => head.fit());
      head.fit();
      const { name } = model.samples[below(model.samples.length)];
      const answer = head.probabilities(like(name));
      // k-NN counts neighbours, so that the largest class wins where a class has one sample.
      if (kind !== 'knn') assert.equal(answer.name, name);
      assert.equal(answer.name, model.names[answer.class]);
      assert.ok(model.count(answer.name) > 0 && answer.known);
      assert.ok(Math.abs(answer.probabilities.reduce((sum, share) => sum + share, 0) - 1) < 1e-4);
      const report = head.report();
      const asked = model.samples.filter((sample) => model.count(sample.name) > 1).length;
      assert.equal(report.asked, asked);
      assert.equal(report.confusion.flat().reduce((sum, count) => sum + count, 0), asked);
    },
  };
  const acts = Object.values(steps);
  for (let step = 0; step < 120; step += 1) {
    const act = below(3) === 0 ? steps.addSample : acts[below(acts.length)];
    act();
    assert.deepEqual(head.classNames(), model.names);
    assert.equal(head.classCount, model.names.length);
    assert.equal(head.sampleCount, model.samples.length);
    assert.deepEqual([...head.sampleClasses()], model.samples.map(({ name }) => model.names.indexOf(name)));
    model.names.forEach((name, index) => {
      assert.equal(head.samplesOf(index), model.count(name));
      assert.equal(head.shownOf(index), model.count(name));
      assert.equal(head.classNamed(name), index);
    });
    assert.deepEqual(head.limits(), limits);
  }
}

test('the snippets of the README run', async () => {
  const text = file('sdk/wasm/README.md').toString();
  const snippets = [...text.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  assert.ok(snippets.length >= 4);
  const AsyncFunction = (async () => {}).constructor;
  const width = 64;
  const height = 48;
  // What a page has from its canvas, and from `fetch`.
  const files = { 'sprout.offshoot': 'models/sprout/sprout.offshoot', 'eyes.offshoot': 'sdk/tests/tiny-cells.offshoot', 'gestures.offshoot': 'sdk/tests/tiny-signals.offshoot' };
  const table = { width: 32, height: 32, data: new Uint8Array(4 * 32 * 32).fill(40) };
  for (let row = 8; row < 16; row += 1) table.data.fill(220, 4 * (32 * row + 8), 4 * (32 * row + 16));
  const names = { fetch: async (path) => new Response(file(files[path])), camera: rgba(width, height, pixels(1, 3 * width * height)), table, assert };
  let body = '';
  for (const code of snippets) {
    body += code.replace(/^import .* from 'offshoot';$/m, 'const { default: init, Extractor, Head, Embedding, Probe, SpatialHead } = offshoot;');
  }
  await new AsyncFunction('offshoot', ...Object.keys(names), body)(offshoot, ...Object.values(names));
});

test('types name all that there is', () => {
  const types = readFileSync(resolve(folder, 'offshoot.d.ts')).toString();
  for (const name of ['class Extractor', 'class Head', 'class Embedding', 'class SpatialHead', 'class GoodHead', 'class Probe', 'embedSignal(samples: Int16Array | Float32Array): Embedding', 'find(cells: Cells): Detection[]', 'interface Pixels', 'embed(image: Pixels, format?: PixelFormat', 'report(): Report', 'probabilities(embedding: Embedding): Answer']) {
    assert.ok(types.includes(name), name);
  }
});

/** A frame of class `i % 2`, as in `sdk/tests/tail.rs`, which has the digests, too. */
function formula(i) {
  const data = Uint8Array.from({ length: 3 * 32 * 32 }, (_, at) => ((Math.imul(at + 1000 * i, 2654435761) >>> 24) >> 1) + 100 * (i % 2));
  return { width: 32, height: 32, data };
}

test('a tail has the bytes of the library, and is taken off again', async () => {
  const { createHash } = await import('node:crypto');
  const digest = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const extractor = open('sprout');
  const plain = extractor.embed(formula(3), 'rgb').codes();
  const id = extractor.id;
  const maps = new offshoot.Maps(extractor, 2);
  for (let i = 0; i < 12; i += 1) maps.addFrame(i % 2, extractor, formula(i), 'rgb');
  assert.equal(maps.length, 12);
  const tuned = maps.finetune(extractor, { epochs: 2, force: true });
  assert.ok(tuned.kept && tuned.samples === 12 && tuned.line.startsWith('kept: '));
  extractor.setTail(tuned.tail);
  const codes = extractor.embed(formula(3), 'rgb').codes();
  assert.deepEqual([digest(tuned.tail), digest(codes)], DIGESTS);
  assert.notEqual(extractor.id, id);
  assert.ok(extractor.verify().ok);
  extractor.setTail(undefined);
  assert.equal(extractor.id, id);
  assert.deepEqual(extractor.embed(formula(3), 'rgb').codes(), plain);
  assert.throws(() => extractor.setTail(new Uint8Array([1, 2, 3])), /not a tuned tail/);
  assert.throws(() => maps.finetune(extractor, { steps: 3 }), /no option `steps`/);
  maps.free();
  extractor.free();
});

const DIGESTS = ['578e6786ba6ffc26', 'de7ac81a9b067e69'];
