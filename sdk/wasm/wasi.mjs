// Runs a program of `wasm32-wasip1` under Node, for `cargo test`:
// CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings sdk/wasm/wasi.mjs"
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [file, ...rest] = process.argv.slice(2);
const preopens = { '/': '/', '.': process.cwd() };
const wasi = new WASI({ version: 'preview1', args: [file, ...rest], env: process.env, preopens });
const module = await WebAssembly.compile(await readFile(file));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
