/** The list of a person's standing consents, each with a button that takes it back. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useEffect, useRef, useSyncExternalStore } from 'react';

import { revealed } from '../hidden-characters';
import { type StandingConsent } from '../protocol';
import { type StandingConsents } from '../standing-consents';
import { Button } from './button';
import { OWN_KEYS } from './keys';

export interface ConsentListProps {
  readonly consents: StandingConsents;
  readonly trans: TranslationBundle;
  /** Leave out the consents of other threads; null shows all. */
  readonly threadId: string | null;
  readonly onRevoked?: () => void;
}

export function ConsentList(props: ConsentListProps): ReactElement {
  const { consents, trans, threadId, onRevoked } = props;
  const { list, problem } = useSyncExternalStore(consents.subscribe, consents.getState);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => void consents.load(), [consents]);
  const isShown = (consent: StandingConsent): boolean =>
    threadId === null || consent.thread_id === null || consent.thread_id === threadId;
  const shown = (list ?? []).filter(isShown);
  const revoke = async (id: string): Promise<void> => {
    box.current?.focus(); // the button disappears, and its focus would leave the list
    await consents.revoke(id);
    onRevoked?.();
  };
  return (
    <div data-testid="consent-list" ref={box} tabIndex={-1} {...OWN_KEYS}>
      {problem === null ? null : (
        <p className="jp-ChatStream-toolNote" role="alert">
          {problem}
        </p>
      )}
      {list === null && problem !== null ? null : shown.length === 0 ? (
        <p className="jp-ChatStream-toolNote">
          {list === null
            ? trans.__('Looking…')
            : trans.__('Nothing: every change and every run asks you first.')}
        </p>
      ) : (
        <ul className="jp-ChatStream-consents">
          {shown.map(consent => (
            <li key={consent.id} data-testid="standing-consent">
              <span dir="auto">
                <code>{revealed(consentName(consent))}</code>{' '}
                {consent.thread_id === null
                  ? trans.__('in all chats')
                  : consent.thread_id === threadId
                    ? trans.__('in this chat')
                    : trans.__('in one chat')}
              </span>
              <Button
                testid="revoke"
                label={trans.__('Revoke the consent to %1', consentName(consent))}
                then="stay"
                onClick={() => void revoke(consent.id)}
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

function consentName({ tool, operation }: StandingConsent): string {
  return operation === null ? tool : `${tool}.${operation}`;
}
