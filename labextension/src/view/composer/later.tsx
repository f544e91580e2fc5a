/** Scheduled messages: how the log shows them, and the panel that makes them. */
import { type KeyboardEvent, type ReactElement, useEffect, useId, useRef } from 'react';

import { runFor, scheduledMessages } from '../../fold/unsent';
import { type Message, type Run } from '../../protocol/records';
import { type Language } from '../../text/language';
import { cancelText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { Button, focusIn } from '../controls/button';
import { ClockIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useLanguage, useNow, useTrans } from '../hooks';
import { Question } from '../messages/message';
import { sendingText } from '../status';
import { fieldText, whenText } from '../times';
import { type ThreadControlProps } from '../thread-props';
import { Schedules } from './schedules';

/** All scheduled messages of the thread, the next one first. */
export function LaterMessages(props: ThreadControlProps): ReactElement {
  return (
    <>
      {scheduledMessages(props.state.transcript).map(({ message }) => (
        <LaterMessage key={message.id} {...props} message={message} />
      ))}
    </>
  );
}

/** One message that was not sent: it is scheduled, or it was cancelled. */
export function LaterMessage(
  props: ThreadControlProps & { readonly message: Message }
): ReactElement {
  const language = useLanguage();
  const { trans } = language;
  const { client, state, message } = props;
  const run = runFor(state.transcript, message);
  const isWaiting = message.status === 'waiting';
  const now_ms = useNow(isWaiting ? (run?.wake_at ?? null) : null);
  return (
    <article
      className="jp-ChatStream-message jp-mod-user jp-mod-later"
      data-testid="message-later"
      data-message-id={message.id}
      data-run-id={run?.id}
      data-status={message.status}
      aria-label={
        isWaiting ? trans.__('Your scheduled message') : trans.__('Your cancelled message')
      }
    >
      <Question message={message} />
      <div className="jp-ChatStream-laterNote">
        <span className="jp-ChatStream-timed">
          <ClockIcon />
          {isWaiting
            ? deliveryText(run, now_ms, language)
            : trans.__('Cancelled. This message was not sent.')}
        </span>
        {!isWaiting || run === undefined || props.isDisabled ? null : (
          <Button
            testid="cancel-later"
            className="jp-mod-quiet"
            isDisabled={state.acting.has(run.id)}
            onClick={() => void client.command(run.id, 'cancel')}
            then="log"
          >
            {cancelText(trans)}
          </Button>
        )}
      </div>
    </article>
  );
}

function deliveryText(run: Run | undefined, now_ms: number, language: Language): string {
  const { trans } = language;
  const at = run?.wake_at ?? null;
  if (at === null) {
    return trans.__('Will be sent later');
  }
  return Date.parse(at) > now_ms
    ? trans.__('Will be sent %1', whenText(at, now_ms, language))
    : sendingText(trans);
}

interface LaterPanelProps {
  readonly client: ThreadClient;
  /** The value of the `datetime-local` field. */
  readonly at: string;
  readonly onChange: (at: string) => void;
  readonly onClose: () => void;
  readonly onSend: () => void;
}

/** The panel above the composer's buttons in which the reader chooses a time. */
export function LaterPanel(props: LaterPanelProps): ReactElement {
  const trans = useTrans();
  const { client, at } = props;
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus({ preventScroll: true }), []);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    if (event.key === 'Escape') {
      focusIn(event.currentTarget, 'later');
      props.onClose();
    }
  };
  const now_ms = useNow(at);
  const isPast = at !== '' && new Date(at).getTime() <= now_ms;
  return (
    <div
      className="jp-ChatStream-later"
      data-testid="later-panel"
      role="group"
      aria-label={trans.__('Schedule a message')}
      onKeyDown={onKeyDown}
    >
      <div className="jp-ChatStream-laterRow">
        <label htmlFor={id}>{trans.__('Send at')}</label>
        <input
          {...OWN_KEYS}
          ref={field}
          id={id}
          className="jp-ChatStream-input jp-ChatStream-time"
          data-testid="later-at"
          type="datetime-local"
          min={fieldText(now_ms)}
          value={at}
          onChange={event => props.onChange(event.target.value)}
          onKeyDown={event => event.key === 'Enter' && !event.shiftKey && props.onSend()}
        />
        <span className="jp-mod-muted" role="status">
          {isPast ? trans.__('This time has passed.') : ''}
        </span>
      </div>
      <Schedules list={client.schedules} />
    </div>
  );
}
