/** The data of our cell outputs: which thread they show. They hold none of its text. Pure. */
import { fieldsOf } from './fields';

export const MIME_TYPE = 'application/vnd.jupyter-chat-stream.thread.v1+json';

/** A thread, or one run of it; `runId` null means the whole thread. */
export interface Address {
  readonly threadId: string;
  readonly runId: string | null;
}

/** Read the data of our MIME type; null if it is no address. */
export function parseAddress(data: unknown): Address | null {
  const { thread, run } = fieldsOf(data);
  if (typeof thread !== 'string' || thread === '') {
    return null;
  }
  return { threadId: thread, runId: typeof run === 'string' ? run : null };
}
