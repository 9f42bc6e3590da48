// What the page shows comes from a source; this one is the board that serves the page, by HTTP. The
// page in the browser alone (sdk/wasm/page) has another one with the same members.

/** How long the device may be silent before the page says so, in milliseconds. */
const PATIENCE = 5000;

// The cookie has the token from here on; it is not to be left in a history.
if (location.search) history.replaceState(null, '', '/');

async function ask(path, options = {}) {
  const reply = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE) });
  if (!reply.ok) {
    const error = new Error((await reply.text()).trim());
    error.status = reply.status;
    throw error;
  }
  return reply;
}

export const source = {
  /** The moment after number `after`, with the extras that are wanted. */
  async moment({ after, heat, report }) {
    const query = new URLSearchParams({ after });
    if (heat) query.set('heat', 1);
    if (report) query.set('report', 1);
    return (await ask('/moment?' + query)).json();
  },

  /** Puts the newest frame into the page. */
  async see(picture) {
    // It may be gone by now, as cameras are that are unplugged.
    const reply = await ask('/picture.jpg').catch((error) => { if (error.status !== 404) throw error; });
    if (!reply) return;
    const url = URL.createObjectURL(await reply.blob());
    const old = picture.src;
    picture.src = url;
    await picture.decode().catch(() => {});
    if (old.startsWith('blob:')) URL.revokeObjectURL(old);
  },

  /** Presses a button; returns the moment after it. */
  async press(path, body) {
    return (await ask(path, { method: 'POST', body })).json();
  },

  /** The title and the text for a source that does not answer. */
  lost(error) {
    return [
      { 403: 'Not let in', 503: 'Not ready' }[error.status] ?? 'Connection lost',
      error.status
        ? `The device says: ${error.message}.`
        : 'Trying again until the device answers. What was taught is kept on it.',
    ];
  },
};
