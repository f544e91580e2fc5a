/**
 * The copy of a conversation that a notebook file keeps. Pure.
 *
 * The copy is bounded. The same conversation always has the same copy, because notebooks go to git: it
 * holds no times, ids or cursors, and its texts are English in every language of the page.
 *
 * The twin of `snapshot` in `jupyter_chat_stream/kernel/output.py`: kernel and page write the same.
 */
import { oneLine, strip, visible } from '../markdown/copied-texts';
import { harmless, harmlessStart } from '../markdown/copies';
import { type Message, isEnd } from '../protocol/records';
import { exchange } from './branch';
import { contentOf, wordsOfEnd } from './endings';
import { filesOf } from './tool-calls';
import { type Transcript } from './transcript';
import { isReplyToUnsent, isUnsent } from './unsent';

/** How much of a conversation a copy holds: the setting `snapshot`. */
export type CopyExtent = 'none' | 'last' | 'all';

const LARGEST_BYTES = 20_000;
const LEFT_OUT = '*(what came before is left out of this copy)*';
const NOTHING = '*(this notebook keeps no copy of the chat)*';
const WRITING = '*(still being written)*';
const LATER = '*(to be sent later)*';
const NEVER = '*(never sent)*';
/** A copy names so many attachments of a message, and so many characters of a name. */
const MOST_NAMES = 8;
const MOST_NAME_CHARS = 60;
/** A copy holds so many notes of an answer, and so many characters of a note. */
const MOST_NOTES = 3;
const MOST_NOTE_CHARS = 300;
/** Controls that change the direction of the text around them. */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The two texts of an output bundle; null while the page knows no message to copy. */
export function snapshot(
  transcript: Transcript,
  extent: CopyExtent,
  runId: string | null = null
): { readonly markdown: string; readonly plain: string } | null {
  const candidates =
    runId === null ? [...transcript.messages.values()] : exchange(transcript, runId);
  const sentMessages = candidates.filter(message => !isReplyToUnsent(transcript, message));
  if (transcript.seq === 0 || (runId !== null && sentMessages.length === 0)) {
    return null;
  }
  if (extent === 'none') {
    return { markdown: NOTHING, plain: NOTHING };
  }
  const messages = extent === 'all' ? sentMessages : lastExchange(sentMessages);
  return { markdown: joinNewest(messages, true), plain: joinNewest(messages, false) };
}

function lastExchange(messages: readonly Message[]): readonly Message[] {
  const reply = messages.filter(message => message.role === 'assistant').at(-1) ?? messages.at(-1);
  const question = messages.find(message => message.id === reply?.parent_id);
  return [question, reply].filter(message => message !== undefined);
}

/** As many whole messages as fit, the newest ones; Markdown is made harmless. */
function joinNewest(messages: readonly Message[], isMarkdown: boolean): string {
  const blocks: string[] = [];
  let freeBytes = LARGEST_BYTES - LEFT_OUT.length - 2;
  for (const message of [...messages].reverse()) {
    const text = textOf(message);
    if (bytesOf(text).length > freeBytes) {
      break; // the harmless text might be shorter, but a message of this size is cut anyway
    }
    const block = blockOf(message, isMarkdown ? harmless(text) : text, isMarkdown);
    freeBytes -= bytesOf(block).length + 2;
    if (freeBytes < 0) {
      break;
    }
    blocks.push(block);
  }
  const last = messages.at(-1);
  if (blocks.length === 0 && last !== undefined) {
    blocks.push(startOf(last, isMarkdown));
  }
  if (blocks.length < messages.length) {
    blocks.push(LEFT_OUT);
  }
  return blocks.reverse().join('\n\n');
}

/** The beginning of a message that is larger than a copy may be. */
function startOf(message: Message, isMarkdown: boolean): string {
  const frameBytes = bytesOf(blockOf(message, '', isMarkdown)).length;
  const maxBytes = Math.max(0, LARGEST_BYTES - 64 - frameBytes);
  const text = textOf(message);
  const start = isMarkdown ? harmlessStart(text, maxBytes) : `${beginningOf(text, maxBytes)} …`;
  return blockOf(message, start, isMarkdown);
}

function blockOf(message: Message, text: string, isMarkdown: boolean): string {
  const name = speaker(message);
  const head = isMarkdown ? `**${oneLine(name)}**` : `${visible(name)}:`;
  const filesLine = attachedOf(message, isMarkdown);
  const notes = notesOf(message, isMarkdown);
  return [head, filesLine, text, ...notes, endOf(message)].filter(part => part !== '').join('\n\n');
}

/** The line that names the files of a message; empty if it is only text. */
function attachedOf(message: Message, isMarkdown: boolean): string {
  const attachments = message.parts.filter(part => part.kind === 'attachment');
  const toolFiles = message.parts.flatMap(part =>
    part.kind === 'tool_result' ? filesOf(part) : []
  );
  const names = [...attachments, ...toolFiles].map(part => part.name);
  const shownNames = names
    .slice(0, MOST_NAMES)
    .map(name => shortLine(name, MOST_NAME_CHARS, isMarkdown));
  const rest = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  const origin = toolFiles.length === 0 ? 'attached' : 'from tools';
  return names.length === 0 ? '' : `*(${origin}: ${shownNames.join(', ')}${rest})*`;
}

/** The notes of the chat about an answer. */
function notesOf(message: Message, isMarkdown: boolean): readonly string[] {
  if (endOf(message) === WRITING) {
    return [];
  }
  const notes = message.parts.filter(part => part.kind === 'note').map(part => part.text);
  return notes
    .slice(0, MOST_NOTES)
    .map(note => `*(${shortLine(note, MOST_NOTE_CHARS, isMarkdown)})*`);
}

/** The beginning of an untrusted text, in one line that turns no text around it. */
function shortLine(text: string, maxChars: number, isMarkdown: boolean): string {
  const line = strip(visible(text).replace(/[ \t\n]+/g, ' '), ' ').replace(TURNING, '\ufffd');
  const characters = [...line];
  const short = characters.length > maxChars ? `${characters.slice(0, maxChars).join('')}…` : line;
  return isMarkdown ? oneLine(short) : short;
}

function speaker(message: Message): string {
  return message.role === 'user' ? 'You' : (message.model ?? 'Assistant');
}

/** A message's text; empty for an answer that is still being written. */
function textOf(message: Message): string {
  return endOf(message) === WRITING ? '' : strip(visible(contentOf(message)), '\n');
}

/** How a message ended, as a note below its text; empty for a whole one. */
function endOf(message: Message): string {
  if (isUnsent(message)) {
    return message.status === 'waiting' ? LATER : NEVER;
  }
  if (!isEnd(message.status)) {
    return WRITING;
  }
  const mark = wordsOfEnd(message);
  return mark === '' ? '' : `*(${mark})*`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The first `bytes` bytes of a text at most, cut between two characters. */
function beginningOf(text: string, bytes: number): string {
  return new TextDecoder().decode(bytesOf(text).slice(0, bytes)).replace(/\uFFFD$/, '');
}
