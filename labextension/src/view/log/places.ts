/** Where the reader of a thread was, kept in the browser tab over a reload of the page. */
import { fieldsOf } from '../../protocol/fields';
import { readStored, writeStored } from '../../state/stored';

/** A place that is not the end: a message, and where its top was. */
export interface ReadingPlace {
  readonly messageId: string;
  /** From the top of the log to the top of the message, in px; negative if it begins above. */
  readonly offset: number;
  /** The newest message when the reader left the end. */
  readonly lastId: string;
}

/** The places of one view of a thread. */
export interface PlaceStore {
  load(): ReadingPlace | null;
  /** Store a place; null is the end, which is followed. */
  save(place: ReadingPlace | null): void;
}

const PREFIX = 'jupyter-chat-stream:place:';

/** The place of a thread in one view: a cell's output, the panel or a tab. One entry of ~150 bytes. */
export function storedPlace(storage: () => Storage, thread: string, view: string): PlaceStore {
  const key = `${PREFIX}${thread}:${view}`;
  return {
    load: () => parsePlace(readStored(storage, key)),
    save: place => writeStored(storage, key, place)
  };
}

function parsePlace(value: unknown): ReadingPlace | null {
  const { messageId, offset, lastId } = fieldsOf(value);
  const isNamed = typeof messageId === 'string' && typeof lastId === 'string';
  return isNamed && typeof offset === 'number' ? { messageId, offset, lastId } : null;
}
