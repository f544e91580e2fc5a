/** The chat's buttons. They keep the keyboard focus in the chat, even if a click removes the button. */
import {
  type MouseEvent,
  type ReactElement,
  type ReactNode,
  type RefObject,
  useLayoutEffect,
  useRef
} from 'react';

import { OWN_KEYS } from './keys';

interface ButtonProps {
  readonly testid: string;
  readonly onClick: (event: MouseEvent<HTMLButtonElement>) => void;
  readonly children: ReactNode;
  readonly label?: string;
  readonly className?: string;
  readonly isDisabled?: boolean;
  readonly type?: 'button' | 'submit';
  /** For a button that opens a part of the chat: whether the part is open. */
  readonly isOpen?: boolean;
  /** For a button that is one of several choices: whether it is chosen. */
  readonly isPressed?: boolean;
  /** Where the focus goes if the click may remove the button and lose the focus; by default it stays. */
  readonly then?: 'log' | 'field' | 'stay';
}

export function Button(props: ButtonProps): ReactElement {
  const node = useKeptFocus<HTMLButtonElement>();
  const onClick = (event: MouseEvent<HTMLButtonElement>): void => {
    if (props.then !== undefined && props.then !== 'stay') {
      focusIn(event.currentTarget, props.then);
    }
    props.onClick(event);
  };
  return (
    <button
      {...OWN_KEYS}
      ref={node}
      type={props.type ?? 'button'}
      className={`jp-ChatStream-button ${props.className ?? ''}`.trimEnd()}
      data-testid={props.testid}
      aria-label={props.label}
      title={props.label}
      aria-expanded={props.isOpen}
      aria-pressed={props.isPressed}
      disabled={props.isDisabled === true}
      onClick={onClick}
    >
      {props.children}
    </button>
  );
}

/** A quiet button with a cross, which closes or removes something. */
export function CrossButton(props: Omit<ButtonProps, 'children'>): ReactElement {
  return (
    <Button {...props} className={`jp-mod-quiet ${props.className ?? ''}`.trimEnd()}>
      ×
    </Button>
  );
}

/** For an element that may disappear: if it has the focus then, `move` moves it, to the log by default. */
export function useKeptFocus<T extends HTMLElement>(
  move: (node: HTMLElement) => void = toLog
): RefObject<T> {
  const ref = useRef<T>(null);
  useLayoutEffect(() => {
    const node = ref.current;
    return () => {
      if (node !== null && node.contains(document.activeElement)) {
        move(node);
      }
    };
  }, [move]);
  return ref;
}

function toLog(node: HTMLElement): void {
  focusIn(node, 'log');
}

/** Focus a part of the chat around `node`, by its test id; the log if that part cannot be focused. */
export function focusIn(node: HTMLElement, testId: string): void {
  const chat = node.closest('.jp-ChatStream');
  const target =
    chat?.querySelector<HTMLElement>(`[data-testid=${testId}]:not(:disabled)`) ??
    chat?.querySelector<HTMLElement>('[data-testid=log]');
  target?.focus({ preventScroll: true });
}
