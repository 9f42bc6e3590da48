// For Node, which fetches no files: the module is read from beside this one. `init` is there so that
// the same program runs in a browser, and has nothing left to do.
import { readFileSync } from 'node:fs';
import { initSync } from './offshoot.js';

initSync({ module: readFileSync(new URL('./offshoot_bg.wasm', import.meta.url)) });
export * from './offshoot.js';
export default async function init() {}
