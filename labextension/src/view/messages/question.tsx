/** A run's question: a form while it is open, then the answer and who gave it. */
import { type FormEvent, type ReactElement, memo, useState } from 'react';

import { type LostAnswer, type QuestionState } from '../../fold/questions';
import { type InputRequestPart } from '../../protocol/records';
import { lateAnswerText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { Button, useKeptFocus } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { useLanguage, useNow, useTrans } from '../hooks';
import { leftText, timeText } from '../times';
import { pretty } from '../tools/pretty';
import { Markdown } from './parts';

/** Whether this is the name of the only user of a server without logins. */
export function isLocal(name: string): boolean {
  return name === 'local';
}

interface QuestionProps {
  readonly part: InputRequestPart;
  readonly state: QuestionState;
  readonly client: ThreadClient;
  readonly runId: string;
  /** Whether this page's reply is on its way. */
  readonly isActing: boolean;
  readonly isDisabled: boolean;
  /** Set if someone else answered before this page's reply arrived. */
  readonly lateAnswer: LostAnswer | undefined;
}

export const QuestionView = memo(function QuestionView(props: QuestionProps): ReactElement {
  const trans = useTrans();
  const { part, state, lateAnswer } = props;
  // The response to a late reply may arrive before the event in the log.
  const isAnswered = state === 'answered' || lateAnswer !== undefined;
  return (
    <div
      className={`jp-ChatStream-question jp-mod-${isAnswered ? 'answered' : state}`}
      data-testid="input-request"
      data-state={isAnswered ? 'answered' : state}
      role="group"
      aria-label={trans.__('Question')}
    >
      <Markdown text={part.prompt} isEnded />
      {isAnswered ? (
        <Answered
          value={lateAnswer?.value ?? part.value}
          by={lateAnswer?.by ?? part.by ?? ''}
          mine={lateAnswer?.mine}
        />
      ) : state === 'open' && !props.isDisabled ? (
        <AnswerForm {...props} />
      ) : (
        <Unanswered {...props} />
      )}
    </div>
  );
});

function Answered(props: {
  readonly value: unknown;
  readonly by: string;
  readonly mine: unknown;
}): ReactElement {
  const trans = useTrans();
  const by = isLocal(props.by) ? trans.__('answered by you') : trans.__('answered by %1', props.by);
  return (
    <div className="jp-ChatStream-answer" data-testid="answered">
      <span className="jp-ChatStream-answerValue">{pretty(props.value)}</span>{' '}
      <span className="jp-mod-muted">{by}</span>
      {props.mine === undefined ? null : (
        <div className="jp-mod-muted" data-testid="beaten">
          {lateAnswerText(pretty(props.mine), trans)}
        </div>
      )}
    </div>
  );
}

function Unanswered({ part, state }: QuestionProps): ReactElement {
  const language = useLanguage();
  const { trans } = language;
  const now_ms = useNow(null);
  const isExpired = state === 'expired' && part.expires_at !== null;
  const text = isExpired
    ? trans.__('Nobody answered by %1.', timeText(part.expires_at ?? '', now_ms, language))
    : state === 'open'
      ? trans.__('This question is waiting for an answer.')
      : trans.__('This question was not answered.');
  return <p className="jp-ChatStream-answer jp-mod-muted">{text}</p>;
}

function AnswerForm(props: QuestionProps): ReactElement {
  const { part, client, runId, isActing } = props;
  const trans = useTrans();
  const form = useKeptFocus<HTMLFormElement>();
  const [text, setText] = useState('');
  const give = (value: string): void => {
    if (value !== '') {
      void client.answer(runId, part.request_id, value);
    }
  };
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    give(text.trim());
  };
  return (
    <form ref={form} className="jp-ChatStream-answerForm" onSubmit={onSubmit}>
      {part.choices === null ? (
        <>
          <input
            {...OWN_KEYS}
            className="jp-ChatStream-input"
            data-testid="answer-field"
            aria-label={trans.__('Your answer')}
            placeholder={trans.__('Your answer…')}
            autoComplete="off"
            value={text}
            readOnly={isActing}
            onChange={event => setText(event.target.value)}
          />
          <Button
            testid="answer"
            className="jp-mod-accent"
            isDisabled={isActing || text.trim() === ''}
            onClick={() => give(text.trim())}
            then="log"
          >
            {trans.__('Send answer')}
          </Button>
        </>
      ) : (
        part.choices.map(choice => (
          <Button
            key={choice}
            testid="choice"
            isDisabled={isActing}
            onClick={() => give(choice)}
            then="log"
          >
            {choice}
          </Button>
        ))
      )}
      {part.expires_at === null ? null : <Expiry at={part.expires_at} />}
    </form>
  );
}

/** How long a question stays open, by the page's clock. The server's clock decides. */
export function Expiry({ at }: { readonly at: string }): ReactElement {
  const language = useLanguage();
  const { trans } = language;
  const now_ms = useNow(at);
  const remaining = leftText(at, now_ms, trans);
  const isOver = Date.parse(at) <= now_ms;
  return (
    <span className="jp-ChatStream-expiry" data-testid="expiry">
      {isOver
        ? trans.__('the time is up')
        : remaining !== ''
          ? trans.__('%1 left', remaining)
          : trans.__('until %1', timeText(at, now_ms, language))}
    </span>
  );
}
