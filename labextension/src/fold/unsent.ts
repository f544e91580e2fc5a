/**
 * Messages that were not sent: scheduled ones, and those that were cancelled before their time. Pure.
 *
 * A scheduled message has status `waiting` and is on no branch. Its reply exists already and is empty
 * until the message is delivered.
 */
import { type Message, type Run } from '../protocol/records';
import { type Transcript } from './transcript';

/** Whether a person's message was not sent: it is scheduled, or it was cancelled. */
export function isUnsent(message: Message): boolean {
  return message.role === 'user' && message.status !== 'completed';
}

/** Whether a message is the empty reply to one that was not sent. */
export function isReplyToUnsent(transcript: Transcript, message: Message): boolean {
  const question =
    message.parent_id === null ? undefined : transcript.messages.get(message.parent_id);
  return question !== undefined && isUnsent(question);
}

/** The run that will answer a message that was not sent. */
export function runFor(transcript: Transcript, message: Message): Run | undefined {
  const reply = [...transcript.messages.values()].find(
    other => other.role === 'assistant' && other.parent_id === message.id
  );
  return reply?.run_id == null ? undefined : transcript.runs.get(reply.run_id);
}

/** A scheduled message, and the run that will answer it. */
interface ScheduledMessage {
  readonly message: Message;
  readonly run: Run;
}

/** The scheduled messages, the next one first. */
export function scheduledMessages(transcript: Transcript): readonly ScheduledMessage[] {
  return [...transcript.messages.values()]
    .filter(message => isUnsent(message) && message.status === 'waiting')
    .flatMap(message => {
      const run = runFor(transcript, message);
      return run === undefined ? [] : [{ message, run }];
    })
    .sort((a, b) => Date.parse(a.run.wake_at ?? '') - Date.parse(b.run.wake_at ?? '') || 0);
}
