/** The data of our cell outputs: which thread they show. They hold none of its text. Pure. */

export const MIME_TYPE = 'application/vnd.jupyter-chat-stream.thread.v1+json';

/** A thread, or one run of it; `runId` null means the whole thread. */
export interface Address {
  readonly threadId: string;
  readonly runId: string | null;
}

/** Read the data of our MIME type; null if it is no address. */
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
