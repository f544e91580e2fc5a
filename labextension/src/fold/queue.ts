/**
 * The queue of a thread: the messages that were sent while another answer was written. Pure.
 *
 * The server answers them one after the other. Until its run begins, a message can still be changed.
 */
import { type Message, type Run, isEnd } from '../protocol/records';
import { buildIds } from './builds';
import { type Transcript } from './transcript';
import { isReplyToUnsent } from './unsent';

/** A message whose run waits for another one to end. */
export interface QueuedMessage {
  readonly message: Message;
  readonly reply: Message;
  readonly run: Run;
}

/**
 * The queued messages, in the order in which they will be answered.
 *
 * The first open run is not in the queue, even before it begins: no other run is in its way. Nor is the
 * run that answers an older message again: that message stands in the log.
 */
export function queuedMessages(transcript: Transcript): readonly QueuedMessage[] {
  const { messages } = transcript;
  const builds = buildIds(transcript);
  const open = [...messages.values()]
    .filter(reply => reply.role === 'assistant' && !isEnd(reply.status))
    .filter(reply => !isReplyToUnsent(transcript, reply))
    .flatMap(reply => {
      const run = reply.run_id === null ? undefined : transcript.runs.get(reply.run_id);
      return run === undefined || builds.has(run.id) ? [] : [{ reply, run }];
    })
    .sort((first, second) => turnOf(first.reply, first.run) - turnOf(second.reply, second.run));
  return open.slice(1).flatMap(({ reply, run }) => {
    const message = messages.get(reply.parent_id ?? '');
    const isWaiting = run.attempt === 0 && run.status === 'pending';
    return isWaiting && message !== undefined && isOnlyReply(transcript, reply)
      ? [{ message, reply, run }]
      : [];
  });
}

/** The messages of a view without those in the queue. */
export function withoutQueued(
  messages: readonly Message[],
  queue: readonly QueuedMessage[]
): readonly Message[] {
  const ids = new Set(queue.flatMap(({ message, reply }) => [message.id, reply.id]));
  return ids.size === 0 ? messages : messages.filter(message => !ids.has(message.id));
}

/** A run that has begun is before all others; until then, the reply has changed when it joined. */
function turnOf(reply: Message, run: Run): number {
  return run.attempt > 0 ? 0 : reply.seq;
}

function isOnlyReply({ messages }: Transcript, reply: Message): boolean {
  return ![...messages.values()].some(
    other => other.parent_id === reply.parent_id && other.id !== reply.id
  );
}
