/** A row of the list of threads. */
import {
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  type ReactElement,
  useRef,
  useState
} from 'react';

import { type ThreadRow } from '../protocol/records';
import { type Language } from '../text/language';
import { type Match, folderName, rowTitle } from '../threads/rows';
import { Button } from '../view/controls/button';
import { OWN_KEYS } from '../view/controls/keys';
import { useLanguage, useTrans } from '../view/hooks';

interface RowViewProps {
  readonly row: ThreadRow;
  readonly matches: readonly Match[];
  readonly now_ms: number;
  readonly isOpen: boolean;
  /** Whether Tab reaches this row; the arrow keys reach the other rows. */
  readonly isReached: boolean;
  readonly isRenamed: boolean;
  readonly onOpen: (messageId: string | null) => void;
  readonly onMenu: (at: { x: number; y: number }) => void;
  readonly onDrag: (at: { x: number; y: number }) => void;
  readonly onFocus: () => void;
  readonly onRenamed: (title: string | null) => void;
}

/** How far the pointer must move before a press becomes a drag. */
const DRAG_PX = 6;

export function RowView(props: RowViewProps): ReactElement {
  const trans = useTrans();
  const { row, isOpen } = props;
  const onContextMenu = (event: MouseEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    props.onMenu({ x: event.clientX, y: event.clientY });
  };
  const drag = useDrag(props.onDrag);
  const state = `${isOpen ? ' jp-mod-open' : ''}${row.unread > 0 ? ' jp-mod-unread' : ''}`;
  return (
    <div
      className={`jp-ChatStream-row${state}`}
      data-testid="thread-row"
      data-thread={row.id}
      data-busy={row.busy}
      data-asks={row.asks}
      data-unread={row.unread}
      data-pinned={row.pinned}
      onContextMenu={onContextMenu}
    >
      {props.isRenamed ? (
        <Rename title={rowTitle(row, trans)} onRenamed={props.onRenamed} />
      ) : (
        <button
          {...OWN_KEYS}
          {...drag}
          type="button"
          className="jp-ChatStream-rowMain"
          data-testid="thread-open"
          aria-current={isOpen ? 'true' : undefined}
          tabIndex={props.isReached ? 0 : -1}
          onFocus={props.onFocus}
          onClick={() => props.onOpen(null)}
        >
          <RowText row={row} now_ms={props.now_ms} />
        </button>
      )}
      <Button
        testid="thread-menu"
        className="jp-mod-quiet jp-ChatStream-rowMenu"
        label={trans.__('More actions')}
        onClick={event => {
          const { left, bottom } = event.currentTarget.getBoundingClientRect();
          props.onMenu({ x: left, y: bottom });
        }}
      >
        ⋯
      </Button>
      {props.matches.map((match, at) => (
        <Snippet key={at} match={match} onOpen={() => props.onOpen(match.messageId)} />
      ))}
    </div>
  );
}

function RowText({ row, now_ms }: { row: ThreadRow; now_ms: number }): ReactElement {
  const language = useLanguage();
  const { trans } = language;
  return (
    <>
      <span className="jp-ChatStream-rowLine">
        <span className="jp-ChatStream-rowTitle" dir="auto" data-testid="thread-title">
          {rowTitle(row, trans)}
        </span>
        <Marks row={row} />
      </span>
      <span className="jp-ChatStream-rowLine jp-mod-second">
        <span className="jp-ChatStream-rowAbout" dir="auto">
          {[modelText(row.model), folderName(row.project)].filter(Boolean).join(' · ')}
        </span>
        <time dateTime={row.updated_at}>{activityText(row.updated_at, now_ms, language)}</time>
      </span>
    </>
  );
}

/** Marks of a thread that is answering, asks a question, or has unread answers. */
function Marks({ row }: { readonly row: ThreadRow }): ReactElement {
  const trans = useTrans();
  return (
    <>
      {row.asks ? (
        <span className="jp-ChatStream-mark jp-mod-asks" title={trans.__('Waits for your answer')}>
          <span aria-hidden="true">?</span>
          <span className="jp-ChatStream-unseen">{trans.__('It waits for your answer.')}</span>
        </span>
      ) : null}
      {row.busy ? (
        <span className="jp-ChatStream-mark jp-mod-busy">
          <span className="jp-ChatStream-unseen">{trans.__('It is answering.')}</span>
        </span>
      ) : null}
      {row.unread > 0 ? (
        <span className="jp-ChatStream-mark jp-mod-count">
          <span aria-hidden="true">{row.unread > 98 ? '99+' : row.unread}</span>
          <span className="jp-ChatStream-unseen">
            {trans._n('%1 unread answer', '%1 unread answers', row.unread)}
          </span>
        </span>
      ) : null}
    </>
  );
}

/** A piece of a message that contains the words of the search. */
function Snippet({ match, onOpen }: { match: Match; onOpen: () => void }): ReactElement {
  const pieces: ReactElement[] = [];
  let end = 0;
  match.ranges.forEach(([from, to]) => {
    pieces.push(<span key={end}>{match.snippet.slice(end, from)}</span>);
    pieces.push(<mark key={`m${from}`}>{match.snippet.slice(from, to)}</mark>);
    end = to;
  });
  return (
    <button
      {...OWN_KEYS}
      type="button"
      className="jp-ChatStream-snippet"
      data-testid="thread-snippet"
      dir="auto"
      tabIndex={-1}
      onClick={onOpen}
    >
      {pieces}
      {match.snippet.slice(end)}
    </button>
  );
}

function Rename(props: {
  readonly title: string;
  readonly onRenamed: (title: string | null) => void;
}): ReactElement {
  const trans = useTrans();
  const [text, setText] = useState(props.title);
  const isOver = useRef(false);
  const end = (isKept: boolean): void => {
    if (!isOver.current) {
      isOver.current = true;
      const title = text.trim();
      props.onRenamed(isKept && title !== '' && title !== props.title ? title : null);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === 'Enter' && !event.nativeEvent.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      end(true);
    } else if (event.key === 'Escape') {
      end(false);
    }
  };
  return (
    <input
      {...OWN_KEYS}
      autoFocus
      className="jp-ChatStream-rename"
      data-testid="thread-rename"
      aria-label={trans.__('Title of the chat')}
      dir="auto"
      maxLength={200}
      value={text}
      onFocus={event => event.currentTarget.select()}
      onChange={event => setText(event.target.value)}
      onKeyDown={onKeyDown}
      onBlur={() => end(true)}
    />
  );
}

/** Handlers that begin a drag when the mouse is pressed and moved. A touch scrolls instead. */
function useDrag(onDrag: (at: { x: number; y: number }) => void) {
  const from = useRef<{ x: number; y: number } | null>(null);
  return {
    onPointerDown: (event: PointerEvent) => {
      const isMouse = event.pointerType !== 'touch' && event.button === 0;
      from.current = isMouse ? { x: event.clientX, y: event.clientY } : null;
    },
    onPointerMove: (event: PointerEvent) => {
      const { clientX: x, clientY: y } = event;
      const start = from.current;
      if (start !== null && Math.hypot(x - start.x, y - start.y) > DRAG_PX) {
        from.current = null;
        onDrag({ x, y });
      }
    },
    onPointerUp: () => (from.current = null),
    onPointerCancel: () => (from.current = null)
  };
}

/** A model's id without its endpoint, for a narrow line. */
function modelText(model: string | null): string {
  return model?.slice(model.indexOf('/') + 1) ?? '';
}

/** The time of a thread's last activity: today the time of day, earlier the date. */
function activityText(at: string, now_ms: number, { locale }: Language): string {
  const date = new Date(at);
  const now = new Date(now_ms);
  const isToday = date.toDateString() === now.toDateString();
  const isThisYear = date.getFullYear() === now.getFullYear();
  const format = isToday
    ? ({ hour: '2-digit', minute: '2-digit' } as const)
    : isThisYear
      ? ({ day: 'numeric', month: 'short' } as const)
      : ({ day: 'numeric', month: 'short', year: 'numeric' } as const);
  return new Intl.DateTimeFormat(locale, format).format(date);
}
