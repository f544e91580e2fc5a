/** The handle at the lower edge of a chat. Dragging it or the arrow keys change the height. */
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactElement,
  useLayoutEffect,
  useRef
} from 'react';

import { OWN_KEYS } from './controls/keys';
import { useTrans } from './hooks';

const LEAST_PX = 140;
const STEP_PX = 32;
/** No height is refused. A separator has to name an upper bound: without it, that is 100. */
const MOST_PX = 100_000;

/** The height of the chat that a handle belongs to. */
const heightOf = (handle: HTMLElement): number => handle.parentElement?.offsetHeight ?? 0;

export function ResizeHandle(props: { readonly onResize: (height: number) => void }): ReactElement {
  const trans = useTrans();
  const from = useRef<{ y: number; height: number } | null>(null);
  const handle = useRef<HTMLDivElement>(null);

  const resize = (height: number): void => props.onResize(Math.max(LEAST_PX, Math.round(height)));

  const onPointerDown = (event: PointerEvent<HTMLDivElement>): void => {
    event.currentTarget.setPointerCapture(event.pointerId);
    from.current = { y: event.clientY, height: heightOf(event.currentTarget) };
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>): void => {
    if (from.current !== null) {
      resize(from.current.height + event.clientY - from.current.y);
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === 'ArrowDown' ? STEP_PX : event.key === 'ArrowUp' ? -STEP_PX : 0;
    if (step !== 0) {
      event.preventDefault();
      resize(heightOf(event.currentTarget) + step);
    }
  };
  // The content decides the height until the handle is moved, so it is measured at each drawing.
  useLayoutEffect(() => {
    handle.current?.setAttribute('aria-valuenow', `${heightOf(handle.current)}`);
  });
  return (
    <div
      {...OWN_KEYS}
      ref={handle}
      className="jp-ChatStream-resize"
      data-testid="resize"
      role="separator"
      aria-orientation="horizontal"
      aria-label={trans.__('Height of the chat')}
      aria-valuemin={LEAST_PX}
      aria-valuemax={MOST_PX}
      tabIndex={0}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={() => (from.current = null)}
      onPointerCancel={() => (from.current = null)}
      onKeyDown={onKeyDown}
    />
  );
}
