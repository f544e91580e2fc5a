/**
 * Which messages a view shows. Pure.
 *
 * A thread's messages form a tree by `parent_id`. A chat shows the path from the root to `head`, so a
 * retried answer replaces the one before it.
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
 * The question and the answer of one run.
 *
 * If the answer is not whole and was retried, the newest reply to the same question takes its place.
 * A question that was not sent stands alone.
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

/** The run that writes this message, if the page knows it. */
export function runOf(transcript: Transcript, message: Message): Run | undefined {
  return message.run_id === null ? undefined : transcript.runs.get(message.run_id);
}

/** The replies that have not ended, oldest first. */
export function activeReplies(messages: readonly Message[]): readonly Message[] {
  return messages.filter(message => message.role === 'assistant' && !isEnd(message.status));
}
