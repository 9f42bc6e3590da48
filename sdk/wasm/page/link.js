// A head in a link: compressed, in the characters that every address may have. It stands behind the
// `#`, which browsers send to no server.

/** Characters of the longest link: mail and chat take these, and codes of squares do not matter. */
export const MOST_CHARACTERS = 32000;

const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

export function toText(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function fromText(text) {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** The part of a link with a head; null where it would be too long. */
export async function toLink(bytes) {
  const text = '#head=' + toText(await through(bytes, new CompressionStream('deflate-raw')));
  return text.length > MOST_CHARACTERS ? null : text;
}

/** The bytes in a link; null where it has none. */
export async function fromLink(hash) {
  if (!hash.startsWith('#head=')) return null;
  if (hash.length > MOST_CHARACTERS) throw new Error('the link is too long for a head');
  try {
    return await through(fromText(hash.slice(6)), new DecompressionStream('deflate-raw'));
  } catch {
    throw new Error('the link is damaged: copy it again, whole');
  }
}
