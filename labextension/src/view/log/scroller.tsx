/**
 * The scrolling log. It follows its end until the reader scrolls up, and then stays where it is
 * (`log-place.ts`). A button leads back to the end and counts the messages that came meanwhile.
 *
 * The browser handles the wheel: at either end the notebook scrolls on.
 */
import {
  type ReactElement,
  type ReactNode,
  type RefObject,
  useLayoutEffect,
  useRef,
  useState
} from 'react';

import { type Message } from '../../protocol/records';
import { findText } from '../../text/texts';
import { Button } from '../controls/button';
import { SearchIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useTrans } from '../hooks';
import { type DrawnWindow } from './drawn-window';
import { Find } from './find';
import { LogPlace, type PlaceState } from './log-place';
import { type PlaceStore } from './places';

/** A message to open, such as a search result. Each new object opens it again. */
export interface OpenedMessage {
  readonly messageId: string;
}

export interface ScrollerProps {
  /** Each change scrolls to the end: the reader has sent a message. */
  readonly jump: number;
  /** Whether the content is read from its top: its end is not followed. */
  readonly isStill: boolean;
  /** The ids of the messages, oldest first. */
  readonly ids: readonly string[];
  /** Whether all messages have arrived. */
  readonly isWhole: boolean;
  readonly drawnWindow: DrawnWindow;
  readonly store: PlaceStore;
  readonly target: OpenedMessage | null;
  /** What find in this chat searches. */
  readonly messages: readonly Message[];
  readonly isFinding: boolean;
  readonly setFinding: (isFinding: boolean) => void;
  readonly children: ReactNode;
}

/** How long a message that was opened stays marked. */
const MARKED_MS = 2_500;

export function Scroller(props: ScrollerProps): ReactElement {
  const trans = useTrans();
  const outer = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const { place, state } = useLogPlace(outer, inner, props);
  useTarget(place, props);
  return (
    <div className="jp-ChatStream-scrollerFrame">
      {props.isFinding ? (
        <Find messages={props.messages} place={place} onClose={() => props.setFinding(false)} />
      ) : props.ids.length > 0 ? (
        <Button
          testid="find-open"
          className="jp-mod-quiet jp-ChatStream-findOpen"
          label={findText(trans)}
          onClick={() => props.setFinding(true)}
        >
          <SearchIcon />
        </Button>
      ) : null}
      <div
        {...OWN_KEYS}
        ref={outer}
        className={`jp-ChatStream-scroller${state.isAway ? ' jp-mod-away' : ''}`}
        data-testid="log"
        role="log"
        aria-label={trans.__('Conversation')}
        aria-live="off"
        tabIndex={0}
      >
        <div ref={inner} className="jp-ChatStream-messages">
          {props.children}
        </div>
      </div>
      {state.isAway ? (
        <Latest
          count={countAfter(props.ids, state.lastId)}
          onClick={() => place.current?.toEnd()}
        />
      ) : null}
    </div>
  );
}

/** Leads to the end, and tells how many messages came since the reader left it. */
function Latest(props: { readonly count: number; readonly onClick: () => void }): ReactElement {
  const trans = useTrans();
  const { count } = props;
  const text =
    count === 0 ? trans.__('↓ Latest') : trans._n('↓ %1 new message', '↓ %1 new messages', count);
  return (
    <Button testid="latest" className="jp-ChatStream-latest" onClick={props.onClick} then="log">
      {text}
    </Button>
  );
}

/** How many messages stand after this one. */
function countAfter(ids: readonly string[], id: string | null): number {
  const at = id === null ? -1 : ids.lastIndexOf(id);
  return at < 0 ? 0 : ids.length - 1 - at;
}

const AT_END: PlaceState = { isAway: false, lastId: null };

function useLogPlace(
  outer: RefObject<HTMLDivElement>,
  inner: RefObject<HTMLDivElement>,
  { jump, isStill, ids, isWhole, drawnWindow, store }: ScrollerProps
) {
  const place = useRef<LogPlace | null>(null);
  const still = useRef(isStill);
  const [state, setState] = useState(AT_END);
  useLayoutEffect(() => {
    still.current = isStill;
  }, [isStill]);
  useLayoutEffect(() => {
    if (outer.current === null || inner.current === null) {
      return undefined;
    }
    const logPlace = new LogPlace({
      outer: outer.current,
      inner: inner.current,
      drawnWindow,
      store,
      isStill: () => still.current,
      onChange: next => setState(before => (isSame(before, next) ? before : next))
    });
    place.current = logPlace;
    return () => logPlace.dispose();
  }, [outer, inner, drawnWindow, store]);
  const first = ids[0];
  const last = ids.at(-1);
  useLayoutEffect(
    () => place.current?.onRowsChange(isWhole),
    [place, first, last, ids.length, isWhole]
  );
  useLayoutEffect(() => {
    if (jump > 0) {
      place.current?.toEnd();
    }
  }, [jump]);
  return { place, state };
}

function isSame(first: PlaceState, second: PlaceState): boolean {
  return first.isAway === second.isAway && first.lastId === second.lastId;
}

/** Go to the message that is to be opened, once it is in the log, and mark it for a while. */
function useTarget(
  place: RefObject<LogPlace | null>,
  { target, ids }: Pick<ScrollerProps, 'target' | 'ids'>
): void {
  const lastTarget = useRef<OpenedMessage | null>(null);
  useLayoutEffect(() => {
    if (
      target === null ||
      lastTarget.current === target ||
      place.current?.open(target.messageId) !== true
    ) {
      return;
    }
    lastTarget.current = target;
    const row = place.current.rowOf(target.messageId);
    row?.classList.add('jp-mod-marked');
    setTimeout(() => row?.classList.remove('jp-mod-marked'), MARKED_MS);
  }, [place, target, ids]);
}
