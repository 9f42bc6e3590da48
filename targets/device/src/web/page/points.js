// Objects in the picture of a device that points: dots, boxes and names; taught by taps and boxes on a
// picture that is kept still.

const $ = (id) => document.getElementById(id);
const part = (item, name) => item.querySelector('.' + name);

/** Shortest side of a box, as a share of the picture's; what is shorter is a tap. */
const TAP = 0.03;

/** Distance up to which a dot is that of an object that is taught, as a share of the picture's sides. */
const NEAR = 0.1;

/** Least width of the drawing, for names that can be read on a small picture. */
const SHARP = 960;

let press = null;
let moment = null;
/** Class that a tap teaches, and where a finger went down. */
let [chosen, start] = [0, null];

/** Whether the source points at objects. */
export const isPointing = () => Boolean(moment?.objects);

/** Draws the objects of the newest moment, and shows what belongs to pointing alone. */
export function showObjects(next) {
  moment = next;
  const is = isPointing();
  document.body.classList.toggle('points', is);
  $('go-on').hidden = !is || !next.is_still;
  $('undo-object').hidden = !is || !next.is_still;
  for (const id of ['heat-button', 'report']) $(id).hidden = is;
  $('objects').hidden = !is || !next.picture;
  if (is && next.picture) draw();
}

/** Shows of a class's line how many are found, and whether a tap teaches it. */
export function showPoint(item, index, name) {
  const button = part(item, 'point');
  button.hidden = !isPointing() || index === null;
  if (!isPointing()) return;
  part(item, 'undo').hidden = true;
  part(item, 'percent').textContent = index === null ? '' : moment.objects.filter((one) => !one.is_taught && one.name === name).length;
  if (index === null) {
    part(item, 'count').textContent = 'a picture without any';
    return;
  }
  chosen = Math.min(chosen, moment.classes.length - 1);
  button.ariaPressed = String(index === chosen);
  button.ariaLabel = `Point at ${name}`;
}

/** Chooses the class that a tap teaches. */
export function choose(index) {
  chosen = index;
  if (moment) moment.classes.forEach(({ name }, at) => showPoint($('classes').children[at], at, name));
}

function draw(drag = null) {
  const canvas = $('objects');
  const [width, height] = moment.picture;
  const scale = Math.max(1, Math.ceil(SHARP / width));
  [canvas.width, canvas.height] = [scale * width, scale * height];
  const pen = canvas.getContext('2d');
  const unit = canvas.width / 160;
  pen.font = `600 ${7 * unit}px system-ui, sans-serif`;
  pen.textBaseline = 'middle';
  for (const { name, centre, size, is_taught: isTaught } of moment.objects) {
    const [x, y] = [centre[0] * canvas.width, centre[1] * canvas.height];
    pen.strokeStyle = pen.fillStyle = isTaught ? '#6cacff' : '#4ccfa8';
    pen.lineWidth = unit;
    if (size) {
      const [wide, high] = [size[0] * canvas.width, size[1] * canvas.height];
      pen.strokeRect(x - wide / 2, y - high / 2, wide, high);
    }
    pen.beginPath();
    pen.arc(x, y, 2.4 * unit, 0, 2 * Math.PI);
    pen.fill();
    // A dark rim keeps dot and name apart from any picture.
    pen.strokeStyle = '#0f131a';
    pen.stroke();
    // One that is taught has its name already.
    const isNear = (other) => other.is_taught && other.name === name && Math.hypot(other.centre[0] - centre[0], other.centre[1] - centre[1]) < NEAR;
    if (!isTaught && moment.objects.some(isNear)) continue;
    pen.lineWidth = 2 * unit;
    const isLate = x + 5 * unit + pen.measureText(name).width > canvas.width;
    pen.textAlign = isLate ? 'right' : 'left';
    const from = x + (isLate ? -5 : 5) * unit;
    pen.strokeText(name, from, y);
    pen.fillText(name, from, y);
  }
  if (!drag) return;
  pen.strokeStyle = '#6cacff';
  pen.lineWidth = unit;
  pen.strokeRect(drag[0] * canvas.width, drag[1] * canvas.height, drag[2] * canvas.width, drag[3] * canvas.height);
}

/** Shares of the picture's sides under a finger. */
function under(event) {
  const view = $('view').getBoundingClientRect();
  const [width, height] = moment.picture;
  const scale = Math.min(view.width / width, view.height / height);
  const inside = (at, from, all, side) => Math.min(1, Math.max(0, (at - from - (all - side * scale) / 2) / (side * scale)));
  return [inside(event.clientX, view.left, view.width, width), inside(event.clientY, view.top, view.height, height)];
}

/** Left, top, width and height between where a finger went down and where it is. */
function dragged(event) {
  const [x, y] = under(event);
  return [Math.min(x, start[0]), Math.min(y, start[1]), Math.abs(x - start[0]), Math.abs(y - start[1])];
}

/** Listens to fingers on the picture; `pressed` presses a button of the source. */
export function begin(pressed) {
  press = pressed;
  const view = $('view');
  view.addEventListener('pointerdown', (event) => {
    if (!isPointing() || !moment.picture || event.button !== 0 || event.target.closest('button')) return;
    view.setPointerCapture(event.pointerId);
    start = under(event);
    // The thing may move on: the picture is kept from here on.
    if (!moment.is_still) press('/still');
  });
  view.addEventListener('pointermove', (event) => { if (start) draw(dragged(event)); });
  view.addEventListener('pointerup', (event) => {
    if (!start) return;
    const box = dragged(event);
    const shape = box[2] < TAP || box[3] < TAP ? start : box;
    start = null;
    press(`/point/${chosen}`, shape.map((share) => share.toFixed(4)).join(' '));
  });
  // The browser would drag the picture itself.
  view.addEventListener('dragstart', (event) => { if (isPointing()) event.preventDefault(); });
  view.addEventListener('pointercancel', () => { start = null; });
  $('go-on').addEventListener('click', () => press('/live'));
  $('undo-object').addEventListener('click', () => press('/undo'));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && isPointing() && moment.is_still) press('/live');
  });
}
