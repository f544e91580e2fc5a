/**
 * What waits in a thread: questions to a person, and messages for later. Pure.
 *
 * A message for later has status `waiting`, no place on a branch, and a reply that is empty until it
 * is delivered; cancelled before, it was never sent.
 */
import { type InputRequestPart, type Message, type Run } from './protocol';
import { type Transcript } from './transcript';

/** What became of a question. */
export type Asked = 'open' | 'answered' | 'expired' | 'unanswered';

/** Say what became of a question of this message; only that of a waiting run is open. */
export function askedState(part: InputRequestPart, message: Message, run: Run | undefined): Asked {
  if (part.by !== null) {
    return 'answered';
  }
  const isLast = part === message.parts.filter(other => other.kind === 'input_request').at(-1);
  if (isLast && message.status === 'waiting' && run?.phase !== 'retrying') {
    return 'open';
  }
  return isLast && message.error?.code === 'input_expired' ? 'expired' : 'unanswered';
}

/** The question that a run waits for; undefined where it asks nothing now. */
export function openQuestion(message: Message, run: Run | undefined): InputRequestPart | undefined {
  return message.parts
    .filter(part => part.kind === 'input_request')
    .find(part => askedState(part, message, run) === 'open');
}

/** Whether a person's message was not sent: not yet, or never. */
export function isUnsent(message: Message): boolean {
  return message.role === 'user' && message.status !== 'completed';
}

/** Whether it is the empty reply to a message that was not sent. */
export function isReplyToUnsent(transcript: Transcript, message: Message): boolean {
  const asked = message.parent_id === null ? undefined : transcript.messages.get(message.parent_id);
  return asked !== undefined && isUnsent(asked);
}

/** The run that is to answer a message which was not sent. */
export function runFor(transcript: Transcript, message: Message): Run | undefined {
  const reply = [...transcript.messages.values()].find(
    other => other.role === 'assistant' && other.parent_id === message.id
  );
  return reply?.run_id == null ? undefined : transcript.runs.get(reply.run_id);
}

/** A message for later, and the run that is to answer it. */
export interface Later {
  readonly message: Message;
  readonly run: Run;
}

/** The messages that are yet to be sent, the next one first. */
export function laterMessages(transcript: Transcript): readonly Later[] {
  return [...transcript.messages.values()]
    .filter(message => isUnsent(message) && message.status === 'waiting')
    .flatMap(message => {
      const run = runFor(transcript, message);
      return run === undefined ? [] : [{ message, run }];
    })
    .sort((a, b) => Date.parse(a.run.wake_at ?? '') - Date.parse(b.run.wake_at ?? '') || 0);
}
