/**
 * Which messages a view shows. Pure.
 *
 * A thread's messages form a tree by `parent_id`; a chat shows the path from its root to `head`, so
 * an answer that was asked for again takes the place of the one before.
 */
import { incompleteOf } from './endings';
import { type Message, type Run, isEnd } from './protocol';
import { type Transcript } from './transcript';
import { isReplyToUnsent, isUnsent } from './unsent';

/** The path to the thread's head, oldest first. */
export function branch(transcript: Transcript): readonly Message[] {
  const { messages, thread } = transcript;
  const head = thread?.head === null ? undefined : messages.get(thread?.head ?? '');
  const path: Message[] = [];
  const seen = new Set<string>();
  for (let at = head ?? newest(transcript); at !== undefined && !seen.has(at.id);) {
    path.push(at);
    seen.add(at.id);
    at = at.parent_id === null ? undefined : messages.get(at.parent_id);
  }
  return path.reverse();
}

function newest(transcript: Transcript): Message | undefined {
  return [...transcript.messages.values()]
    .filter(message => !isUnsent(message) && !isReplyToUnsent(transcript, message))
    .at(-1);
}

/**
 * One question and its answer: the reply that run made. Where that reply is not whole and was
 * asked for again, the newest reply to the same question. Of what was not sent, the question alone.
 */
export function exchange(transcript: Transcript, runId: string): readonly Message[] {
  const { messages } = transcript;
  const all = [...messages.values()];
  const own = all.find(message => message.run_id === runId);
  if (own === undefined) {
    return [];
  }
  const later = all
    .slice(all.indexOf(own) + 1)
    .filter(message => message.role === 'assistant' && message.parent_id === own.parent_id);
  const isWhole = own.status === 'completed' && incompleteOf(own) === null;
  const reply = isWhole ? own : (later.at(-1) ?? own);
  const question = own.parent_id === null ? undefined : messages.get(own.parent_id);
  if (question !== undefined && isUnsent(question)) {
    return [question];
  }
  return question === undefined ? [reply] : [question, reply];
}

/** The run that makes this message, where it is known. */
export function runOf(transcript: Transcript, message: Message): Run | undefined {
  return message.run_id === null ? undefined : transcript.runs.get(message.run_id);
}

/** The replies among these that have not ended, oldest first. */
export function activeReplies(messages: readonly Message[]): readonly Message[] {
  return messages.filter(message => message.role === 'assistant' && !isEnd(message.status));
}
