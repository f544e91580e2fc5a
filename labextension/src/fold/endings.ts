/**
 * How an answer ended, and what it lacks. Pure: derived from a message, like its content.
 *
 * The twin of `jupyter_chat_stream/shared/endings.py`; both run `tests/vectors`. Its texts are not
 * translated: the server sends the same texts.
 */
import { type Incomplete, type Message, type Part } from '../protocol/records';

const BY_STOP: ReadonlyMap<string, Incomplete> = new Map([
  [
    'max_tokens',
    {
      reason: 'max_tokens',
      message:
        'This answer was cut off: it reached its length limit (max_tokens). Continue to get the ' +
        'rest, or raise max_tokens and retry.'
    }
  ],
  [
    'model_context_window_exceeded',
    {
      reason: 'context_window',
      message:
        "This answer was cut off: the model's context window is full. Continue with less of the " +
        "conversation's beginning, or ask in a new thread."
    }
  ],
  [
    'pause_turn',
    {
      reason: 'paused',
      message: 'The model paused too often, and this answer is not whole. Continue to let it go on.'
    }
  ]
]);

const NOTHING: ReadonlyMap<string, string> = new Map([
  [
    'max_tokens',
    'Nothing was answered: the length limit (max_tokens) was reached before the first word. ' +
      'Raise max_tokens and retry.'
  ],
  [
    'model_context_window_exceeded',
    "Nothing was answered: the model's context window is full. Ask in a new thread, or choose a " +
      'model that reads more.'
  ]
]);
const NOTHING_SAID = 'The model ended without an answer. Retry, or ask in other words.';
const ONLY_THOUGHT =
  'Nothing was answered: the length limit (max_tokens) was reached while the model was thinking. ' +
  'Raise max_tokens or ask for less thinking, and retry.';
const CALL_CUT: ReadonlyMap<string, string> = new Map([
  [
    'max_tokens',
    'The input of a tool call was cut off: the answer reached its length limit (max_tokens). ' +
      'Raise max_tokens and retry.'
  ]
]);
const CALL_CUT_SOMEHOW = 'The input of a tool call was cut off. Retry.';

/** Join the text parts, as a person would copy them. A tool call between two texts separates them. */
export function contentOf(message: Pick<Message, 'parts'>): string {
  let content = '';
  let isApart = false;
  for (const part of message.parts) {
    if (part.kind === 'tool_call' || part.kind === 'tool_result') {
      isApart = content !== '';
    } else if (part.kind === 'text' && part.text !== '') {
      const hasBreak = content.endsWith('\n') || part.text.startsWith('\n');
      content += (isApart && !hasBreak ? '\n\n' : '') + part.text;
      isApart = false;
    }
  }
  return content;
}

/** What a completed answer lacks; null if it is whole. */
export function incompleteOf(message: Message): Incomplete | null {
  if (message.role !== 'assistant' || message.status !== 'completed') {
    return null;
  }
  const stop = message.stop_reason ?? '';
  const last = message.parts.at(-1);
  if (last !== undefined && isCutCall(last)) {
    return { reason: 'tool_input_cut', message: CALL_CUT.get(stop) ?? CALL_CUT_SOMEHOW };
  }
  if (stop !== 'pause_turn' && !message.parts.some(saysSomething)) {
    return { reason: 'empty', message: whyEmpty(stop, message.parts) };
  }
  return BY_STOP.get(stop) ?? null;
}

/** Whether a part is a tool call whose input is not complete. */
function isCutCall(part: Part): boolean {
  return part.kind === 'tool_call' && part.text !== undefined;
}

/** Whether a message is a reply that the model, or its provider, declined to write. */
function isRefused(message: Message): boolean {
  return message.role === 'assistant' && message.error?.code === 'refusal';
}

/** Whether the Continue command can help: there is text to continue, or the model paused. */
export function isContinuable(message: Message): boolean {
  const reason = incompleteOf(message)?.reason;
  if (isRefused(message) || reason === 'empty') {
    return false;
  }
  return reason === 'paused' || contentOf(message) !== '';
}

function saysSomething(part: Part): boolean {
  if (part.kind === 'text') {
    return /[^ \t\r\n]/.test(part.text);
  }
  return part.kind !== 'reasoning' && part.kind !== 'note' && !isCutCall(part);
}

function whyEmpty(stop: string, parts: readonly Part[]): string {
  if (stop === 'max_tokens' && parts.some(part => part.kind === 'reasoning')) {
    return ONLY_THOUGHT;
  }
  return NOTHING.get(stop) ?? NOTHING_SAID;
}
