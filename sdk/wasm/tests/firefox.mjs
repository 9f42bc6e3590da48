// Firefox by Marionette, the protocol that geckodriver speaks to it: the commands of WebDriver, over TCP. It
// needs no driver, which Debian does not have.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Browser } from './browser.mjs';

const PREFERENCES = {
  'marionette.port': 0,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'browser.download.folderList': 2,
  'browser.download.always_ask_before_handling_new_types': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
  'app.normandy.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** Commands of Marionette for WebDriver's paths; `id` is an element's. */
const COMMANDS = [
  [/^\/url$/, 'Navigate'],
  [/^\/execute\/sync$/, 'ExecuteScript'],
  [/^\/execute\/async$/, 'ExecuteAsyncScript'],
  [/^\/element$/, 'FindElement'],
  [/^\/element\/(.+)\/click$/, 'ElementClick'],
  [/^\/element\/(.+)\/value$/, 'ElementSendKeys'],
  [/^\/actions$/, 'PerformActions'],
  [/^\/window\/rect$/, 'SetWindowRect'],
  [/^\/screenshot$/, 'TakeScreenshot'],
];

export class Firefox extends Browser {
  /** Starts Firefox with a profile in a folder, where downloads go, too; null if there is none. */
  static async start(folder) {
    const lines = Object.entries({ ...PREFERENCES, 'browser.download.dir': folder })
      .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    writeFileSync(join(folder, 'user.js'), lines.join(''));
    const driver = spawn('firefox', ['--headless', '--marionette', '--no-remote', '--profile', folder], { stdio: 'ignore' });
    let isAbsent = false;
    driver.on('error', () => { isAbsent = true; });
    const port = join(folder, 'MarionetteActivePort');
    for (let tries = 0; !existsSync(port) || !readFileSync(port, 'utf8').trim(); tries += 1) {
      if (isAbsent) return null;
      if (tries > 1200) throw new Error('Firefox does not start');
      await sleep(50);
    }
    const browser = new Firefox();
    browser.driver = driver;
    browser.waiting = new Map();
    browser.sent = 0;
    browser.socket = connect(Number(readFileSync(port, 'utf8')), '127.0.0.1');
    browser.socket.on('data', (data) => browser.receive(data));
    await browser.command('NewSession', { capabilities: {} });
    await browser.command('SetTimeouts', { script: 60000 });
    return browser;
  }

  /** Messages are `LENGTH:[1, id, error, result]`; the first one, a greeting, is an object. */
  receive(data) {
    this.text = Buffer.concat([this.text ?? Buffer.alloc(0), data]);
    for (;;) {
      const colon = this.text.indexOf(':');
      const end = colon + 1 + Number(this.text.subarray(0, colon));
      if (colon < 0 || this.text.length < end) return;
      const message = JSON.parse(this.text.subarray(colon + 1, end));
      this.text = this.text.subarray(end);
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message;
      const [done, fail] = this.waiting.get(id);
      if (error) fail(new Error(`${error.error}: ${error.message}`)); else done(result);
    }
  }

  command(name, parameters) {
    this.sent += 1;
    const text = JSON.stringify([0, this.sent, `WebDriver:${name}`, parameters]);
    this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((done, fail) => this.waiting.set(this.sent, [done, fail]));
  }

  async send(path, body) {
    const [pattern, name] = COMMANDS.find(([known]) => known.test(path));
    const id = pattern.exec(path)[1];
    const result = await this.command(name, id ? { id, ...body } : body);
    return result?.value;
  }

  async stop() {
    this.socket.destroy();
    await new Promise((done) => { this.driver.on('exit', done); this.driver.kill(); });
  }

  async prepare() {
    await this.send('/window/rect', { width: 1280, height: 1400 });
  }

  screenshot() {
    return this.send('/screenshot', { full: true });
  }

  /** What the scenes' script has noted: Marionette has no log of the console. */
  async complaints() {
    return (await this.get('window.complaints')) ?? [];
  }
}
