/** Our buttons: keys pressed on them stay with us, also when a click takes them away. */
import { type MouseEvent, type ReactElement, type ReactNode } from 'react';

import { OWN_KEYS } from './safe';

export interface ButtonProps {
  readonly testid: string;
  readonly onClick: () => void;
  readonly children: ReactNode;
  readonly label?: string;
  readonly look?: string;
  readonly isDisabled?: boolean;
  /** Where the focus goes, as the click may take the button away (else keys would go astray). */
  readonly then?: 'log' | 'field' | 'stay';
}

export function Button(props: ButtonProps): ReactElement {
  const onClick = (event: MouseEvent<HTMLButtonElement>): void => {
    if (props.then !== 'stay') {
      focusIn(event.currentTarget, props.then === 'field' ? 'field' : 'log');
    }
    props.onClick();
  };
  return (
    <button
      {...OWN_KEYS}
      type="button"
      className={`jp-ChatStream-button ${props.look ?? ''}`.trimEnd()}
      data-testid={props.testid}
      aria-label={props.label}
      disabled={props.isDisabled === true}
      onClick={onClick}
    >
      {props.children}
    </button>
  );
}

/** Focus the message field or the log of the chat that `node` is in. */
function focusIn(node: HTMLElement, what: 'field' | 'log'): void {
  const chat = node.closest('.jp-ChatStream');
  const target =
    chat?.querySelector<HTMLElement>(`[data-testid=${what}]:not(:disabled)`) ??
    chat?.querySelector<HTMLElement>('[data-testid=log]');
  target?.focus({ preventScroll: true });
}
