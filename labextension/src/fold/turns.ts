/** The order of a thread's runs, as a page knows it. Pure. */
import { type Message, type Run, isEnd } from '../protocol/records';
import { answersFirst, buildIds } from './builds';
import { type Transcript } from './transcript';
import { isReplyToUnsent } from './unsent';

/**
 * How many answers come before a queued run: a thread executes one run at a time, on all branches.
 *
 * The seq of a queued reply is that of the event with which it joined the queue. A run that has begun
 * once keeps its place, also while it waits for a person. Builds are beside the queue.
 */
export function runsAhead(transcript: Transcript, run: Run | undefined): number {
  if (run === undefined || run.phase !== 'queued' || run.attempt > 0) {
    return 0;
  }
  const joinedAt = (queued: Run): number => transcript.messages.get(queued.message_id)?.seq ?? 0;
  const builds = buildIds(transcript);
  if (builds.has(run.id)) {
    return 0;
  }
  return [...transcript.runs.values()].filter(
    other =>
      other !== run &&
      !builds.has(other.id) &&
      !isEnd(other.status) &&
      !isForLater(other) &&
      (other.attempt > 0 || joinedAt(other) < joinedAt(run))
  ).length;
}

/** Whether a run answers a message that has not been delivered yet. */
function isForLater(run: Run): boolean {
  return run.phase === 'waiting' && run.attempt === 0;
}

/**
 * The oldest reply that has not ended, on whatever branch, answers before builds; undefined if no run is
 * active.
 */
export function oldestOpenReply(transcript: Transcript): Message | undefined {
  const open = [...transcript.messages.values()].filter(
    message =>
      message.role === 'assistant' &&
      !isEnd(message.status) &&
      !isReplyToUnsent(transcript, message)
  );
  return answersFirst(transcript, open)[0];
}
