/** A person's consent to a tool call: buttons for an open question, then the answer and its author. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type FormEvent, type ReactElement } from 'react';

import { type LostAnswer } from '../../fold/questions';
import { fieldsOf } from '../../protocol/fields';
import {
  type InputRequestPart,
  type ToolAllowance,
  type ToolCallPart
} from '../../protocol/records';
import { lateAnswerText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { Button, useKeptFocus } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { useLanguage, useNow, useTrans, useWorkspace } from '../hooks';
import { Expiry, isLocal } from '../messages/question';
import { timeText } from '../times';
import { acceptAllText, rejectAllText, useChoices } from './cell-change';

/** The most characters that a person may write to the model with a refusal. */
const MAX_WORDS_CHARS = 1_000;
const ALLOWING = ['once', 'thread', 'always'] as const;
type Allowing = (typeof ALLOWING)[number];

/** The parts of the chat that the consents of a reply use. */
export interface ConsentScope {
  readonly client: ThreadClient;
  readonly runId: string;
  /** Whether this page is sending an answer. */
  readonly isActing: boolean;
  readonly isDisabled: boolean;
  /** By `request_id`: this page's answers that came too late. */
  readonly lateAnswers: ReadonlyMap<string, LostAnswer>;
}

/** The question above the call's input. */
export function consentTitle(call: ToolCallPart, trans: TranslationBundle): string {
  switch (call.effect) {
    case 'run':
      return trans.__('May the model run this?');
    case 'change':
      return trans.__('May the model make this change?');
    default:
      return trans.__('May the model read this?');
  }
}

/** The text to the model that a person has typed and no answer has sent; empty if there is none. */
export function unsentWords(words: string, answers: readonly unknown[]): string {
  const text = words.trim();
  return answers.some(answer => fieldsOf(answer)['words'] === text) ? '' : text;
}

interface Words {
  readonly words: string;
  readonly onWords: (words: string) => void;
}

/** The ways to allow a call. No standing consent after a rejected cell: it would accept that cell (L13). */
function allowingOf(
  { choices }: InputRequestPart,
  verdicts: ReadonlyMap<string, boolean>
): readonly Allowing[] {
  const isOnce = [...verdicts.values()].includes(false);
  return ALLOWING.filter(
    choice => choices?.includes(choice) !== false && (choice === 'once' || !isOnce)
  );
}

export function ConsentForm(
  props: Words & { readonly part: InputRequestPart; readonly scope: ConsentScope }
): ReactElement {
  const { part, scope } = props;
  const { client, runId, isActing } = scope;
  const trans = useTrans();
  const form = useKeptFocus<HTMLDivElement>(keepFocus);
  const answer = (node: HTMLElement, value: unknown): void => {
    keepFocus(node);
    void client.answer(runId, part.request_id, value);
  };
  const isPartial = part.choices?.includes('some') === true;
  const reviews = useWorkspace()?.reviews;
  const choices = useChoices(part.request_id);
  const answerRest = (isAccepted: boolean): unknown =>
    reviews?.rest(part.request_id, isAccepted) ?? (isAccepted ? 'once' : 'no');
  const label = (choice: Allowing): string =>
    choice === 'once' && isPartial ? acceptAllText(choices, trans) : allowText(choice, trans);
  return (
    <div
      ref={form}
      className="jp-ChatStream-consent"
      data-testid="consent"
      role="group"
      aria-label={trans.__('Consent')}
    >
      <div className="jp-ChatStream-consentRow">
        {allowingOf(part, choices).map(choice => (
          <Button
            key={choice}
            testid={`consent-${choice}`}
            className={choice === 'once' ? 'jp-mod-accent' : ''}
            isDisabled={isActing}
            then="stay"
            onClick={event => {
              props.onWords('');
              answer(event.currentTarget, choice === 'once' ? answerRest(true) : choice);
            }}
          >
            {label(choice)}
          </Button>
        ))}
        {part.expires_at === null ? null : <Expiry at={part.expires_at} />}
      </div>
      <RefusalForm
        words={props.words}
        onWords={props.onWords}
        label={isPartial ? rejectAllText(choices, trans) : trans.__("Don't allow")}
        isActing={isActing}
        onRefuse={(node, words) => {
          const value = answerRest(false);
          answer(node, value === 'no' && words !== '' ? { choice: 'no', words } : value);
        }}
      />
    </div>
  );
}

/** The button that refuses, and the field for a text to the model. */
function RefusalForm(
  props: Words & {
    readonly isActing: boolean;
    /** The text of the button. */
    readonly label: string;
    readonly onRefuse: (form: HTMLElement, words: string) => void;
  }
): ReactElement {
  const { isActing, words } = props;
  const trans = useTrans();
  const label = trans.__('Tell the model why (optional)');
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    props.onRefuse(event.currentTarget, words.trim());
  };
  return (
    <form className="jp-ChatStream-consentRow" data-testid="refusal" onSubmit={onSubmit}>
      <input
        {...OWN_KEYS}
        className="jp-ChatStream-input"
        data-testid="consent-words"
        aria-label={label}
        placeholder={label}
        autoComplete="off"
        dir="auto"
        maxLength={MAX_WORDS_CHARS}
        value={words}
        readOnly={isActing}
        onChange={event => props.onWords(event.target.value)}
      />
      <Button
        testid="consent-no"
        type="submit"
        isDisabled={isActing}
        then="stay"
        onClick={() => undefined}
      >
        {props.label}
      </Button>
    </form>
  );
}

/** Move the focus to the card, because the form disappears after the answer. */
export function keepFocus(node: HTMLElement): void {
  node.closest('details')?.querySelector('summary')?.focus({ preventScroll: true });
}

function allowText(choice: Allowing, trans: TranslationBundle): string {
  switch (choice) {
    case 'once':
      return trans.__('Allow once');
    case 'thread':
      return trans.__('Allow in this chat');
    case 'always':
      return trans.__('Always allow');
  }
}

/** An answer in words, such as `Allowed once`. */
function answerText(value: unknown, trans: TranslationBundle): string {
  const fields = fieldsOf(value);
  const choice = typeof value === 'string' ? value : fields['choice'];
  const words = typeof fields['words'] === 'string' ? fields['words'].trim() : '';
  switch (choice) {
    case 'once':
      return trans.__('Allowed once');
    case 'some':
      return trans.__('Allowed in part');
    case 'thread':
      return trans.__('Allowed in this chat');
    case 'always':
      return trans.__('Always allowed');
    default:
      return words === '' ? trans.__('Not allowed') : trans.__('Not allowed: “%1”', words);
  }
}

/** The answer and its author, and an answer of this page that came too late; nothing without an answer. */
export function ConsentAnswer(props: {
  readonly part: InputRequestPart;
  readonly lateAnswer: LostAnswer | undefined;
  /** The time of the answer; null if the page does not know it. */
  readonly at: string | null;
}): ReactElement | null {
  const { part, lateAnswer, at } = props;
  const trans = useTrans();
  const by = lateAnswer?.by ?? part.by;
  if (by === null) {
    return null;
  }
  const text = answerText(lateAnswer?.value ?? part.value, trans);
  return (
    <>
      <p className="jp-ChatStream-toolNote">
        <bdi data-testid="consent-answer">
          {isLocal(by) ? trans.__('%1, by you.', text) : trans.__('%1, by %2.', text, by)}
        </bdi>
        {at === null ? null : <AnswerTime at={at} />}
      </p>
      {lateAnswer === undefined ? null : (
        <p className="jp-ChatStream-toolNote" data-testid="consent-beaten">
          {lateAnswerText(answerText(lateAnswer.mine, trans), trans)}
        </p>
      )}
    </>
  );
}

function AnswerTime({ at }: { readonly at: string }): ReactElement | null {
  const language = useLanguage();
  const now_ms = useNow(null);
  return Number.isNaN(Date.parse(at)) ? null : (
    <time data-testid="consent-time" dateTime={at}>
      {` · ${timeText(at, now_ms, language)}`}
    </time>
  );
}

/** The text to the model that was not sent, because the question ended first. */
export function UnsentWords({ words }: { readonly words: string }): ReactElement | null {
  const trans = useTrans();
  return words === '' ? null : (
    <p className="jp-ChatStream-toolNote" data-testid="unsent-words" dir="auto">
      {trans.__('Your words were not sent: “%1”', words)}
    </p>
  );
}

/** Why a call was allowed without a question; nothing if a person has answered a question about it. */
export function AllowanceLine({
  allowed
}: {
  readonly allowed: ToolAllowance;
}): ReactElement | null {
  const trans = useTrans();
  return (
    <p className="jp-ChatStream-toolNote" data-testid="allowance">
      {allowanceText(allowed, trans)}
      <AnswerTime at={allowed.at} />
    </p>
  );
}

function allowanceText({ consent, by }: ToolAllowance, trans: TranslationBundle): string {
  const isOwn = by === null || isLocal(by);
  switch (consent) {
    case 'none':
      return trans.__('It only reads, so nobody was asked');
    case 'mode':
      return trans.__('Allowed by the mode of this chat');
    case 'once':
      return isOwn ? trans.__('Allowed once by you') : trans.__('Allowed once by %1', by);
    case 'thread':
      return isOwn
        ? trans.__('Allowed in this chat by you')
        : trans.__('Allowed in this chat by %1', by);
    case 'always':
      return isOwn ? trans.__('Always allowed by you') : trans.__('Always allowed by %1', by);
  }
}
