/**
 * The scrolling log. It follows its end until the reader scrolls up, and then stays where it is.
 *
 * The browser handles the wheel: at either end the notebook scrolls on. The notebook detaches and
 * attaches cells while it scrolls; the log then returns to its place.
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

/** A reader who scrolls down to within so many px of the end follows the end again. */
const NEAR_PX = 32;
/** The end is reached within so many px, because browsers round. */
const TOUCHING_PX = 2;

export interface ScrollerProps {
  /** Each change scrolls to the end: the reader has sent a message. */
  readonly jump: number;
  /** Whether the content is read from its top: its end is not followed. */
  readonly isStill: boolean;
  readonly children: ReactNode;
}

export function Scroller(props: ScrollerProps): ReactElement {
  const trans = useTrans();
  const inner = useRef<HTMLDivElement>(null);
  const { outer, isAway, toEnd, onScroll } = usePlace(inner, props.isStill);
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
        aria-live="off"
        tabIndex={0}
        onScroll={onScroll}
      >
        <div ref={inner} className="jp-ChatStream-messages">
          {props.children}
        </div>
      </div>
      {isAway ? (
        <Button testid="latest" className="jp-ChatStream-latest" onClick={toEnd}>
          {trans.__('↓ Latest')}
        </Button>
      ) : null}
    </div>
  );
}

/** The reader's place in the log: at the end, which is followed, or away from it. */
function usePlace(inner: RefObject<HTMLDivElement>, isStill: boolean) {
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
      if (isPinned && !isStill) {
        toEnd();
      } else if (height === 0 && node.clientHeight > 0) {
        node.scrollTop = top; // the cell was attached again
      }
      place.current.height = node.clientHeight;
      place.current.width = node.clientWidth;
    });
    observer.observe(inner.current);
    observer.observe(node);
    return () => observer.disconnect();
  }, [inner, toEnd, isStill]);

  const onScroll = (): void => {
    const node = outer.current;
    if (node === null || node.clientHeight === 0) {
      return;
    }
    const { top, isPinned, width } = place.current;
    if (node.clientWidth !== width) {
      return; // the text wraps anew, so the reader did not scroll: the observer handles this
    }
    const left = node.scrollHeight - node.scrollTop - node.clientHeight;
    // New text moves the end away, so only scrolling up stops the following. Shrinking text scrolls
    // up too, but to the very end.
    const isUp = node.scrollTop < top - 1;
    const stays = isUp ? left <= TOUCHING_PX : isPinned || left <= NEAR_PX;
    place.current = { isPinned: stays, ...placeOf(node) };
    setAway(!stays);
  };
  return { outer, isAway, toEnd, onScroll };
}

function placeOf(node: HTMLElement): { top: number; height: number; width: number } {
  return { top: node.scrollTop, height: node.clientHeight, width: node.clientWidth };
}
