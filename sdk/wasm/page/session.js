// The loop of a device that is taught, without a camera and without a page: what
// targets/device/src/session.rs does on a board. The moments are those that a board sends.

/** The empty scene: its name, and its place in a path. */
export const NOTHING = 'nothing';
/** Classes with a button, and lessons from which a class counts as taught. */
export const MOST_CLASSES = 9;
const GOAL = 5;
/** Classes that are offered if none is named. */
const FEWEST = 2;
/** Room for samples, as on a board. */
const SAMPLES = 180;
/** Mean probability from which a class is told, and the weight of the newest frame in the mean. */
const THRESHOLD = 0.6;
const NEWEST = 0.5;
/** Frames for which a lesson or a message stays. */
const LINGER = 4;

/** Error of a press that is refused: the page says it and goes on. */
export class Refusal extends Error {
  status = 404;
}

const key = (embedding) => (embedding.codes() ?? embedding.values()).join();

export class Session {
  #offshoot;
  #extractor;
  #frame = 0;
  #smooth = new Map();
  #started = false;
  /** Name of the newest lesson's class, unless it was taken back. */
  #newest = null;
  #mode = null;
  #left = 0;
  /** Picture of each sample, by its embedding. */
  #thumbs = new Map();
  /** What `#all` gave, until something changes: the page asks in every frame. */
  #lessons = null;
  #times = { camera: 0, eyes: 0, head: 0, screen: 0 };

  constructor(offshoot, extractor) {
    this.#offshoot = offshoot;
    this.#extractor = extractor;
    this.forget();
  }

  /** Begins anew. */
  forget() {
    this.#use(new this.#offshoot.Head(this.#extractor, { classes: MOST_CLASSES + 1, samples: SAMPLES }));
    this.#thumbs.clear();
  }

  #use(head) {
    head.setWhenFull('herding');
    this.head?.free();
    this.head = head;
    this.#names();
    this.#changed();
    this.#newest = null;
  }

  /** Names by place: those of the head, then others. */
  #names() {
    this.names = this.#ordinary();
    this.named = this.names.length;
    for (let number = 1; this.names.length < MOST_CLASSES; number += 1) {
      const name = `thing ${Math.max(number, this.names.length + 1)}`;
      if (!this.names.includes(name)) this.names.push(name);
    }
  }

  #ordinary() {
    return this.head.classNames().filter((name) => name !== NOTHING);
  }

  /** What was learned has changed: means of other answers are stale. */
  #changed() {
    this.#smooth.clear();
    this.#started = false;
    this.#lessons = null;
  }

  #say(text) {
    this.#mode = { is: 'message', text };
    this.#left = LINGER;
  }

  #name(place) {
    const name = place === NOTHING ? NOTHING : this.names[place];
    if (name === undefined) throw new Refusal(`\`${place}\` is no class from 0 to ${MOST_CLASSES - 1}`);
    return name;
  }

  /** Teaches an image to the class at a place; `thumb` is what the page shows of it. */
  teach(place, image, thumb) {
    const name = this.#name(place);
    const embedding = this.#embed(image);
    const start = performance.now();
    if (name === NOTHING) {
      if (this.head.classNamed(NOTHING) === undefined) this.head.addClass(NOTHING);
    } else {
      // Those before it, too, so that the places of a board are the same.
      for (const other of this.names.slice(this.#ordinary().length, place + 1)) this.head.addClass(other);
      this.named = Math.max(this.named, place + 1);
    }
    this.head.addSample(this.head.classNamed(name), embedding);
    this.#thumbs.set(key(embedding), thumb);
    embedding.free();
    this.#times.head = performance.now() - start;
    this.#changed();
    this.#newest = name;
    [this.#mode, this.#left] = [{ is: 'teaching', class: name }, LINGER];
  }

  /** Takes back the newest lesson, or the newest of the class at a place. */
  undo(place) {
    const name = place === undefined ? undefined : this.#name(place);
    if (name === undefined || name === this.#newest) {
      const undone = this.head.undo();
      if (undone === undefined) return this.#say('Nothing to undo');
      this.#newest = null;
      return this.#forgotten(this.head.className(undone));
    }
    const sample = this.lessonsOf(name).at(-1)?.sample;
    if (sample === undefined) return this.#say('Nothing to undo');
    this.remove(sample);
  }

  /** Removes one lesson. */
  remove(sample) {
    const name = this.head.className(this.head.removeSample(sample));
    this.#newest = null;
    this.#forgotten(name);
  }

  #forgotten(name) {
    this.#changed();
    this.#say(`Forgot one of ${name}`);
  }

  rename(place, name) {
    const old = this.#name(place);
    if (name === NOTHING) return this.#say(`${NOTHING} is the name of the empty scene`);
    const other = this.names.indexOf(name);
    if (other >= 0 && other !== place) return this.#say(`${name} is class ${other + 1} already`);
    const index = this.head.classNamed(old);
    try {
      if (index !== undefined) this.head.renameClass(index, name);
      else this.#check(name);
    } catch (error) {
      return this.#say(error.message);
    }
    if (name === old) return;
    this.names[place] = name;
    this.named = Math.max(this.named, place + 1);
    if (this.#newest === old) this.#newest = name;
    if (this.#mode?.class === old) this.#mode.class = name;
    if (this.#smooth.has(old)) this.#smooth.set(name, this.#smooth.get(old));
    this.#smooth.delete(old);
  }

  /** Has a head refuse a name that none can have. */
  #check(name) {
    const head = new this.#offshoot.Head(this.#extractor, { kind: 'ncm', classes: 1, samples: 1 });
    try {
      head.addClass(name);
    } finally {
      head.free();
    }
  }

  /** The lessons of a class: index of the sample, and its picture if it was taught here. */
  lessonsOf(name) {
    const index = this.head.classNamed(name);
    this.#lessons ??= this.#all();
    return this.#lessons.filter((lesson) => lesson.index === index).map(({ sample, thumb }) => ({ sample, thumb }));
  }

  /** Class, key and picture of every sample. */
  #all() {
    return Array.from(this.head.sampleClasses(), (index, sample) => {
      const { embedding } = this.head.sample(sample);
      const own = key(embedding);
      embedding.free();
      return { index, sample, own, thumb: this.#thumbs.get(own) };
    });
  }

  set falseRejectionRate(rate) {
    this.head.setFalseRejectionRate(rate);
    this.#changed();
  }

  get falseRejectionRate() {
    return this.head.falseRejectionRate;
  }

  /** The bytes of the head, which a board loads. */
  save() {
    return this.head.encode();
  }

  /** Loads a head in place of this one, or adds its lessons to this one. */
  load(bytes, add = false) {
    const head = this.#offshoot.Head.decode(bytes, this.#extractor);
    const classes = head.classNames();
    const all = new Set(add ? [...this.#ordinary(), ...classes] : classes);
    all.delete(NOTHING);
    if (all.size > MOST_CLASSES) {
      head.free();
      throw new Refusal(`${all.size} classes are too many: the page has buttons for ${MOST_CLASSES}`);
    }
    if (!add) return this.#use(head);
    try {
      this.head.merge(head);
    } finally {
      head.free();
    }
    this.#names();
    this.#changed();
  }

  /** What is kept of a session besides its head. */
  get rest() {
    this.#lessons ??= this.#all();
    const samples = new Set(this.#lessons.map(({ own }) => own));
    return { names: this.names, named: this.named, thumbs: [...this.#thumbs].filter(([own]) => samples.has(own)) };
  }

  set rest({ names, named, thumbs }) {
    const own = this.#ordinary();
    const are = Array.isArray(names) && names.length === MOST_CLASSES && own.every((name, at) => names[at] === name);
    if (are) [this.names, this.named] = [names, named];
    this.#thumbs = new Map(thumbs);
    this.#lessons = null;
  }

  #embed(image) {
    const start = performance.now();
    const embedding = this.#extractor.embed(image);
    this.#times.eyes = performance.now() - start;
    return embedding;
  }

  /** Looks at an image. */
  look(image) {
    this.#frame += 1;
    const embedding = this.#embed(image);
    const start = performance.now();
    if (this.head.sampleCount > 0) {
      this.head.fit();
      const { known, probabilities } = this.head.probabilities(embedding);
      const weight = this.#started ? NEWEST : 1;
      this.#started = true;
      this.head.classNames().forEach((name, at) => {
        const mean = this.#smooth.get(name) ?? 0;
        this.#smooth.set(name, mean + weight * ((known ? probabilities[at] : 0) - mean));
      });
    }
    embedding.free();
    this.#times.head = performance.now() - start;
    this.#left = Math.max(0, this.#left - 1);
  }

  /** A frame without an image, such as one of a camera that is not allowed. */
  blind() {
    this.#frame += 1;
    this.#changed();
  }

  #best() {
    let best = [undefined, 0];
    for (const [name, mean] of this.#smooth) if (mean > best[1]) best = [name, mean];
    return best;
  }

  #state(trouble) {
    if (trouble) return { is: 'error', text: trouble };
    if (this.#left > 0 && this.#mode?.is === 'teaching') {
      return { ...this.#mode, count: this.#shown(this.#mode.class) };
    }
    if (this.#left > 0 && this.#mode) return this.#mode;
    const [name, mean] = this.#best();
    if (mean >= THRESHOLD && name === NOTHING) return { is: 'nothing' };
    if (this.#ordinary().every((name) => this.head.samplesOf(this.head.classNamed(name)) === 0)) {
      return { is: 'welcome', class: this.names[0] };
    }
    return mean >= THRESHOLD ? { is: 'answer', class: name, confidence: mean } : { is: 'unknown' };
  }

  #shown(name) {
    const index = this.head.classNamed(name);
    return index === undefined ? 0 : this.head.shownOf(index);
  }

  #class(name) {
    return { name, lessons: this.#shown(name), probability: this.#smooth.get(name) ?? 0 };
  }

  #heat([width, height]) {
    const [name, mean] = this.#best();
    if (!(mean > 0) || name === NOTHING) return null;
    this.head.fit();
    const class_ = this.head.classNamed(name);
    const map = class_ !== undefined && this.head.samplesOf(class_) > 0 && this.#extractor.activations(this.head, class_);
    if (!map) return null;
    const most = Math.max(...map.values);
    const values = Array.from(map.values, (value) => (most > 0 ? Math.min(1, Math.max(0, value / most)) : 0));
    const part = [...this.#extractor.fieldOfView(width, height)];
    return { class: this.names.indexOf(name), width: map.width, height: map.height, values, part };
  }

  #report() {
    if (this.head.sampleCount === 0) return null;
    this.head.fit();
    const report = this.head.report();
    const names = [...this.#ordinary(), ...(this.head.classNamed(NOTHING) === undefined ? [] : [NOTHING])];
    const order = names.map((name) => this.head.classNamed(name));
    return {
      asked: report.asked,
      right: report.right,
      low: report.low,
      high: report.high,
      advice: report.advice,
      names,
      confusion: order.map((own) => order.map((said) => report.confusion[own][said])),
    };
  }

  /** What the page shows; `sides` are those of the image that was looked at last. */
  moment({ sides = null, heat = false, report = false, trouble = null, camera = 0, screen = 0 } = {}) {
    Object.assign(this.#times, { camera, screen });
    return {
      frame: this.#frame,
      state: this.#state(trouble),
      classes: this.names.slice(0, Math.max(this.named, FEWEST)).map((name) => this.#class(name)),
      nothing: this.#class(NOTHING),
      goal: GOAL,
      has_room: Math.max(this.named, FEWEST) < MOST_CLASSES,
      threshold: THRESHOLD,
      hint: '',
      picture: sides,
      times: { ...this.#times },
      heat: heat && sides ? this.#heat(sides) : null,
      report: report ? this.#report() : null,
      has_lost: false,
      fault: null,
      has_next: false,
    };
  }
}
