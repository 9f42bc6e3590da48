// The page that teaches: asks its source for the newest moment, again and again, and presses buttons.
// Everything comes from the source, which is a board or this browser; a moment that was missed is
// never caught up with.

import { begin as beginPointing, choose, isPointing, showObjects, showPoint } from './points.js';
import { source } from './source.js';

const $ = (id) => document.getElementById(id);
const part = (item, name) => item.querySelector('.' + name);

/** A picture at most this often, in milliseconds. */
const PACE = 80;

const PARTS = { camera: 'Camera, waited for', eyes: 'Network', head: 'Answer or lesson', screen: 'Screen' };

/** The empty scene: its name, and its place in a path. */
const NOTHING = 'nothing';

let moment = null;
/** Number of the moment whose picture is shown, when that was, and how many come in a second. */
let [seen, when, rate] = [-1, 0, 0];

const isPressed = (id) => $(id).ariaPressed === 'true';
const sleep = (time) => new Promise((done) => setTimeout(done, time));

/* ---- The newest moment, as long as the page is open. ---- */

async function follow() {
  for (let failures = 0; ;) {
    const start = performance.now();
    try {
      const next = await source.moment({ after: seen, heat: isPressed('heat-button'), report: $('report').open });
      // The same one again: the device waits for something, and says for what.
      if (next.frame !== seen) {
        await see(next);
        const now = performance.now();
        rate += 0.2 * (1000 / (now - when) - rate);
        [seen, when] = [next.frame, now];
      }
      link('live');
      // A press may have been answered by a later one meanwhile.
      if (failures || !moment || next.frame >= moment.frame) show(next);
      failures = 0;
      await sleep(PACE - (performance.now() - start));
    } catch (error) {
      failures += 1;
      seen = -1;
      lost(error);
      await sleep(Math.min(2000, 250 * failures));
    }
    // A page that nobody looks at asks for nothing.
    if (document.hidden) {
      await new Promise((back) => document.addEventListener('visibilitychange', back, { once: true }));
    }
  }
}

async function see(next) {
  const picture = $('picture');
  $('nothing').hidden = next.picture !== null;
  picture.hidden = next.picture === null;
  if (next.picture === null) return;
  const [width, height] = next.picture;
  $('view').style.aspectRatio = `${width} / ${Math.min(height, width)}`;
  await source.see(picture);
}

/* ---- Whether there is a source. ---- */

function link(is) {
  document.body.classList.toggle('lost', is === 'lost');
  $('lost').hidden = is !== 'lost';
  $('link').dataset.is = is;
  text($('link-text'), is === 'live' ? `live, ${Math.max(1, Math.round(rate))} fps` : 'not connected');
  for (const button of document.querySelectorAll('main button')) button.disabled = is === 'lost';
}

function lost(error) {
  release();
  link('lost');
  [$('lost-title').textContent, $('lost-text').textContent] = source.lost(error);
}

/* ---- What a moment looks like. ---- */

const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const lessons = (count) => (count === 1 ? '1 lesson' : `${count} lessons`);

function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function show(next) {
  moment = next;
  const { state } = next;
  $('answer').dataset.is = state.is;
  const [label, sure] = said(state, next.goal);
  text($('label'), label);
  text($('sure'), sure);
  text($('hint'), advice(next));
  $('next').hidden = !next.has_next;
  $('damaged').hidden = !next.has_lost;
  showTuning(next);
  $('fault').hidden = !next.fault;
  text($('fault'), next.fault ?? '');
  $('add').hidden = !next.has_room;
  $('forget-lessons').hidden = !next.can_forget;
  showObjects(next);
  showClasses(next);
  showHeat(next.picture && isPressed('heat-button') ? next.heat : null, next.picture);
  if ($('report').open && !isPointing()) showReport(next);
  showTimes(next.times);
}

/** Whether the network is tuned on the lessons, or is being tuned. */
function showTuning({ tuning, is_tuned: isTuned }) {
  const isTuning = typeof tuning === 'number';
  $('tuning').hidden = !isTuning && !isTuned;
  text($('tuning'), isTuning ? `Tuning to your lessons: ${percent(tuning)}` : 'Tuned to your lessons');
}

/** The large line, and what stands beside it. */
function said(state, goal) {
  switch (state.is) {
    case 'welcome': return [`Show a ${state.class}, hold Teach`, ''];
    case 'teaching': return [state.class, state.count > goal ? lessons(state.count) : `${state.count} of ${goal}`];
    case 'answer': return [state.class, percent(state.confidence)];
    case 'found': return [state.class, String(state.count)];
    case 'unknown': return ['?', ''];
    case 'nothing': return ['nothing', ''];
    case 'report': return [`${state.right} of ${state.asked} right. ${state.advice.replaceAll('`', '')}`, ''];
    default: return [state.text, ''];
  }
}

/** What to do next: what a class that was begun still wants, else how to begin. */
function advice({ classes, nothing, goal, state, hint, is_still: isStill }) {
  if (isPointing()) return isStill ? hint : 'Tap what it is to find, or drag a box around it';
  if (nothing.lessons > 0 && nothing.lessons < goal) return `${goal - nothing.lessons} more of nothing`;
  const begun = classes.filter(({ lessons }) => lessons > 0);
  const short = begun.find(({ lessons }) => lessons < goal);
  if (short) return `${goal - short.lessons} more for ${short.name}`;
  if (begun.length === 0) return 'One lesson for each picture, as long as it is held';
  if (begun.length === 1) return 'Show me something else, too: teach another class';
  return state.is === 'unknown' ? 'Nothing it was taught' : 'Turn it, move it: it should stay sure';
}

function showClasses(next) {
  const { classes, nothing } = next;
  const list = $('classes');
  while (list.children.length > classes.length) list.lastChild.remove();
  while (list.children.length < classes.length) list.append(newClass(list.children.length));
  if (!$('empty').children.length) $('empty').append(newClass(NOTHING));
  classes.forEach((one, index) => {
    showClass(list.children[index], one, next);
    showPoint(list.children[index], index, one.name);
  });
  showClass($('empty').firstChild, nothing, next);
  showPoint($('empty').firstChild, null, NOTHING);
}

function showClass(item, { name, lessons: count, probability }, { goal, threshold, state }) {
  const told = { nothing: NOTHING, answer: state.class, found: state.class, teaching: state.class }[state.is];
  item.classList.toggle('leads', state.is !== 'teaching' && name === told);
  item.classList.toggle('learns', state.is === 'teaching' && name === told);
  text(part(item, 'name-text'), name);
  if (name !== NOTHING) part(item, 'name').ariaLabel = `Rename ${name}`;
  part(item, 'teach').ariaLabel = `Teach ${name}`;
  part(item, 'undo').ariaLabel = `Undo the last lesson of ${name}`;
  part(item, 'undo').hidden = count === 0;
  text(part(item, 'percent'), count ? percent(probability) : '');
  const bar = part(item, 'bar');
  bar.ariaLabel = `How likely it is ${name}`;
  bar.ariaValueNow = Math.round(100 * probability);
  bar.firstChild.style.width = `${100 * probability}%`;
  const mark = bar.lastChild;
  mark.hidden = threshold === null;
  mark.style.left = `${100 * threshold}%`;
  mark.title = `Recognized from ${percent(threshold)}`;
  const dots = part(item, 'dots');
  while (dots.children.length < goal) dots.append(document.createElement('b'));
  [...dots.children].forEach((dot, at) => dot.classList.toggle('on', at < count));
  source.decorate?.(item, name);
  text(part(item, 'count'), count === 0 ? 'not taught yet' : count < goal ? `${goal - count} more` : lessons(count));
}

/** Warm where the picture speaks for the class, between the middles of the map's parts. */
function showHeat(heat, sides) {
  const canvas = $('heat');
  canvas.hidden = !heat;
  if (!heat) return;
  const small = new OffscreenCanvas(heat.width, heat.height);
  const inks = small.getContext('2d');
  const pixels = inks.createImageData(heat.width, heat.height);
  heat.values.forEach((value, at) => pixels.data.set([255, Math.round(210 * value), 20, Math.round(165 * value)], 4 * at));
  inks.putImageData(pixels, 0, 0);
  [canvas.width, canvas.height] = sides;
  const [left, top, width, height] = heat.part;
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  const seen = [left * sides[0], top * sides[1], width * sides[0], height * sides[1]];
  // What lies outside was not looked at.
  pen.fillStyle = 'rgb(8 14 12 / 0.55)';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.clearRect(...seen);
  pen.drawImage(small, ...seen);
}

function showReport({ report, classes, goal }) {
  if (!report || report.asked === 0) {
    text($('report-text'), report ? 'Too few lessons to ask about any.' : 'Nothing was taught yet.');
    $('advice').replaceChildren();
    $('confusion').replaceChildren();
    return;
  }
  text($('report-text'), `${report.right} of ${report.asked} lessons are answered rightly when held out. `
    + `New pictures: ${percent(report.low)} to ${percent(report.high)}, with 95 % certainty.`
    + (classes.some(({ lessons }) => lessons > 0 && lessons < goal) ? ' So few lessons say little.' : ''));
  $('advice').replaceChildren(...report.advice.map((line) => Object.assign(document.createElement('li'), { textContent: line.replaceAll('`', '') })));
  const { names } = report;
  const cell = (tag, content) => Object.assign(document.createElement(tag), { textContent: content });
  const table = document.createElement('table');
  table.createCaption().textContent = 'Shown (rows), taken for (columns)';
  const corner = Object.assign(cell('td', ''), { className: 'corner' });
  table.createTHead().insertRow().append(corner, ...names.map((name) => cell('th', name)));
  const body = table.createTBody();
  report.confusion.forEach((row, own) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    const line = body.insertRow();
    line.append(cell('th', names[own]));
    row.forEach((count, said) => {
      const place = cell('td', count || '');
      place.className = own === said ? 'right' : 'wrong';
      place.style.setProperty('--share', all ? count / all : 0);
      line.append(place);
    });
  });
  $('confusion').replaceChildren(table);
  // What scrolls is reached by keyboard, too.
  $('confusion').tabIndex = $('confusion').scrollWidth > $('confusion').clientWidth ? 0 : -1;
}

function showTimes(times) {
  const all = Object.values(times).reduce((sum, time) => sum + time, 0);
  text($('total'), `${all.toFixed(0)} ms`);
  if (!$('times').open) return;
  if (!$('spent').children.length) {
    for (const [key, name] of Object.entries(PARTS)) {
      $('spent').append(Object.assign(document.createElement('span'), { className: key }));
      const ink = Object.assign(document.createElement('i'), { className: key });
      const term = document.createElement('dt');
      term.append(ink, name);
      $('parts').append(term, document.createElement('dd'));
    }
  }
  Object.keys(PARTS).forEach((key, at) => {
    $('spent').children[at].style.flexGrow = times[key];
    text($('parts').querySelectorAll('dd')[at], `${times[key].toFixed(1)} ms`);
  });
  $('spent').ariaLabel = Object.entries(PARTS).map(([key, name]) => `${name} ${times[key].toFixed(1)} milliseconds`).join(', ');
}

/* ---- Buttons. ---- */

/** Presses a button; the reply is the moment after it. */
async function press(path, body) {
  try {
    show(await source.press(path, body));
    return true;
  } catch (error) {
    if (error.status === 503 || error.status === 404) text($('hint'), error.message);
    else lost(error);
    return false;
  }
}

let held = null;

/** One lesson at once, then one after the other while it is held; each waits for the one before. */
async function hold(index) {
  if (held !== null || !moment || index >= moment.classes.length) return;
  const mine = (held = { index });
  const item = index === NOTHING ? $('empty').firstChild : $('classes').children[index];
  const button = part(item, 'teach');
  button.classList.add('held');
  while (held === mine && await press(`/teach/${index}`));
  button.classList.remove('held');
  if (held === mine) held = null;
}

function release() {
  held = null;
}

function newClass(index) {
  const item = $('class').content.firstElementChild.cloneNode(true);
  part(item, 'number').textContent = index === NOTHING ? 0 : index + 1;
  const teach = part(item, 'teach');
  teach.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    teach.setPointerCapture(event.pointerId);
    hold(index);
  });
  for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) teach.addEventListener(end, release);
  teach.addEventListener('contextmenu', (event) => event.preventDefault());
  // Space and Enter hold as a finger does; a press by a screen reader is one lesson.
  teach.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    hold(index);
  });
  teach.addEventListener('keyup', release);
  teach.addEventListener('blur', release);
  teach.addEventListener('click', (event) => { if (event.detail === 0) press(`/teach/${index}`); });
  part(item, 'undo').addEventListener('click', () => press(`/undo/${index}`));
  part(item, 'point').addEventListener('click', () => choose(index));
  const name = part(item, 'name');
  if (index === NOTHING) {
    // It keeps its name, and so needs no button.
    name.outerHTML = '<span class="name"><span class="name-text"></span></span>';
  } else {
    name.addEventListener('click', () => rename(index, moment.classes[index].name));
  }
  return item;
}

function rename(index, name) {
  $('naming-title').textContent = name === null ? 'Name of the new class' : `New name for ${name}`;
  $('name').value = name ?? '';
  $('naming').returnValue = '';
  $('naming').showModal();
  $('name').select();
  $('naming').onclose = () => {
    const value = $('name').value.trim();
    if ($('naming').returnValue === 'done' && value && value !== name) press(`/name/${index}`, value);
  };
}

$('add').addEventListener('click', () => rename(moment.classes.length, null));
$('never').addEventListener('click', () => $('naming').close());
$('next').addEventListener('click', () => press('/next'));
$('forget-lessons').addEventListener('click', () => {
  // Escape is a no, also after a yes before.
  $('forget-dialog').returnValue = '';
  $('forget-dialog').showModal();
});
$('forget-dialog').addEventListener('close', () => {
  if ($('forget-dialog').returnValue === 'forget') press('/forget');
});
$('heat-button').addEventListener('click', () => {
  $('heat-button').ariaPressed = String(!isPressed('heat-button'));
});

document.addEventListener('keydown', (event) => {
  if (event.target.matches('input') || $('naming').open || $('forget-dialog').open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '0') hold(NOTHING);
  else if (/^[1-9]$/.test(event.key)) hold(Number(event.key) - 1);
  else if (event.repeat) return;
  else if (event.key === 'u') press('/undo');
  else if (event.key === 'n' && moment?.has_next) press('/next');
  else if (event.key === 'h') $('heat-button').click();
});
document.addEventListener('keyup', (event) => { if (/^[0-9]$/.test(event.key)) release(); });
addEventListener('blur', release);

beginPointing(press);
source.begin?.({ show, say: (words) => text($('hint'), words) });
follow();
