// The source of the page that is alone: this browser's camera, and the module in place of a board.
// It has the members of targets/device/src/web/page/source.js, and what a board's page has not.

import init, * as offshoot from './offshoot.js';
import { fromLink, fromText, toLink, toText } from './link.js';
import { NOTHING, Refusal, Session } from './session.js';

const PACKAGE = 'extractor.offshoot';
const MEMORY = 'offshoot';
/** Longer side of a lesson's picture, in points. */
const THUMB = 72;

const $ = (id) => document.getElementById(id);

/** Loads the module and the package, once. */
const ready = (async () => {
  const [reply] = await Promise.all([fetch(PACKAGE), init()]);
  if (!reply.ok) throw new Error(`${PACKAGE}: ${reply.status}`);
  return new Session(offshoot, new offshoot.Extractor(new Uint8Array(await reply.arrayBuffer())));
})();

/** The frame that was looked at last: what the page shows, and what a lesson is of. */
const canvas = Object.assign(document.createElement('canvas'), { id: 'picture', hidden: true });
const pen = canvas.getContext('2d', { willReadFrequently: true });
const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
/** An image that is looked at in place of the camera. */
let still = null;
let trouble = null;
let waited = 0;
let page = null;

/* ---- The camera. ---- */

async function open() {
  try {
    if (!navigator.mediaDevices) throw new Error('browsers give it to https and localhost only');
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: 'environment' };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    for (const track of video.srcObject.getTracks()) track.onended = () => { gone('it was unplugged or taken away'); };
    await video.play();
    trouble = null;
  } catch (error) {
    gone(error.message);
  }
}

function gone(why) {
  trouble = `No camera: ${why}. Allow it and load the page again, or add images.`;
  video.srcObject = null;
}

const MOST_WAIT = 1000;

/** Waits for a frame of the camera that was not seen yet. */
const fresh = () => new Promise((done) => {
  const last = setTimeout(done, MOST_WAIT);
  if (!video.requestVideoFrameCallback) return requestAnimationFrame(() => { clearTimeout(last); done(); });
  video.requestVideoFrameCallback(() => { clearTimeout(last); done(); });
});

/** Draws the newest frame; null without one. */
async function frame() {
  const start = performance.now();
  if (!still && video.srcObject) await fresh();
  waited = performance.now() - start;
  const from = still ?? (video.srcObject && video.videoWidth ? video : null);
  return from && draw(from, from.videoWidth ?? from.width, from.videoHeight ?? from.height);
}

function draw(from, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  pen.drawImage(from, 0, 0);
  return pen.getImageData(0, 0, width, height);
}

/** A small picture of what is on the canvas. */
function thumb() {
  const scale = Math.min(1, THUMB / Math.max(canvas.width, canvas.height));
  const small = document.createElement('canvas');
  [small.width, small.height] = [canvas.width, canvas.height].map((side) => Math.max(1, Math.round(side * scale)));
  small.getContext('2d').drawImage(canvas, 0, 0, small.width, small.height);
  return small.toDataURL('image/jpeg', 0.7);
}

/** Decodes an image file, shrunk where it is huge. */
async function picture(file) {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, 1280 / Math.max(whole.width, whole.height));
    if (scale === 1) return whole;
    const [resizeWidth, resizeHeight] = [whole.width, whole.height].map((side) => Math.max(1, Math.round(side * scale)));
    return await createImageBitmap(whole, { resizeWidth, resizeHeight, resizeQuality: 'high' });
  } catch {
    throw new Refusal(`${file.name} is no image that this browser knows`);
  }
}

/* ---- The members that a board has, too. ---- */

const moment = (session, extras) => session.moment({
  sides: canvas.width && !trouble || still ? [canvas.width, canvas.height] : null,
  trouble: still ? null : trouble,
  camera: waited,
  ...extras,
});

export const source = {
  async moment(extras) {
    const session = await ready;
    const image = await frame();
    if (image) session.look(image);
    else session.blind();
    return moment(session, extras);
  },

  /** The frame is on the canvas already. */
  async see() {},

  async press(path, body) {
    const session = await ready;
    const [, button, of] = path.split('/');
    const place = of === undefined || of === NOTHING ? of : Number(of);
    if (button === 'teach') {
      const image = await frame();
      if (!image) throw new Refusal('there is no camera: add images instead');
      session.teach(place, image, thumb());
    } else if (button === 'undo') session.undo(place);
    else if (button === 'name') session.rename(place, body);
    else throw new Refusal(`no button ${path}`);
    keep(session);
    return moment(session);
  },

  lost(error) {
    return ['This page cannot run here', `${error.message}. It wants a browser of 2023 or later.`];
  },

  /** Adds the lessons of a class below it. */
  decorate(item, name) {
    if (!settled) return;
    let list = item.querySelector('.thumbs');
    if (!list) {
      list = Object.assign(document.createElement('ul'), { className: 'thumbs' });
      const add = Object.assign(document.createElement('button'), { type: 'button', className: 'add-images quiet', textContent: 'Add images' });
      add.addEventListener('click', () => choose(item));
      item.append(list, add);
    }
    item.dataset.name = name;
    list.ariaLabel = `Lessons of ${name}`;
    item.querySelector('.add-images').ariaLabel = `Add images to ${name}`;
    const lessons = settled.lessonsOf(name);
    // Drawn anew only when it is another list.
    const is = JSON.stringify([name, lessons]);
    if (list.dataset.is === is) return;
    list.dataset.is = is;
    list.replaceChildren(...lessons.map(({ sample, thumb }, at) => lesson(sample, thumb, `lesson ${at + 1} of ${name}`)));
  },

  begin(given) {
    page = given;
    $('picture').replaceWith(canvas);
    canvas.role = 'img';
    canvas.ariaLabel = 'What the camera sees';
    start();
  },
};

/** The session, once it is there. */
let settled = null;

function lesson(sample, thumb, name) {
  const item = document.createElement('li');
  const remove = Object.assign(document.createElement('button'), { type: 'button', title: `Delete ${name}`, ariaLabel: `Delete ${name}` });
  if (thumb) remove.append(Object.assign(new Image(), { src: thumb, alt: '' }));
  // It came with a head, which has no pictures.
  else remove.textContent = '?';
  remove.addEventListener('click', () => act((session) => session.remove(sample)));
  item.append(remove);
  return item;
}

/* ---- What this page alone has. ---- */

/** Changes the session, keeps it, and shows what it is then; what is refused is said. */
async function act(change) {
  const session = await ready;
  try {
    await change(session);
    keep(session);
  } catch (error) {
    page.show(moment(session));
    tell(error.message);
    return;
  }
  page.show(moment(session));
}

const tell = (words) => { $('told').textContent = words; };

function keep(session) {
  try {
    const head = session.head.sampleCount || session.head.classCount ? toText(session.save()) : null;
    localStorage.setItem(MEMORY, JSON.stringify({ head, rest: session.rest }));
  } catch {
    tell('This browser keeps no more: save the head file.');
  }
}

function recall(session) {
  try {
    const kept = JSON.parse(localStorage.getItem(MEMORY));
    if (kept?.head) session.load(fromText(kept.head));
    if (kept) session.rest = kept.rest;
  } catch (error) {
    tell(`What this browser kept is of no use: ${error.message}`);
  }
}

async function arrive(session) {
  try {
    const bytes = await fromLink(location.hash);
    if (!bytes) return;
    history.replaceState(null, '', location.pathname);
    // Nobody's lessons are lost by opening a link, and none is there twice for opening it again.
    if (toText(session.save()) !== toText(bytes)) session.load(bytes, session.head.sampleCount > 0);
    keep(session);
    tell('The head of the link is here.');
  } catch (error) {
    tell(`The link: ${error.message}`);
  }
}

function choose(item) {
  const input = $('images');
  input.onchange = () => act(async (session) => {
    const place = item.parentElement.id === 'empty' ? NOTHING : [...item.parentElement.children].indexOf(item);
    for (const file of [...input.files]) {
      const image = await picture(file);
      session.teach(place, draw(image, image.width, image.height), thumb());
    }
    input.value = '';
    tell('');
  });
  input.click();
}

function buttons() {
  $('export').addEventListener('click', () => act((session) => {
    const url = URL.createObjectURL(new Blob([session.save()], { type: 'application/octet-stream' }));
    Object.assign(document.createElement('a'), { href: url, download: 'things.head' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }));
  for (const [id, add] of [['import', false], ['join', true]]) {
    $(id).addEventListener('click', () => {
      const input = $('head-file');
      input.onchange = () => act(async (session) => {
        const [file] = input.files;
        const bytes = new Uint8Array(await file.arrayBuffer());
        input.value = '';
        session.load(bytes, add);
        tell(`${file.name} is loaded.`);
      });
      input.click();
    });
  }
  $('share').addEventListener('click', () => act(async (session) => {
    const link = await toLink(session.save());
    if (!link) throw new Refusal('It was taught too much for a link: save the head file.');
    const url = location.origin + location.pathname + link;
    $('link-out').value = url;
    $('link-out').hidden = false;
    $('link-out').select();
    await navigator.clipboard?.writeText(url).then(() => tell('The link is copied.'), () => tell('Copy the link below.'));
  }));
  $('forget').addEventListener('click', () => $('forgetting').showModal());
  $('forgetting').addEventListener('close', () => {
    if ($('forgetting').returnValue === 'forget') act((session) => session.forget());
  });
  $('rate').addEventListener('change', () => act((session) => { session.falseRejectionRate = Number($('rate').value); }));
  $('still').addEventListener('click', () => {
    if (still) return camera();
    const input = $('one-image');
    input.onchange = () => act(async () => {
      still = await picture(input.files[0]);
      input.value = '';
      $('still').textContent = 'Back to the camera';
    });
    input.click();
  });
}

function camera() {
  still = null;
  $('still').textContent = 'Ask about an image';
}

async function start() {
  buttons();
  navigator.serviceWorker?.register('worker.js').then(
    () => navigator.serviceWorker.ready,
    () => tell('This browser will not open the page without a network.'),
  ).then((there) => { if (there) document.body.dataset.offline = 'ready'; });
  const session = await ready.catch(() => null);
  if (!session) return;
  recall(session);
  await arrive(session);
  addEventListener('hashchange', () => arrive(session));
  $('rate').value = String(Math.round(session.falseRejectionRate * 100) / 100);
  settled = session;
  await open();
}
