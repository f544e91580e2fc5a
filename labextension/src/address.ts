/** What our cell outputs hold: the address of a thread, and no word of it. Pure. */

export const MIME_TYPE = 'application/vnd.jupyter-chat-stream.thread.v1+json';

/** Which thread, and of it which run (null: all of it). */
export interface Address {
  readonly threadId: string;
  readonly runId: string | null;
}

/** Read the data of our MIME type; null where it is something else. */
export function parseAddress(data: unknown): Address | null {
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  const { thread, run } = data as Readonly<Record<string, unknown>>;
  if (typeof thread !== 'string' || thread === '') {
    return null;
  }
  return { threadId: thread, runId: typeof run === 'string' ? run : null };
}
