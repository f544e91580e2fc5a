/**
 * Reads and makes anchors: the ids of the chats that a cell showed, in the cell's metadata. Pure.
 *
 * A notebook loses its outputs more easily than its cells: by a reload before a save, or by a tool that
 * strips outputs. `metadata.chat_stream.chats` lists the chats with their threads and runs.
 */
import { type Address, MIME_TYPE, parseAddress } from '../protocol/address';
import { type Fields, fieldsOf } from '../protocol/fields';

/** The name of our part of a cell's metadata. */
export const ANCHOR = 'chat_stream';
/** An anchor keeps this many chats of a cell: the last ones. */
const MOST_CHATS = 20;
/** The most characters of an id in an anchor. Ids of threads and runs are shorter. */
const LONGEST_ID = 100;

export type AnchorData = { chats: { thread: string; run?: string }[] };

/** The chats in outputs. Outputs that are no MIME bundle are skipped without reading their data. */
export function chatsIn(
  outputs: Iterable<{ readonly type: string; readonly data: Fields }>
): readonly Address[] {
  return [...outputs].flatMap(output => {
    const isBundle = output.type === 'display_data' || output.type === 'execute_result';
    const address = isBundle ? parseAddress(output.data[MIME_TYPE]) : null;
    return address === null ? [] : [address];
  });
}

/** The anchor of some chats for a cell's metadata. */
export function anchorOf(chats: readonly Address[]): AnchorData {
  return {
    chats: chats
      .slice(-MOST_CHATS)
      .map(({ threadId, runId }) =>
        runId === null ? { thread: threadId } : { thread: threadId, run: runId }
      )
  };
}

/** Read an anchor from a cell's metadata, which are untrusted; empty if there is no anchor. */
export function chatsOf(anchor: unknown): readonly Address[] {
  const { chats } = fieldsOf(anchor);
  return (Array.isArray(chats) ? chats : [])
    .slice(-MOST_CHATS)
    .map(parseAddress)
    .filter(chat => chat !== null)
    .filter(chat => chat.threadId.length <= LONGEST_ID && (chat.runId ?? '').length <= LONGEST_ID);
}
