/** The list of a person's standing consents, each with a button that takes it back. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useEffect, useRef, useSyncExternalStore } from 'react';

import { type StandingConsent } from '../../protocol/records';
import { revealHidden } from '../../text/hidden-characters';
import { type StandingConsents } from '../../tools/standing-consents';
import { Button } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';

export interface ConsentListProps {
  readonly consents: StandingConsents;
  readonly trans: TranslationBundle;
  /** Leave out the consents of other threads; null shows all. */
  readonly threadId: string | null;
  /** Opens the chat that a consent is for; without it, the list names no other chat. */
  readonly onOpen?: (threadId: string) => void;
  /** Called when a consent has come or gone since the list was first shown. */
  readonly onChange?: () => void;
}

export function ConsentList(props: ConsentListProps): ReactElement {
  const { consents, trans, threadId, onChange } = props;
  const { list, problem } = useSyncExternalStore(consents.subscribe, consents.getState);
  const box = useRef<HTMLDivElement>(null);
  useLoading(consents);
  useChange(list?.map(({ id }) => id).join(), onChange);
  const isShown = (consent: StandingConsent): boolean =>
    threadId === null || consent.thread_id === null || consent.thread_id === threadId;
  const visible = (list ?? []).filter(isShown);
  const revoke = (id: string): void => {
    box.current?.focus(); // the button disappears, and the focus would leave the list with it
    void consents.revoke(id);
  };
  return (
    <div data-testid="consent-list" ref={box} tabIndex={-1} {...OWN_KEYS}>
      {problem === null ? null : (
        <p className="jp-ChatStream-toolNote" role="alert">
          {problem}
        </p>
      )}
      {list === null && problem !== null ? null : visible.length === 0 ? (
        <p className="jp-ChatStream-toolNote">
          {list === null
            ? trans.__('Loading the list…')
            : trans.__('Nothing: every change and every run asks you first.')}
        </p>
      ) : (
        <ul className="jp-ChatStream-consents">
          {visible.map(consent => (
            <li key={consent.id} data-testid="standing-consent">
              <span dir="auto">
                <code>{revealHidden(consentName(consent))}</code>{' '}
                <Scope {...props} consent={consent} />
              </span>
              <Button
                testid="revoke"
                label={trans.__('Revoke the consent to %1', consentName(consent))}
                then="stay"
                onClick={() => revoke(consent.id)}
              >
                {trans.__('Revoke')}
              </Button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Where a consent holds: in all chats, in this one, or in another one. */
function Scope(props: ConsentListProps & { readonly consent: StandingConsent }): ReactElement {
  const { trans, onOpen, threadId } = props;
  const { thread_id } = props.consent;
  if (thread_id === null || thread_id === threadId) {
    return <>{thread_id === null ? trans.__('in all chats') : trans.__('in this chat')}</>;
  }
  const text = trans.__('in one chat');
  return onOpen === undefined ? (
    <>{text}</>
  ) : (
    <Button
      testid="consent-chat"
      className="jp-mod-quiet"
      label={trans.__('Open the chat in which %1 is allowed', consentName(props.consent))}
      then="stay"
      onClick={() => onOpen(thread_id)}
    >
      {text}
    </Button>
  );
}

/** Load the list now, and when the person returns to the page: another page may have changed the list. */
function useLoading(consents: StandingConsents): void {
  useEffect(() => {
    const load = (): void => void consents.load();
    load();
    window.addEventListener('focus', load);
    return () => window.removeEventListener('focus', load);
  }, [consents]);
}

/** Call `onChange` when a value changes that was defined before. */
function useChange(value: string | undefined, onChange: (() => void) | undefined): void {
  const previous = useRef(value);
  const tell = useRef(onChange);
  useEffect(() => {
    tell.current = onChange;
  });
  useEffect(() => {
    if (previous.current !== undefined && value !== previous.current) {
      tell.current?.();
    }
    previous.current = value;
  }, [value]);
}

function consentName({ tool, operation }: StandingConsent): string {
  return operation === null ? tool : `${tool}.${operation}`;
}
