/** The rows of the list, in groups. Only the rows in the window are drawn. */
import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState
} from 'react';

import { type ThreadRow } from '../protocol/records';
import { type ListState } from '../threads/list';
import { type Match, sections } from '../threads/rows';
import { useTrans } from '../view/hooks';
import { drawnRange, tops } from './drawn-window';
import { type ListViewProps } from './list-view';
import { RowView } from './row';

/** The heights of rows and headings, in em of the list's font. */
const ROW_EM = 3.9;
const HEADING_EM = 2.3;
const SNIPPET_EM = 3;
/** The next page is read when fewer rows than this are left below the window. */
const ROWS_AHEAD = 20;

interface RowItem {
  readonly row: ThreadRow;
  readonly matches: readonly Match[];
}

type Item = RowItem | { readonly heading: string };

type RowsProps = ListViewProps & { readonly state: ListState };

interface SlotProps extends RowsProps {
  readonly item: Item;
  readonly style: CSSProperties;
  readonly isReached: boolean;
  readonly isRenamed: boolean;
  readonly onFocus: () => void;
  readonly onRename: (isRenamed: boolean) => void;
}

const ROW_BUTTON = '[data-testid=thread-open]';

function idOf(item: Item): string | null {
  return 'row' in item ? item.row.id : null;
}

export function Rows(props: RowsProps): ReactElement {
  const { state } = props;
  const trans = useTrans();
  const outer = useRef<HTMLDivElement>(null);
  const box = useBox(outer);
  const [renamedId, setRenamedId] = useState<string | null>(null);
  const items = useItems(state);
  const itemTops = useMemo(() => tops(items.map(item => box.em * heightOf(item))), [items, box.em]);
  const { from, to } = drawnRange(itemTops, box.top, box.height);
  useReadingAhead(props, to >= items.length - ROWS_AHEAD);
  const focus = useFocus(outer, items, itemTops);
  const { current, setReachedId, onKeyDown } = useRowKeys(props, items, focus, setRenamedId);
  return (
    <div
      ref={outer}
      className="jp-ChatStream-rows"
      data-testid="thread-rows"
      data-count={state.rows.length}
      onScroll={box.onScroll}
      onKeyDown={onKeyDown}
    >
      <div
        role="group"
        aria-label={trans.__('List of chats')}
        style={{ position: 'relative', height: `${itemTops.at(-1) ?? 0}px` }}
      >
        {items.map((item, index) => {
          const id = idOf(item);
          const isDrawn = (index >= from && index < to) || (id !== null && id === current);
          return isDrawn ? (
            <Slot
              key={id ?? `heading ${index}`}
              {...props}
              item={item}
              style={{ top: `${itemTops[index] ?? 0}px`, height: `${box.em * heightOf(item)}px` }}
              isReached={id === current}
              isRenamed={id === renamedId}
              onFocus={() => setReachedId(id)}
              onRename={isRenamed => {
                setRenamedId(isRenamed ? id : null);
                if (!isRenamed && id !== null) {
                  focus(id);
                }
              }}
            />
          ) : null;
        })}
      </div>
    </div>
  );
}

/** Read the next page before the reader scrolls to it. */
function useReadingAhead({ list, state }: RowsProps, isNearEnd: boolean): void {
  // After an error the list retries on its own, and the next page is read after that.
  const isWanted = isNearEnd && state.hasMore && !state.isLoading && state.error === null;
  useEffect(() => {
    if (isWanted) {
      void list.loadMore();
    }
  }, [isWanted, list]);
}

/** The keyboard handling of the list. `current` is the row that Tab reaches. */
function useRowKeys(
  { list, state }: RowsProps,
  items: readonly Item[],
  focus: (id: string) => void,
  rename: (id: string) => void
) {
  const [reachedId, setReachedId] = useState<string | null>(null);
  const ids = items.flatMap(item => idOf(item) ?? []);
  const current = reachedId !== null && ids.includes(reachedId) ? reachedId : ids[0];
  const goTo = (id: string | undefined): void => {
    if (id !== undefined) {
      setReachedId(id);
      focus(id);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = state.rows.find(({ id }) => id === current);
    const { target, key } = event;
    if (row === undefined || !(target instanceof Element && target.matches(ROW_BUTTON))) {
      return;
    }
    const at = ids.indexOf(row.id);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: Math.min(at + 1, ids.length - 1),
      ArrowUp: Math.max(at - 1, 0),
      Home: 0,
      End: ids.length - 1
    };
    const next = steps[key];
    if (next !== undefined) {
      goTo(ids[next]);
    } else if (key === 'F2') {
      rename(row.id);
    } else if (key === 'Delete') {
      list.changes.remove(row);
      goTo(ids[at + 1] ?? ids[at - 1]);
    } else {
      return;
    }
    event.preventDefault();
  };
  return { current, setReachedId, onKeyDown };
}

function Slot(props: SlotProps): ReactElement {
  const { item, style } = props;
  return 'heading' in item ? (
    <h3 className="jp-ChatStream-section" style={style}>
      {item.heading}
    </h3>
  ) : (
    <div className="jp-ChatStream-slot" style={style}>
      <Row {...props} item={item} />
    </div>
  );
}

function Row(props: SlotProps & { readonly item: RowItem }): ReactElement {
  const { list, actions, item, target, state } = props;
  const { row } = item;
  return (
    <RowView
      row={row}
      matches={item.matches}
      now_ms={state.now_ms}
      isOpen={target?.threadId === row.id}
      isReached={props.isReached}
      isRenamed={props.isRenamed}
      onOpen={messageId => props.onOpen({ threadId: row.id, messageId })}
      onMenu={at => actions.openMenu(row, at, () => props.onRename(true))}
      onDrag={at => actions.startDrag(row, at)}
      onFocus={props.onFocus}
      onRenamed={title => {
        props.onRename(false);
        if (title !== null) {
          void list.changes.change(row.id, { title });
        }
      }}
    />
  );
}

/** The headings and rows in their order; the result of a search has no groups. */
function useItems(state: ListState): readonly Item[] {
  const trans = useTrans();
  const { rows, matches, filter, now_ms } = state;
  return useMemo(() => {
    const items = (of: readonly ThreadRow[]): readonly Item[] =>
      of.map(row => ({ row, matches: matches.get(row.id) ?? [] }));
    if (filter.query !== '') {
      return items(rows);
    }
    return sections(rows, now_ms, trans).flatMap(section => [
      { heading: section.title },
      ...items(section.rows)
    ]);
  }, [rows, matches, filter.query, now_ms, trans]);
}

function heightOf(item: Item): number {
  return 'heading' in item ? HEADING_EM : ROW_EM + SNIPPET_EM * item.matches.length;
}

/** The visible part of the list: scroll position, height, and font size. */
function useBox(outer: RefObject<HTMLElement>) {
  const [box, setBox] = useState({ top: 0, height: 800, em: 13 });
  useLayoutEffect(() => {
    const node = outer.current;
    if (node === null) {
      return undefined;
    }
    const measure = (): void => {
      const em = parseFloat(getComputedStyle(node).fontSize) || 13;
      setBox(before => ({ ...before, height: node.clientHeight, em }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, [outer]);
  const onScroll = (): void => {
    const top = outer.current?.scrollTop ?? 0;
    setBox(before => ({ ...before, top }));
  };
  return { ...box, onScroll };
}

/** A function that scrolls to a row, and focuses the row after it is drawn. */
function useFocus(
  outer: RefObject<HTMLElement>,
  items: readonly Item[],
  itemTops: readonly number[]
) {
  const [request, setRequest] = useState<{ readonly id: string } | null>(null);
  useLayoutEffect(() => {
    const node = outer.current;
    const index = items.findIndex(item => 'row' in item && item.row.id === request?.id);
    if (request === null || node === null || index === -1) {
      return;
    }
    const top = itemTops[index] ?? 0;
    const bottom = itemTops[index + 1] ?? top;
    if (top < node.scrollTop) {
      node.scrollTo({ top: index <= 1 ? 0 : top });
    } else if (bottom > node.scrollTop + node.clientHeight) {
      node.scrollTo({ top: bottom - node.clientHeight });
    }
    const rows = [...node.querySelectorAll<HTMLElement>('[data-thread]')];
    const row = rows
      .find(element => element.dataset['thread'] === request.id)
      ?.querySelector<HTMLElement>(ROW_BUTTON);
    row?.focus({ preventScroll: true });
    // A later change of the items must not take the focus again.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [request, outer]);
  return (id: string): void => setRequest({ id });
}
