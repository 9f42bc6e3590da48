// The page in Chromium and in Firefox with a camera of two scenes. OFFSHOOT_NPM=FOLDER node --test sdk/wasm/tests
// Skipped without chromedriver, unless OFFSHOOT_BROWSER=1 says that there must be one.
// OFFSHOOT_SHOTS=DIR keeps pictures of the page; OFFSHOOT_AXE=FILE has axe-core look at it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { deflateSync } from 'node:zlib';

import { Browser, serve } from './browser.mjs';
import { Firefox } from './firefox.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const offshoot = await import(pathToFileURL(resolve(process.env.OFFSHOOT_NPM, 'node.js')));
const [WIDTH, HEIGHT] = [160, 120];

/** Brightness of a point: stripes, or a disc on black. */
const stripes = (x, y, t) => ((x + y + t) % 24 < 12 ? 235 : 150);
const disc = (x, y, t) => (Math.hypot(x - 80 - (t % 3), y - 60) < 40 ? 60 : 16);

/** A video that shows the stripes, then the disc, and so on, five seconds each. */
function video() {
  const chunks = [Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F5:1 Ip A1:1 C420jpeg\n`)];
  for (let t = 0; t < 50; t += 1) {
    const luma = Buffer.alloc(WIDTH * HEIGHT, 0);
    const shade = t < 25 ? stripes : disc;
    for (let y = 0; y < HEIGHT; y += 1) for (let x = 0; x < WIDTH; x += 1) luma[y * WIDTH + x] = shade(x, y, t);
    chunks.push(Buffer.from('FRAME\n'), luma, Buffer.alloc(WIDTH * HEIGHT / 2, 128));
  }
  return Buffer.concat(chunks);
}

/** A grey PNG. */
function png(shade) {
  const crc = (bytes) => {
    let sum = ~0;
    for (const byte of bytes) {
      sum ^= byte;
      for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
    }
    return ~sum >>> 0;
  };
  const word = (value) => { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(value); return bytes; };
  const chunk = (kind, body) => {
    const named = Buffer.concat([Buffer.from(kind), body]);
    return Buffer.concat([word(body.length), named, word(crc(named))]);
  };
  const rows = Buffer.alloc((WIDTH + 1) * HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) for (let x = 0; x < WIDTH; x += 1) rows[y * (WIDTH + 1) + 1 + x] = shade(x, y, 0);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', Buffer.concat([word(WIDTH), word(HEIGHT), Buffer.from([8, 0, 0, 0, 0])])),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const nth = (place, part) => `#classes > li:nth-child(${place}) ${part}`;
const textOf = (css) => `document.querySelector('${css}')?.textContent`;
/** Whether the frame that is shown has the stripes. */
const STRIPED = "(() => { const c = document.querySelector('canvas#picture'); return c.getContext('2d').getImageData(4, 4, 1, 1).data[0] > 90; })()";

async function teach(browser, place, striped, count) {
  for (let at = 0; at < count; at += 1) {
    await browser.wait(STRIPED, striped);
    await browser.click(nth(place, '.teach'));
    await browser.wait(`document.querySelectorAll('${nth(place, '.thumbs li')}').length`, at + 1);
  }
}

async function look(browser, name) {
  if (process.env.OFFSHOOT_SHOTS) {
    const shot = join(process.env.OFFSHOOT_SHOTS, `${browser.constructor.name}-${name}.png`);
    writeFileSync(shot, Buffer.from(await browser.screenshot(), 'base64'));
  }
  if (!process.env.OFFSHOOT_AXE) return;
  await browser.send('/execute/sync', { script: readFileSync(process.env.OFFSHOOT_AXE).toString(), args: [] });
  const found = await browser.later("axe.run(document).then((f) => f.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ') + n.failureSummary).join('; ')))");
  assert.deepEqual(found, [], name);
}

/** Makes a folder with the page, the images and the video. */
function prepared(context) {
  const folder = mkdtempSync(join(tmpdir(), 'offshoot-page-'));
  context.after(() => rmSync(folder, { recursive: true, maxRetries: 10 }));
  execFileSync(join(root, 'sdk/wasm/page.sh'), [join(folder, 'page')], { stdio: 'ignore' });
  writeFileSync(join(folder, 'scenes.y4m'), video());
  writeFileSync(join(folder, 'stripes.png'), png(stripes));
  writeFileSync(join(folder, 'disc.png'), png(disc));
  return folder;
}

test('the page alone', async (context) => {
  const folder = prepared(context);
  const browser = await Browser.start([
    '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-video-capture=${join(folder, 'scenes.y4m')}`,
  ]);
  if (!browser) {
    assert.ok(!process.env.OFFSHOOT_BROWSER, 'no chromedriver; apt-get install chromium-driver');
    return context.skip('no chromedriver; apt-get install chromium chromium-driver');
  }
  context.after(() => browser.stop());
  await whole(context, browser, folder);
});

test('the page alone in Firefox', async (context) => {
  const folder = prepared(context);
  const browser = await Firefox.start(folder);
  if (!browser) return context.skip('no firefox; apt-get install firefox-esr');
  context.after(() => browser.stop());
  // With its own fake camera first, whose colours change by themselves.
  const own = await serve(join(folder, 'page'));
  await browser.open(own.url);
  await browser.wait("document.querySelector('#link').dataset.is", 'live');
  await browser.wait(textOf('#label'), 'Show a thing 1, hold Teach');
  await browser.click(nth(1, '.teach'));
  await browser.wait(`document.querySelectorAll('${nth(1, '.thumbs li')}').length`, 1);
  own.stop();
  const source = join(folder, 'page/source.js');
  const scenes = readFileSync(new URL('scenes.js', import.meta.url));
  writeFileSync(source, Buffer.concat([scenes, readFileSync(source)]));
  await whole(context, browser, folder);
});

async function whole(context, browser, folder) {
  const server = await serve(join(folder, 'page'));
  context.after(() => server.stop());
  await browser.prepare(folder);
  await browser.open(server.url);
  await browser.wait("document.querySelector('#link').dataset.is", 'live');
  await browser.wait(textOf('#label'), 'Show a thing 1, hold Teach');
  await lessons(browser);
  const head = await files(browser, folder);
  await links(browser, server, head);
  await alone(browser, server);
}

async function lessons(browser) {
  await teach(browser, 1, true, 4);
  await teach(browser, 2, false, 3);
  for (const [striped, name] of [[true, 'thing 1'], [false, 'thing 2'], [true, 'thing 1']]) {
    await browser.wait(STRIPED, striped);
    await browser.wait(textOf('#label'), name);
  }
  // One of them is deleted, and one taken back.
  await browser.click(nth(1, '.thumbs li:nth-child(2) button'));
  await browser.wait(`document.querySelectorAll('${nth(1, '.thumbs img')}').length`, 3);
  await browser.keys('u');
  await browser.wait(textOf(nth(2, '.count')), '3 more');
  await browser.click(nth(1, '.name'));
  await browser.keys('stripes\ue007');
  await browser.wait(textOf(nth(1, '.name-text')), 'stripes');
  await browser.wait(textOf('#label'), 'stripes');
  await browser.click('#heat-button');
  await browser.wait("document.querySelector('#heat').hidden", false);
  await browser.click('#report summary');
  await browser.wait("document.querySelectorAll('#confusion tbody td').length", 4);
  await look(browser, 'taught');
}

/** Images as lessons and as questions; the head as a file. Returns the bytes of the file. */
async function files(browser, folder) {
  await browser.choose(nth(2, '.add-images'), '#images', `${join(folder, 'disc.png')}`);
  await browser.wait(`document.querySelectorAll('${nth(2, '.thumbs img')}').length`, 3);
  await browser.choose(nth(1, '.add-images'), '#images', join(folder, 'scenes.y4m'));
  await browser.wait(textOf('#told'), 'scenes.y4m is no image that this browser knows');
  for (const [file, name] of [['stripes.png', 'stripes'], ['disc.png', 'thing 2']]) {
    await browser.choose('#still', '#one-image', join(folder, file));
    await browser.wait(textOf('#label'), name);
    await browser.click('#still');
  }
  await browser.click('#export');
  const saved = join(folder, 'things.head');
  for (let tries = 0; !existsSync(saved) && tries < 200; tries += 1) await sleep(50);
  assert.ok(existsSync(saved), readdirSync(folder).join());
  const bytes = readFileSync(saved);
  // As a board would: by the same package, with nothing else than the file.
  const extractor = new offshoot.Extractor(readFileSync(join(root, 'models/sprout/sprout.offshoot')));
  const head = offshoot.Head.decode(bytes, extractor);
  assert.deepEqual(head.classNames(), ['stripes', 'thing 2']);
  assert.deepEqual([head.samplesOf(0), head.samplesOf(1)], [3, 3]);
  head.fit();
  const data = new Uint8Array(WIDTH * HEIGHT);
  for (let at = 0; at < data.length; at += 1) data[at] = stripes(at % WIDTH, Math.floor(at / WIDTH), 0);
  assert.equal(head.classify(extractor.embed({ width: WIDTH, height: HEIGHT, data }, 'gray')).name, 'stripes');
  // And back: another head in its place, then this one again.
  head.addClass('third');
  writeFileSync(join(folder, 'other.head'), head.encode());
  await browser.choose('#import', '#head-file', join(folder, 'other.head'));
  await browser.wait(textOf(nth(3, '.name-text')), 'third');
  writeFileSync(join(folder, 'broken.head'), bytes.subarray(0, 50));
  await browser.choose('#import', '#head-file', join(folder, 'broken.head'));
  await browser.wait(`/bytes/.test(${textOf('#told')})`, true);
  await browser.wait(textOf(nth(3, '.name-text')), 'third');
  await browser.choose('#import', '#head-file', saved);
  await browser.wait(textOf('#told'), 'things.head is loaded.');
  await browser.wait(`document.querySelectorAll('#classes > li').length`, 2);
  return bytes;
}

/** A link to a browser that was taught nothing. */
async function links(browser, server, head) {
  await browser.click('#share');
  await browser.wait("document.querySelector('#link-out').hidden", false);
  const link = await browser.get("document.querySelector('#link-out').value");
  assert.ok(link.startsWith(`${server.url}#head=`) && link.length < 32000, link.length);
  await browser.get('localStorage.clear()');
  await browser.open('about:blank');
  await browser.open(link);
  await browser.wait(textOf(nth(1, '.name-text')), 'stripes');
  await browser.wait(textOf('#told'), 'The head of the link is here.');
  assert.equal(await browser.get('location.hash'), '');
  const kept = await browser.get("JSON.parse(localStorage.getItem('offshoot')).head");
  assert.deepEqual(Buffer.from(kept, 'base64url'), head);
  await browser.click('#forget');
  await browser.click('#forget-all');
  await browser.wait(textOf(nth(1, '.count')), 'not taught yet');
  await browser.open('about:blank');
  await browser.open(link);
  await browser.wait(textOf(nth(2, '.count')), '2 more');
}

/** Without a network, and with nobody to tell. */
async function alone(browser, server) {
  const worker = "navigator.serviceWorker.getRegistration().then((r) => String([r?.installing, r?.waiting, r?.active].map((w) => w?.state)))";
  await browser.wait('document.body.dataset.offline', 'ready').catch(async (error) => {
    throw new Error(`${error.message}; worker: ${await browser.later(worker)}; ${await browser.get(textOf('#told'))}`);
  });
  await browser.wait('Boolean(navigator.serviceWorker.controller)', true);
  assert.deepEqual(await browser.complaints(), []);
  server.stop();
  await browser.open('about:blank');
  await browser.open(server.url);
  await browser.wait("document.querySelector('#link').dataset.is", 'live');
  await browser.wait(textOf(nth(2, '.count')), '2 more');
  await browser.wait(STRIPED, true);
  await browser.wait(textOf('#label'), 'stripes');
  assert.deepEqual(await browser.complaints(), []);
  // The server was asked for the files of the page, and told nothing.
  const paths = new Set(server.asked);
  for (const path of paths) assert.match(path, /^\/(\w+\.(js|wasm|css|svg|offshoot|html))?$/);
  // The browser keeps the page from more.
  for (const url of ['https://example.org/', 'http://127.0.0.1:9/', 'data:text/plain,1']) {
    assert.match(await browser.later(`fetch('${url}').then(() => 'fetched')`), /TypeError/);
  }
  const refused = await browser.complaints();
  assert.equal(refused.filter((line) => line.includes('Refused to connect')).length, 3, refused.join('\n'));
}
