/**
 * The moments of an answer that a screen reader is told: it begins, asks, ends. Pure.
 *
 * Text that streams is not announced: a reader who wants it goes to the message.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Message, type Run, type ToolCallPart, isEnd } from '../protocol/records';
import { revealHidden } from '../text/hidden-characters';
import { stoppedText } from '../text/texts';
import { incompleteOf } from './endings';
import { openQuestion } from './questions';
import { askingCall, callName } from './tool-calls';

/** What a reply does, as far as it is announced. */
type Stage =
  | 'quiet'
  | 'answering'
  | 'asks'
  | 'finished'
  | 'incomplete'
  | 'failed'
  | 'cancelled'
  | 'interrupted';

/** The stage of each reply, by message id. A second question in a row is a stage of its own. */
export type Stages = ReadonlyMap<string, string>;

/** A question of a model and an error text are cut after this many characters. */
const MAX_QUOTED_CHARS = 200;

/** The stages of the replies among `messages`. */
export function stagesOf(
  messages: readonly Message[],
  runOf: (message: Message) => Run | undefined
): Stages {
  const replies = messages.filter(message => message.role === 'assistant');
  return new Map(replies.map(reply => [reply.id, keyOf(reply, runOf(reply))]));
}

function keyOf(reply: Message, run: Run | undefined): string {
  const stage = stageOf(reply, run);
  return stage === 'asks' ? `asks ${openQuestion(reply, run)?.request_id ?? ''}` : stage;
}

function stageOf(reply: Message, run: Run | undefined): Stage {
  if (isEnd(reply.status)) {
    if (reply.status !== 'completed') {
      return reply.status === 'failed' || reply.status === 'cancelled'
        ? reply.status
        : 'interrupted';
    }
    return incompleteOf(reply) === null ? 'finished' : 'incomplete';
  }
  if (openQuestion(reply, run) !== undefined) {
    return 'asks';
  }
  return reply.status === 'processing' ? 'answering' : 'quiet';
}

/**
 * The sentence for the stages of replies that are new; null if nothing is to be told. `askedOf` describes
 * a call that needs consent; null for the usual text.
 */
export function announcement(
  isNew: (id: string, stage: string) => boolean,
  messages: readonly Message[],
  runOf: (message: Message) => Run | undefined,
  trans: TranslationBundle,
  askedOf: (call: ToolCallPart) => string | null = () => null
): string | null {
  const texts: string[] = [];
  for (const reply of messages) {
    if (reply.role === 'assistant') {
      const stage = stageOf(reply, runOf(reply));
      if (stage !== 'quiet' && isNew(reply.id, keyOf(reply, runOf(reply)))) {
        texts.push(textOf(stage, reply, runOf(reply), trans, askedOf));
      }
    }
  }
  return texts.length === 0 ? null : [...new Set(texts)].join('. ');
}

function textOf(
  stage: Exclude<Stage, 'quiet'>,
  reply: Message,
  run: Run | undefined,
  trans: TranslationBundle,
  askedOf: (call: ToolCallPart) => string | null
): string {
  switch (stage) {
    case 'answering':
      return trans.__('Answering');
    case 'asks':
      return trans.__('Asks you: %1', shortenQuote(askedText(reply, run, trans, askedOf)));
    case 'finished':
      return trans.__('Finished');
    case 'incomplete':
      return trans.__(
        'Finished, but not complete: %1',
        shortenQuote(incompleteOf(reply)?.message ?? '')
      );
    case 'failed':
      return trans.__('Failed: %1', shortenQuote(reply.error?.message ?? ''));
    case 'cancelled':
      return stoppedText(trans);
    case 'interrupted':
      return trans.__('Interrupted');
  }
}

/** A model's question, or the tool call that needs consent: its own text, else its name. */
function askedText(
  reply: Message,
  run: Run | undefined,
  trans: TranslationBundle,
  askedOf: (call: ToolCallPart) => string | null
): string {
  const question = openQuestion(reply, run);
  const use = question?.request_kind === 'consent' ? askingCall(reply, false) : undefined;
  const proposalText = use?.call == null ? null : askedOf(use.call);
  return use === undefined
    ? (question?.prompt ?? '')
    : (proposalText ?? trans.__('May the model call %1?', revealHidden(callName(use))));
}

function shortenQuote(text: string): string {
  const chars = [...text.slice(0, 2 * MAX_QUOTED_CHARS + 2)];
  return chars.length > MAX_QUOTED_CHARS
    ? `${chars.slice(0, MAX_QUOTED_CHARS).join('')}…`
    : chars.join('');
}
