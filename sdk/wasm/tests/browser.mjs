// Chromium by the protocol of W3C's WebDriver, as in targets/device/tests/common/browser.rs, and a
// server of static files.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const PATIENCE = 30000;
const KINDS = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.wasm': 'application/wasm' };

/** Serves a folder; `asked` has every path that was asked for. */
export async function serve(folder) {
  const asked = [];
  const server = createServer(async (request, reply) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    asked.push(request.url);
    try {
      const body = await readFile(join(folder, normalize(path.endsWith('/') ? path + 'index.html' : path)));
      reply.setHeader('content-type', KINDS[extname(path) || '.html'] ?? 'application/octet-stream');
      reply.end(body);
    } catch {
      reply.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { asked, url: `http://localhost:${server.address().port}/`, stop: () => { server.closeAllConnections(); server.close(); } };
}

export class Browser {
  /** Starts chromedriver; null if there is none. */
  static async start(flags) {
    const driver = spawn('chromedriver', ['--port=0'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const port = await new Promise((done) => {
      driver.on('error', () => done(null));
      let text = '';
      driver.stdout.on('data', (data) => {
        text += data;
        const found = /successfully on port (\d+)/.exec(text);
        if (found) done(found[1]);
      });
    });
    if (!port) return null;
    const browser = new Browser();
    browser.driver = driver;
    browser.base = `http://127.0.0.1:${port}/session`;
    const args = ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--hide-scrollbars', ...flags];
    const { sessionId } = await browser.send('', { capabilities: { alwaysMatch: {
      browserName: 'chrome', 'goog:chromeOptions': { args }, 'goog:loggingPrefs': { browser: 'ALL' },
    } } });
    browser.base += `/${sessionId}`;
    return browser;
  }

  async send(path, body) {
    const reply = await fetch(this.base + path, { method: 'POST', body: JSON.stringify(body) });
    const { value } = await reply.json();
    if (value?.error) throw new Error(`${path}: ${value.error}: ${value.message}`);
    return value;
  }

  async stop() {
    await fetch(this.base, { method: 'DELETE' }).catch(() => {});
    this.driver.kill();
  }

  open(url) {
    return this.send('/url', { url });
  }

  get(expression) {
    return this.send('/execute/sync', { script: `return ${expression}`, args: [] });
  }

  /** Evaluates an expression that is a promise. */
  later(expression) {
    const script = `const done = arguments[0]; Promise.resolve(${expression}).then(done, (error) => done(String(error)))`;
    return this.send('/execute/async', { script, args: [] });
  }

  async element(css) {
    return (await this.send('/element', { using: 'css selector', value: css }))[ELEMENT];
  }

  async click(css) {
    await this.send(`/element/${await this.element(css)}/click`, {});
  }

  /** Types into an element, or chooses a file with one that takes files. */
  async type(css, text) {
    await this.send(`/element/${await this.element(css)}/value`, { text });
  }

  async keys(text) {
    const actions = [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    await this.send('/actions', { actions: [{ type: 'key', id: 'keys', actions }] });
  }

  devtools(cmd, params) {
    return this.send('/goog/cdp/execute', { cmd, params });
  }

  /** Sets the window's size, and the folder of downloads. */
  async prepare(folder) {
    await this.devtools('Emulation.setDeviceMetricsOverride', { width: 1280, height: 1400, deviceScaleFactor: 1, mobile: false });
    await this.devtools('Page.setInterceptFileChooserDialog', { enabled: true });
    await this.devtools('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
  }

  /** Presses a button that wants a file, and chooses one. */
  async choose(button, input, file) {
    await this.click(button);
    await this.type(input, file);
  }

  async screenshot() {
    return (await this.devtools('Page.captureScreenshot', { captureBeyondViewport: true })).data;
  }

  async wait(expression, wanted) {
    const start = Date.now();
    for (;;) {
      const found = await this.get(expression);
      if (found === wanted) return;
      if (Date.now() - start > PATIENCE) throw new Error(`${expression} is ${found}, not ${wanted}; ${await this.complaints()}`);
      await sleep(30);
    }
  }

  async complaints() {
    const entries = await this.send('/se/log', { type: 'browser' });
    return entries.filter(({ level }) => level === 'SEVERE').map(({ message }) => message);
  }
}
