/** Our buttons: keys pressed on them stay with us, also when a click takes them away. */
import {
  type MouseEvent,
  type ReactElement,
  type ReactNode,
  type RefObject,
  useLayoutEffect,
  useRef
} from 'react';

import { OWN_KEYS } from './keys';

export interface ButtonProps {
  readonly testid: string;
  readonly onClick: () => void;
  readonly children: ReactNode;
  readonly label?: string;
  readonly look?: string;
  readonly isDisabled?: boolean;
  /** Of a button that opens something: whether that is open. */
  readonly isOpen?: boolean;
  /** Where the focus goes, as the click may take the button away (else keys would go astray). */
  readonly then?: 'log' | 'field' | 'stay';
}

export function Button(props: ButtonProps): ReactElement {
  const node = useKeptFocus<HTMLButtonElement>();
  const onClick = (event: MouseEvent<HTMLButtonElement>): void => {
    if (props.then !== 'stay') {
      focusIn(event.currentTarget, props.then ?? 'log');
    }
    props.onClick();
  };
  return (
    <button
      {...OWN_KEYS}
      ref={node}
      type="button"
      className={`jp-ChatStream-button ${props.look ?? ''}`.trimEnd()}
      data-testid={props.testid}
      aria-label={props.label}
      title={props.label}
      aria-expanded={props.isOpen}
      disabled={props.isDisabled === true}
      onClick={onClick}
    >
      {props.children}
    </button>
  );
}

/** For what goes away by itself: if it has the focus then, the log gets it. */
export function useKeptFocus<T extends HTMLElement>(): RefObject<T> {
  const ref = useRef<T>(null);
  useLayoutEffect(() => {
    const node = ref.current;
    return () => {
      if (node !== null && node.contains(document.activeElement)) {
        focusIn(node, 'log');
      }
    };
  }, []);
  return ref;
}

/** Focus a part of the chat that `node` is in, by its test id; the log where it cannot be. */
export function focusIn(node: HTMLElement, what: string): void {
  const chat = node.closest('.jp-ChatStream');
  const target =
    chat?.querySelector<HTMLElement>(`[data-testid=${what}]:not(:disabled)`) ??
    chat?.querySelector<HTMLElement>('[data-testid=log]');
  target?.focus({ preventScroll: true });
}
