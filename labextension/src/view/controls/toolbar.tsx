/** A row of actions. The Tab key stops once in it; the arrow keys, Home and End move inside. */
import {
  type FocusEvent,
  type KeyboardEvent,
  type ReactElement,
  type ReactNode,
  useLayoutEffect,
  useRef
} from 'react';

const ITEMS = 'button:not(:disabled), [tabindex]:not(button)';

export function Toolbar(props: {
  readonly testid: string;
  readonly label: string;
  readonly className: string;
  readonly children: ReactNode;
}): ReactElement {
  const node = useRef<HTMLDivElement>(null);
  // The items come and go with the state of the message, so each drawing looks again.
  useLayoutEffect(() => {
    if (node.current !== null) {
      const items = itemsOf(node.current);
      const stop = items.find(item => item.matches('[data-stop]'));
      makeStop(items, stop ?? items.find(item => item.tagName === 'BUTTON') ?? items[0]);
    }
  });
  const onFocus = (event: FocusEvent<HTMLElement>): void => {
    const items = itemsOf(event.currentTarget);
    makeStop(
      items,
      items.find(item => item === event.target)
    );
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const items = itemsOf(event.currentTarget);
    const at = items.findIndex(item => item === event.target);
    const isRtl = getComputedStyle(event.currentTarget).direction === 'rtl';
    const target = at < 0 ? undefined : items[placeAfter(event.key, at, items.length, isRtl)];
    if (target !== undefined) {
      event.preventDefault();
      target.focus({ preventScroll: true });
    }
  };
  return (
    <div
      ref={node}
      className={props.className}
      data-testid={props.testid}
      role="toolbar"
      aria-label={props.label}
      onFocus={onFocus}
      onKeyDown={onKeyDown}
    >
      {props.children}
    </div>
  );
}

function itemsOf(node: HTMLElement): readonly HTMLElement[] {
  return [...node.querySelectorAll<HTMLElement>(ITEMS)];
}

/** Let the Tab key stop at one item only. */
function makeStop(items: readonly HTMLElement[], stop: HTMLElement | undefined): void {
  if (stop !== undefined) {
    for (const item of items) {
      item.tabIndex = item === stop ? 0 : -1;
      item.toggleAttribute('data-stop', item === stop);
    }
  }
}

/** The place that a key leads to; -1 for another key. */
function placeAfter(key: string, at: number, count: number, isRtl: boolean): number {
  switch (key) {
    case isRtl ? 'ArrowLeft' : 'ArrowRight':
      return (at + 1) % count;
    case isRtl ? 'ArrowRight' : 'ArrowLeft':
      return (at + count - 1) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return -1;
  }
}
