// Digests and bits of numbers, as the programs that tests/doors.sh compares print them.

/** FNV-1a. */
export function digest(bytes) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}
export const bytesOf = (floats) => new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
export const bits = (value) => new Uint32Array(Float32Array.of(value).buffer)[0].toString(16).padStart(8, '0');
