/**
 * Which messages a view shows. Pure.
 *
 * A thread's messages form a tree by `parent_id`. A chat shows the path from the root to `head`, so a
 * retried answer replaces the one before it. The siblings of a message are the other branches there.
 */
import { type Message, type Run, isEnd } from '../protocol/records';
import { buildsOf } from './builds';
import { incompleteOf } from './endings';
import { type Transcript } from './transcript';
import { isReplyToUnsent, isUnsent } from './unsent';

/** The path to the thread's head, oldest first. */
export function branch(transcript: Transcript): readonly Message[] {
  const { messages, thread } = transcript;
  const head = thread?.head === null ? undefined : messages.get(thread?.head ?? '');
  const path: Message[] = [];
  const ids = new Set<string>();
  for (let at = head ?? newest(transcript); at !== undefined && !ids.has(at.id);) {
    path.push(at);
    ids.add(at.id);
    at = at.parent_id === null ? undefined : messages.get(at.parent_id);
  }
  return path.reverse();
}

/** Whether a thread has an answer that has not ended; a scheduled one has not, either. */
export function hasOpenRun({ runs }: Transcript): boolean {
  return [...runs.values()].some(({ status }) => !isEnd(status));
}

/** Whether a thread has an answer that has not ended to a message that was delivered. */
export function isAnswering(transcript: Transcript): boolean {
  return [...transcript.runs.values()].some(({ status, message_id }) => {
    const reply = transcript.messages.get(message_id);
    return !isEnd(status) && !(reply !== undefined && isReplyToUnsent(transcript, reply));
  });
}

function newest(transcript: Transcript): Message | undefined {
  return [...transcript.messages.values()]
    .filter(message => !isUnsent(message) && !isReplyToUnsent(transcript, message))
    .at(-1);
}

/**
 * The question and the answer of one run.
 *
 * If the answer is not whole and was retried, the first whole reply to the same question takes its
 * place; until there is one, the newest does. So an answer that a cell has shown whole stays, whatever
 * is asked again elsewhere. A question that was not sent stands alone. The twin of `exchange` in
 * `jupyter_chat_stream/export/saved_copies.py`; both run `tests/vectors/exchanges`.
 */
export function exchange(transcript: Transcript, runId: string): readonly Message[] {
  const { messages } = transcript;
  const list = [...messages.values()];
  const own = list.find(message => message.run_id === runId);
  if (own === undefined) {
    return [];
  }
  const tries = list
    .slice(list.indexOf(own))
    .filter(message => message.role === 'assistant' && message.parent_id === own.parent_id);
  const reply = tries.find(isWhole) ?? tries.at(-1) ?? own;
  const question = own.parent_id === null ? undefined : messages.get(own.parent_id);
  if (question !== undefined && isUnsent(question)) {
    return [question];
  }
  const replies = [reply, ...repliesOfBuilds(transcript, reply)];
  return question === undefined ? replies : [question, ...replies];
}

/** The replies of the builds that an answer has begun, oldest first: they stand below the answer. */
function repliesOfBuilds({ messages, runs }: Transcript, reply: Message): readonly Message[] {
  return buildsOf(reply)
    .map(id => messages.get(runs.get(id)?.message_id ?? ''))
    .filter(message => message !== undefined);
}

function isWhole(reply: Message): boolean {
  return reply.status === 'completed' && incompleteOf(reply) === null;
}

/**
 * The messages that stand beside this one after the same message, and this one: one for each branch.
 * Oldest first.
 *
 * An answer that another one continues is left out, because the other begins with its text. If it is
 * the message itself, or if something follows it, it is a branch of its own.
 */
export function siblings(transcript: Transcript, message: Message): readonly Message[] {
  const { children } = treeOf(transcript);
  const group = (children.get(message.parent_id) ?? []).filter(
    sibling => sibling.role === message.role
  );
  if (group.length === 1) {
    return group;
  }
  const continuedRuns = new Set(
    group.map(sibling => runOf(transcript, sibling)?.continues ?? null)
  );
  return group.filter(
    sibling =>
      sibling === message ||
      !continuedRuns.has(sibling.run_id) ||
      sibling.run_id === null ||
      children.has(sibling.id)
  );
}

/** The newest message below a message that nothing follows; the message itself if it has no children. */
export function newestLeaf(transcript: Transcript, message: Message): Message {
  const { children, order } = treeOf(transcript);
  return descendants(transcript, message)
    .filter(leaf => !children.has(leaf.id))
    .reduce((newest, leaf) =>
      (order.get(leaf.id) ?? 0) > (order.get(newest.id) ?? 0) ? leaf : newest
    );
}

/** The runs below a message that have not ended, in the order of their messages. */
export function openRunsBelow(transcript: Transcript, message: Message): readonly string[] {
  const { order } = treeOf(transcript);
  return activeReplies(descendants(transcript, message))
    .filter(reply => reply.run_id !== null)
    .sort((first, second) => (order.get(first.id) ?? 0) - (order.get(second.id) ?? 0))
    .map(reply => reply.run_id ?? '');
}

/** A message and everything below it. */
function descendants(transcript: Transcript, message: Message): readonly Message[] {
  const { children } = treeOf(transcript);
  const messages = [message];
  for (const parent of messages) {
    messages.push(...(children.get(parent.id) ?? []));
  }
  return messages;
}

interface Tree {
  /** By the id of the message that they follow: the messages that were delivered, oldest first. */
  readonly children: ReadonlyMap<string | null, readonly Message[]>;
  /** By id: the place of a message among all messages. */
  readonly order: ReadonlyMap<string, number>;
}

/** Each state of a thread is read by many messages of a view. */
const TREES = new WeakMap<Transcript['messages'], Tree>();

function treeOf(transcript: Transcript): Tree {
  const { messages } = transcript;
  const cachedTree = TREES.get(messages);
  if (cachedTree !== undefined) {
    return cachedTree;
  }
  const children = new Map<string | null, Message[]>();
  const order = new Map<string, number>();
  for (const message of messages.values()) {
    order.set(message.id, order.size);
    if (isUnsent(message) || isReplyToUnsent(transcript, message)) {
      continue;
    }
    const group = children.get(message.parent_id);
    if (group === undefined) {
      children.set(message.parent_id, [message]);
    } else {
      group.push(message);
    }
  }
  const tree = { children, order };
  TREES.set(messages, tree);
  return tree;
}

/** The run that writes this message, if the page knows it. */
export function runOf(transcript: Transcript, message: Message): Run | undefined {
  return message.run_id === null ? undefined : transcript.runs.get(message.run_id);
}

/** The replies that have not ended, oldest first. */
export function activeReplies(messages: readonly Message[]): readonly Message[] {
  return messages.filter(message => message.role === 'assistant' && !isEnd(message.status));
}
