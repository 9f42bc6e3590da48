// The loop of the page without a page, against a plain list of lessons; and heads in links.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';

import { MOST_CHARACTERS, fromLink, fromText, toLink, toText } from '../page/link.js';
import { MOST_CLASSES, NOTHING, Refusal, Session } from '../page/session.js';

const offshoot = await import(pathToFileURL(resolve(process.env.OFFSHOOT_NPM, 'node.js')));
const bytes = readFileSync(new URL('../../tests/tiny.offshoot', import.meta.url));

function generator(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) % n;
  };
}

/** An image that is no other. */
const image = (below) => ({ width: 8, height: 8, data: Uint8Array.from({ length: 256 }, () => below(256)) });

/** What a session should hold: names by place, and lessons in order. */
class Model {
  names = Array.from({ length: MOST_CLASSES }, (_, at) => `thing ${at + 1}`);
  named = 0;
  lessons = [];
  newest = null;

  of(name) {
    return this.lessons.filter((lesson) => lesson.name === name);
  }
}

function sequence(seed) {
  const below = generator(seed);
  const session = new Session(offshoot, new offshoot.Extractor(bytes));
  const model = new Model();
  let numbers = 0;
  const places = () => (below(6) === 0 ? NOTHING : below(MOST_CLASSES));
  const name = (place) => (place === NOTHING ? NOTHING : model.names[place]);
  const steps = {
    teach() {
      const place = places();
      const thumb = `data:${numbers += 1}`;
      session.teach(place, image(below), thumb);
      model.lessons.push({ name: name(place), thumb });
      model.newest = name(place);
      if (place !== NOTHING) model.named = Math.max(model.named, place + 1);
    },
    undo() {
      session.undo();
      model.lessons.pop();
      model.newest = null;
    },
    undoOf() {
      const place = places();
      session.undo(place);
      if (model.newest === name(place)) model.lessons.pop();
      else {
        const last = model.lessons.findLastIndex((lesson) => lesson.name === name(place));
        if (last < 0) return;
        model.lessons.splice(last, 1);
      }
      model.newest = null;
    },
    remove() {
      if (model.lessons.length === 0) return assert.throws(() => session.remove(0), /no sample 0/);
      const sample = below(model.lessons.length);
      session.remove(sample);
      model.lessons.splice(sample, 1);
      model.newest = null;
    },
    rename() {
      const place = below(MOST_CLASSES);
      const others = [NOTHING, '', 'a\u202eb', model.names[(place + 1) % MOST_CLASSES], `name ${numbers += 1}`];
      const choice = below(5);
      const other = others[choice];
      session.rename(place, other);
      if (choice < 4) return assert.equal(session.moment().state.is, 'message');
      const old = model.names[place];
      for (const lesson of model.of(old)) lesson.name = other;
      if (model.newest === old) model.newest = other;
      model.names[place] = other;
      model.named = Math.max(model.named, place + 1);
    },
    look() {
      session.look(image(below));
      const heat = below(2) === 0;
      const { state, classes, nothing } = session.moment({ sides: [8, 8], heat, report: true });
      assert.ok(['answer', 'unknown', 'nothing', 'teaching', 'message', 'welcome'].includes(state.is), state.is);
      // What is told is a class of now, whatever it was called before.
      if (state.is === 'answer' || state.is === 'teaching') assert.ok([...model.names, NOTHING].includes(state.class), state.class);
      for (const { lessons, probability } of [...classes, nothing]) assert.ok(probability >= 0 && probability <= 1 && (lessons > 0 || probability === 0));
    },
    reload() {
      const { rest } = session;
      session.load(session.save());
      session.rest = JSON.parse(JSON.stringify(rest));
      model.newest = null;
    },
  };
  const acts = Object.values(steps);
  for (let step = 0; step < 80; step += 1) {
    (below(3) === 0 ? steps.teach : acts[below(acts.length)])();
    const { state, classes, nothing, has_room: room } = session.moment();
    if (state.class) assert.ok([...model.names, NOTHING].includes(state.class), state.class);
    assert.deepEqual(session.names, model.names);
    assert.deepEqual(classes.map((one) => [one.name, one.lessons]), model.names.slice(0, Math.max(2, model.named)).map((own) => [own, model.of(own).length]));
    assert.equal(nothing.lessons, model.of(NOTHING).length);
    assert.equal(room, Math.max(2, model.named) < MOST_CLASSES);
    for (const own of [...model.names, NOTHING]) assert.deepEqual(session.lessonsOf(own).map(({ thumb }) => thumb), model.of(own).map(({ thumb }) => thumb));
  }
}

test('random presses', () => {
  for (let seed = 1; seed <= 40; seed += 1) sequence(seed);
});

test('a full head lets lessons go, with their pictures', () => {
  const below = generator(3);
  const session = new Session(offshoot, new offshoot.Extractor(bytes));
  for (let at = 0; at < 200; at += 1) session.teach(at % 2, image(below), `data:${at}`);
  assert.equal(session.head.sampleCount, 180);
  const thumbs = ['thing 1', 'thing 2'].flatMap((name) => session.lessonsOf(name).map(({ thumb }) => thumb));
  assert.equal(new Set(thumbs).size, 180);
  assert.equal(session.rest.thumbs.length, 180);
});

test('heads of others', () => {
  const extractor = new offshoot.Extractor(bytes);
  const session = new Session(offshoot, new offshoot.Extractor(bytes));
  const head = (count, start = 0) => {
    const made = new offshoot.Head(extractor, { classes: 20, samples: 40 });
    for (let at = 0; at < count; at += 1) made.addSample(made.addClass(`class ${start + at}`), extractor.embed(image(generator(at))));
    return made.encode();
  };
  session.load(head(6));
  assert.deepEqual(session.names, [0, 1, 2, 3, 4, 5].map((at) => `class ${at}`).concat('thing 7', 'thing 8', 'thing 9'));
  assert.throws(() => session.load(head(10)), Refusal);
  assert.throws(() => session.load(head(4, 6), true), /10 classes are too many/);
  session.load(head(3, 5), true);
  assert.equal(session.head.classCount, 8);
  assert.equal(session.head.shownOf(5), 2, 'the same name is the same class');
  assert.throws(() => session.load(head(2).slice(0, -1)), /bytes|damaged/);
  assert.equal(session.head.classCount, 8, 'what is refused changes nothing');
  session.forget();
  assert.equal(session.moment().state.is, 'welcome');
});

test('links', async () => {
  const below = generator(9);
  for (const length of [0, 1, 2, 3, 1000]) {
    const some = Uint8Array.from({ length }, () => below(256));
    assert.deepEqual(fromText(toText(some)), some);
    const link = await toLink(some);
    assert.match(link, /^#head=[\w-]*$/);
    assert.deepEqual(await fromLink(link), some);
  }
  assert.equal(await toLink(Uint8Array.from({ length: 30000 }, () => below(256))), null);
  assert.equal(await fromLink('#report'), null);
  await assert.rejects(fromLink('#head=!!'), /damaged/);
  await assert.rejects(fromLink('#head=AAAA'), /damaged/);
  await assert.rejects(fromLink('#head=' + 'A'.repeat(MOST_CHARACTERS)), /too long/);
});
