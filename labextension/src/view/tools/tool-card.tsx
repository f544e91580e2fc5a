/** The card of one tool call: a line with its state, and below it all details of the call. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type MouseEvent, type ReactElement, useMemo, useState } from 'react';

import { type PartTimes, spanOf } from '../../fold/reply-times';
import {
  type ToolState,
  type ToolUse,
  callName,
  mayChange,
  operationOf,
  toolState
} from '../../fold/tool-calls';
import { fieldsOf } from '../../protocol/fields';
import { revealHidden } from '../../text/hidden-characters';
import { asksYouText, outputText } from '../../text/texts';
import { proposalOf } from '../../workspace/proposal-calls';
import { OWN_KEYS } from '../controls/keys';
import { useLasting, useNow, useTrans } from '../hooks';
import { secondsPaceOf, spanText } from '../times';
import {
  AllowanceLine,
  ConsentAnswer,
  ConsentForm,
  type ConsentScope,
  UnsentWords,
  consentTitle,
  unsentWords
} from './consent';
import { ProposedEdits } from './proposed-edit';
import { toolHint } from './tool-hints';
import { TextBox, ToolInput } from './tool-input';
import { LiveOutput, ToolOutput } from './tool-output';

/** A closed card shows at most this many characters of the call's input. */
const MOST_INPUT_CHARS = 120;
/** If a call waits longer for its executor, the card tells what a person can do. */
const PATIENCE_MS = 2_000;

export interface ToolCardProps {
  readonly use: ToolUse;
  readonly hasEnded: boolean;
  readonly times: PartTimes | undefined;
  readonly scope: ConsentScope;
}

/** The reader's choice: to open a card, or to fold it until the call asks for consent. */
interface Wish {
  readonly isOpen: boolean;
  readonly isAsking: boolean;
}

export function ToolCard(props: ToolCardProps): ReactElement {
  const { use, hasEnded, times } = props;
  const trans = useTrans();
  const state = toolState(use, hasEnded);
  const [wish, setWish] = useState<Wish | null>(null);
  const [words, setWords] = useState('');
  const isLate = useLasting(state === 'waiting', PATIENCE_MS);
  const isAsking = state === 'asks';
  const isLively = isLate || (state === 'running' && (use.call?.progress ?? '') !== '');
  const hasWords = !isAsking && unsentWords(words, answersOf(props)) !== '';
  const isKept = wish !== null && (wish.isOpen || wish.isAsking === isAsking);
  const isOpen = isKept ? wish.isOpen : isAsking || isLively || hasWords;
  const keepOpen = (event: MouseEvent): void => {
    // A click into the card keeps it open, but not a click on a consent: then it folds at the call's end.
    if (event.target instanceof Element && event.target.closest('[data-testid=consent]') === null) {
      setWish({ isOpen: true, isAsking });
    }
  };
  return (
    <details
      className="jp-ChatStream-folded jp-ChatStream-toolCard"
      data-testid={use.call === null ? 'tool-result' : 'tool-call'}
      data-state={state}
      data-call={use.call?.tool_call_id}
      open={isOpen}
      onToggle={({ currentTarget: { open } }) => {
        if (open !== isOpen) {
          setWish({ isOpen: open, isAsking });
        }
      }}
    >
      <summary {...OWN_KEYS}>
        <span className="jp-ChatStream-tool" data-state={state}>
          <span className={`jp-ChatStream-tag jp-mod-${state}`}>{stateText(state, trans)}</span>
          <code dir="auto">{revealHidden(callName(use))}</code>
          <ShortInput use={use} />
          <Span use={use} state={state} times={times} />
        </span>
      </summary>
      {isOpen ? (
        <div className="jp-ChatStream-foldedBody" onClick={keepOpen}>
          <ToolBody {...props} state={state} isLate={isLate} words={words} onWords={setWords} />
        </div>
      ) : null}
    </details>
  );
}

/** How long the call took; during the call, how long it has been running. */
function Span(props: {
  readonly use: ToolUse;
  readonly state: ToolState;
  readonly times: PartTimes | undefined;
}): ReactElement {
  const { use, state, times } = props;
  const trans = useTrans();
  const startedAt = use.call?.allowed?.at ?? null;
  const since = state === 'running' ? startedAt : null;
  const now_ms = useNow(since, secondsPaceOf);
  const callTimes =
    times === undefined || startedAt === null ? times : { ...times, from: startedAt };
  const span_ms = since === null ? spanOf(callTimes) : now_ms - Date.parse(since);
  return (
    <span className="jp-ChatStream-toolFact" aria-hidden={since === null ? undefined : true}>
      {span_ms === null ? '' : spanText(span_ms, trans)}
    </span>
  );
}

function ShortInput({ use }: { readonly use: ToolUse }): ReactElement | null {
  const text = use.call?.name === undefined ? '' : shortInput(use.call.input);
  return text === '' ? null : (
    <span className="jp-ChatStream-toolInput" dir="auto">
      {revealHidden(text)}
    </span>
  );
}

/** The beginning of the input in one line: of its code, or without code of its fields. */
function shortInput(input: unknown): string {
  const { code, operation: _operation, ...others } = fieldsOf(input);
  const fields = operationOf(input) === null ? input : others;
  const text =
    typeof code === 'string'
      ? code
      : typeof input === 'string'
        ? input
        : (JSON.stringify(fields) ?? '');
  const isEmpty = text === '{}' || text === 'null';
  return isEmpty ? '' : text.trim().slice(0, MOST_INPUT_CHARS).replace(/\s+/g, ' ');
}

/** The answer to the question about a call, and an answer of this page that came too late. */
function answersOf({ use: { consent }, scope }: ToolCardProps): readonly unknown[] {
  return consent === null ? [] : [consent.value, scope.lateAnswers.get(consent.request_id)?.mine];
}

interface ToolBodyProps extends ToolCardProps {
  readonly state: ToolState;
  readonly isLate: boolean;
  /** The text to the model that a person has typed beside "Don't allow". */
  readonly words: string;
  readonly onWords: (words: string) => void;
}

function ToolBody(props: ToolBodyProps): ReactElement {
  const { use, state, scope } = props;
  const { call, result, consent } = use;
  const trans = useTrans();
  const isAsking = state === 'asks' && consent !== null && call !== null;
  const lateAnswer = consent === null ? undefined : scope.lateAnswers.get(consent.request_id);
  const mayAnswer = isAsking && lateAnswer === undefined && !scope.isDisabled;
  const hint = state === 'waiting' && !props.isLate ? null : toolHint(use, state, trans);
  return (
    <>
      {isAsking ? <p className="jp-ChatStream-consentTitle">{consentTitle(call, trans)}</p> : null}
      {hint === null ? null : (
        <p className="jp-ChatStream-toolHint" data-testid="tool-hint" dir="auto">
          {hint}
        </p>
      )}
      {call === null ? null : (
        <div data-testid="tool-input">
          <Input {...props} mayAnswer={mayAnswer} />
        </div>
      )}
      {mayAnswer ? (
        <ConsentForm part={consent} scope={scope} words={props.words} onWords={props.onWords} />
      ) : (
        <UnsentWords words={unsentWords(props.words, answersOf(props))} />
      )}
      <Outputs use={use} state={state} />
      {consent === null || mayAnswer ? null : (
        <ConsentAnswer
          part={consent}
          lateAnswer={lateAnswer}
          at={call?.allowed?.at ?? props.times?.to ?? null}
        />
      )}
      {call?.allowed === undefined || typeof consent?.by === 'string' ? null : (
        <AllowanceLine allowed={call.allowed} />
      )}
      {typeof call?.executor === 'string' ? (
        <p className="jp-ChatStream-toolNote" data-testid="tool-executor" dir="auto">
          {result === null
            ? trans.__('Running in %1', call.executor)
            : trans.__('Ran in %1', call.executor)}
        </p>
      ) : null}
    </>
  );
}

/** The input of a call; for a proposal, the change of each cell. */
function Input({
  use,
  scope,
  mayAnswer
}: ToolBodyProps & { readonly mayAnswer: boolean }): ReactElement {
  const { call } = use;
  const trans = useTrans();
  const proposal = useMemo(() => proposalOf(call), [call]);
  if (proposal !== null) {
    return <ProposedEdits use={use} proposal={proposal} mayAnswer={mayAnswer} scope={scope} />;
  }
  return (
    <>
      <p className="jp-ChatStream-toolPart">{trans.__('Input')}</p>
      {call?.name === undefined ? (
        <TextBox text={revealHidden(call?.text ?? '')} />
      ) : (
        <ToolInput input={call.input} />
      )}
    </>
  );
}

function Outputs(props: { readonly use: ToolUse; readonly state: ToolState }): ReactElement {
  const { use, state } = props;
  const { call, result } = use;
  const trans = useTrans();
  const progress = call?.progress ?? '';
  return (
    <>
      {progress === '' ? null : (
        <div>
          <p className="jp-ChatStream-toolPart">{outputText(trans)}</p>
          <LiveOutput text={progress} isGrowing={mayChange(state)} />
        </div>
      )}
      {result === null ? null : (
        <div data-testid="tool-output">
          <p className="jp-ChatStream-toolPart">{resultText(state, trans)}</p>
          <ToolOutput output={result.output} />
        </div>
      )}
    </>
  );
}

function resultText(state: ToolState, trans: TranslationBundle): string {
  switch (state) {
    case 'done':
      return trans.__('Result');
    case 'failed':
      return trans.__('Error');
    default:
      return trans.__('What the model was told');
  }
}

function stateText(state: ToolState, trans: TranslationBundle): string {
  switch (state) {
    case 'preparing':
      return trans.__('preparing a call…');
    case 'cut':
      return trans.__('a call that was cut off');
    case 'checking':
      return trans.__('not begun');
    case 'asks':
      return asksYouText(trans);
    case 'waiting':
      return trans.__('waiting…');
    case 'running':
      return trans.__('running…');
    case 'called':
      return trans.__('tool');
    case 'done':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'refused':
      return trans.__('not allowed');
    case 'expired':
      return trans.__('expired');
    case 'interrupted':
      return trans.__('interrupted');
  }
}
