/**
 * The copy of a conversation that a notebook file keeps: bounded, and the same for the same
 * conversation (no times, no ids, no cursor), because notebooks go to git. Pure.
 *
 * The twin of `snapshot` in `jupyter_chat_stream/client/showing.py`: kernel and page write the same.
 */
import { exchange } from './branch';
import { type Message, contentOf, isEnd } from './protocol';
import { type Transcript } from './transcript';
import { isReplyToUnsent, isUnsent } from './waiting';

/** How much is kept; the setting `snapshot`. */
export type Extent = 'none' | 'last' | 'all';

const LARGEST_BYTES = 20_000;
const LEFT_OUT = '*(what came before is left out of this copy)*';
const NOTHING = '*(this notebook keeps no copy of the chat)*';
const LATER = '*(to be sent later)*';
const NEVER = '*(never sent)*';
const MARKS: Readonly<Record<string, string>> = {
  failed: 'failed',
  cancelled: 'stopped',
  interrupted: 'interrupted'
};

/** The two texts of an output bundle; null where there is nothing to say yet. */
export function snapshot(
  transcript: Transcript,
  extent: Extent,
  runId: string | null = null
): { readonly markdown: string; readonly plain: string } | null {
  const whole = runId === null ? [...transcript.messages.values()] : exchange(transcript, runId);
  const all = whole.filter(message => !isReplyToUnsent(transcript, message));
  if (transcript.seq === 0 || (runId !== null && all.length === 0)) {
    return null;
  }
  if (extent === 'none') {
    return { markdown: NOTHING, plain: NOTHING };
  }
  const messages = extent === 'all' ? all : lastExchange(all);
  return {
    markdown: bounded(messages, who => `**${who}**`),
    plain: bounded(messages, who => `${who}:`)
  };
}

function lastExchange(messages: readonly Message[]): readonly Message[] {
  const reply = messages.filter(message => message.role === 'assistant').at(-1) ?? messages.at(-1);
  const question = messages.find(message => message.id === reply?.parent_id);
  return [question, reply].filter(message => message !== undefined);
}

/** The newest messages, whole ones, as far as they fit. */
function bounded(messages: readonly Message[], head: (speaker: string) => string): string {
  const blocks = messages.map(message => `${head(speaker(message))}\n\n${textOf(message)}`);
  const kept: string[] = [];
  let room = LARGEST_BYTES - LEFT_OUT.length - 2;
  for (const block of [...blocks].reverse()) {
    room -= bytesOf(block).length + 2;
    if (room < 0) {
      break;
    }
    kept.push(block);
  }
  const last = blocks.at(-1);
  if (kept.length === 0 && last !== undefined) {
    kept.push(`${beginningOf(last, LARGEST_BYTES - 64)} …`);
  }
  if (kept.length < blocks.length) {
    kept.push(LEFT_OUT);
  }
  return kept.reverse().join('\n\n');
}

function speaker(message: Message): string {
  return message.role === 'user' ? 'You' : (message.model ?? 'Assistant');
}

function textOf(message: Message): string {
  const isWritten = isEnd(message.status) || isUnsent(message);
  if (!isWritten) {
    return '*(still being written)*';
  }
  const text = contentOf(message).replace(/^\n+|\n+$/g, '');
  return [text, markOf(message)].filter(line => line !== '').join('\n\n');
}

function markOf(message: Message): string {
  if (isUnsent(message)) {
    return message.status === 'waiting' ? LATER : NEVER;
  }
  const mark = MARKS[message.status];
  return mark === undefined ? '' : `*(${mark})*`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The beginning of a text, cut between two characters. */
function beginningOf(text: string, bytes: number): string {
  return new TextDecoder().decode(bytesOf(text).slice(0, bytes)).replace(/\uFFFD$/, '');
}
