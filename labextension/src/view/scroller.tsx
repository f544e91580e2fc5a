/**
 * The scrolling log. It follows its end until the reader scrolls up, and then leaves them alone.
 *
 * The wheel is the browser's: at either end it goes on to the notebook. A detached and attached
 * cell (the notebook does that while scrolling) gets its place back.
 */
import {
  type ReactElement,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState
} from 'react';

import { Button } from './button';
import { OWN_KEYS } from './safe';

/** So near the end counts as at the end, in px. */
const NEAR = 32;

export interface ScrollerProps {
  readonly label: string;
  readonly isBusy: boolean;
  /** Each change of it goes to the end: the reader has sent something. */
  readonly jump: number;
  readonly children: ReactNode;
}

export function Scroller(props: ScrollerProps): ReactElement {
  const outer = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const place = useRef({ isPinned: true, top: 0, height: 0 });
  const [isAway, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const node = outer.current;
    if (node !== null) {
      node.scrollTop = node.scrollHeight;
      place.current = { isPinned: true, top: node.scrollTop, height: node.clientHeight };
      setAway(false);
    }
  }, []);

  useEffect(() => {
    const node = outer.current;
    if (node === null || inner.current === null || typeof ResizeObserver === 'undefined') {
      return undefined;
    }
    const observer = new ResizeObserver(() => {
      const { isPinned, top, height } = place.current;
      if (isPinned) {
        toEnd();
      } else if (height === 0 && node.clientHeight > 0) {
        node.scrollTop = top;
      }
      place.current.height = node.clientHeight;
    });
    observer.observe(inner.current);
    observer.observe(node);
    return () => observer.disconnect();
  }, [toEnd]);

  useLayoutEffect(toEnd, [props.jump, toEnd]);

  const onScroll = (): void => {
    const node = outer.current;
    if (node === null || node.clientHeight === 0) {
      return;
    }
    const { top, isPinned } = place.current;
    const isAtEnd = node.scrollHeight - node.scrollTop - node.clientHeight <= NEAR;
    // Text that comes moves the end away without the reader moving: only going up lets go.
    const isUp = node.scrollTop < top - 1;
    const stays = isAtEnd && !isUp ? true : isPinned && !isUp;
    place.current = { isPinned: stays || isAtEnd, top: node.scrollTop, height: node.clientHeight };
    setAway(!place.current.isPinned);
  };

  return (
    <div className="jp-ChatStream-scrollerFrame">
      <div
        {...OWN_KEYS}
        ref={outer}
        className="jp-ChatStream-scroller"
        data-testid="log"
        role="log"
        aria-label={props.label}
        aria-live={props.isBusy ? 'off' : 'polite'}
        aria-busy={props.isBusy}
        tabIndex={0}
        onScroll={onScroll}
      >
        <div ref={inner} className="jp-ChatStream-messages">
          {props.children}
        </div>
      </div>
      {isAway ? (
        <Button testid="latest" look="jp-ChatStream-latest" onClick={toEnd}>
          ↓ latest
        </Button>
      ) : null}
    </div>
  );
}
