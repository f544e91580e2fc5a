/**
 * The scrolling log. It follows its end until the reader scrolls up, and then leaves them alone.
 *
 * The wheel is the browser's: at either end it goes on to the notebook. A detached and attached
 * cell (the notebook does that while scrolling) gets its place back.
 */
import {
  type ReactElement,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState
} from 'react';

import { Button } from './button';
import { useTrans } from './hooks';
import { OWN_KEYS } from './keys';

/** Coming down so near to the end, in px, is coming back to it. */
const NEAR = 32;
const TOUCHING = 2;

export interface ScrollerProps {
  readonly isBusy: boolean;
  /** Each change of it goes to the end: the reader has sent something. */
  readonly jump: number;
  readonly children: ReactNode;
}

export function Scroller(props: ScrollerProps): ReactElement {
  const trans = useTrans();
  const inner = useRef<HTMLDivElement>(null);
  const { outer, isAway, toEnd, onScroll } = usePlace(inner);
  useLayoutEffect(toEnd, [props.jump, toEnd]);
  return (
    <div className="jp-ChatStream-scrollerFrame">
      <div
        {...OWN_KEYS}
        ref={outer}
        className={`jp-ChatStream-scroller${isAway ? ' jp-mod-away' : ''}`}
        data-testid="log"
        role="log"
        aria-label={trans.__('Conversation')}
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
          {trans.__('↓ Latest')}
        </Button>
      ) : null}
    </div>
  );
}

/** Where the reader is in the log: at its end, which is followed, or away. */
function usePlace(inner: RefObject<HTMLDivElement>) {
  const outer = useRef<HTMLDivElement>(null);
  const place = useRef({ isPinned: true, top: 0, height: 0, width: 0 });
  const [isAway, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const node = outer.current;
    if (node !== null) {
      node.scrollTop = node.scrollHeight;
      place.current = { isPinned: true, ...placeOf(node) };
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
        node.scrollTop = top; // attached again
      }
      place.current.height = node.clientHeight;
      place.current.width = node.clientWidth;
    });
    observer.observe(inner.current);
    observer.observe(node);
    return () => observer.disconnect();
  }, [inner, toEnd]);

  const onScroll = (): void => {
    const node = outer.current;
    if (node === null || node.clientHeight === 0) {
      return;
    }
    const { top, isPinned, width } = place.current;
    if (node.clientWidth !== width) {
      return; // moved by text that wraps anew, not by the reader: the observer sees to it
    }
    const left = node.scrollHeight - node.scrollTop - node.clientHeight;
    // Text that comes moves the end away without the reader moving: only going up lets go, and
    // text that shrinks moves the reader up, but to the very end.
    const isUp = node.scrollTop < top - 1;
    const stays = isUp ? left <= TOUCHING : isPinned || left <= NEAR;
    place.current = { isPinned: stays, ...placeOf(node) };
    setAway(!stays);
  };
  return { outer, isAway, toEnd, onScroll };
}

function placeOf(node: HTMLElement): { top: number; height: number; width: number } {
  return { top: node.scrollTop, height: node.clientHeight, width: node.clientWidth };
}
