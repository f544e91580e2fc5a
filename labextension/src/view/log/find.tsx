/** Find in the thread: a field, the number of places, and the way from one to the next. */
import {
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
  useEffect,
  useMemo,
  useRef,
  useState
} from 'react';

import { type FindHit, ThreadFinder } from '../../fold/find';
import { type Message } from '../../protocol/records';
import { closeText, findText } from '../../text/texts';
import { Button } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { type Frames, type Work } from '../drawing/frames';
import { useMarkdownServices, useTrans } from '../hooks';
import { drawnRange, mark, rangesNear } from './find-ranges';
import { type LogPlace } from './log-place';

/** While an answer grows, its new text is searched this often. */
const AGAIN_MS = 500;
/** A place that was found is looked at for so many frames: its text may be drawn anew. */
const STEADY_FRAMES = 60;

interface FindProps {
  readonly messages: readonly Message[];
  readonly place: RefObject<LogPlace | null>;
  readonly onClose: () => void;
}

export function Find({ messages, place, onClose }: FindProps): ReactElement {
  const trans = useTrans();
  const [query, setQuery] = useState('');
  const [at, setAt] = useState<number | null>(null);
  const hits = useHits(query, messages);
  const step = useSteps(query, hits, place, at, setAt);
  const field = useField();
  useEffect(() => () => mark([], null), []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      onClose();
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    }
  };
  return (
    <div
      className="jp-ChatStream-find"
      role="search"
      aria-label={findText(trans)}
      data-testid="find"
      onKeyDown={onKeyDown}
    >
      <input
        {...OWN_KEYS}
        ref={field}
        type="text"
        data-testid="find-field"
        aria-label={findText(trans)}
        placeholder={trans.__('Find')}
        value={query}
        onChange={event => {
          setQuery(event.currentTarget.value);
          setAt(null);
        }}
      />
      <span className="jp-ChatStream-findCount" data-testid="find-count">
        <Count query={query} hits={hits} at={at} />
      </span>
      <Button testid="find-previous" label={trans.__('Previous')} onClick={() => step(-1)}>
        ↑
      </Button>
      <Button testid="find-next" label={trans.__('Next')} onClick={() => step(1)}>
        ↓
      </Button>
      <Button testid="find-close" label={closeText(trans)} onClick={onClose}>
        ×
      </Button>
    </div>
  );
}

function Count(props: {
  readonly query: string;
  readonly hits: readonly FindHit[] | null;
  readonly at: number | null;
}): ReactElement {
  const trans = useTrans();
  const { query, hits, at } = props;
  if (query.trim() === '') {
    return <></>;
  }
  if (hits === null) {
    return <>{trans.__('Searching…')}</>;
  }
  const count = hits.length;
  return (
    <>
      {count === 0
        ? trans.__('Not found')
        : at === null
          ? trans._n('%1 place', '%1 places', count)
          : trans.__('%1 of %2', at + 1, count)}
    </>
  );
}

/** The field gets the focus; the element that had it gets it back. */
function useField(): RefObject<HTMLInputElement> {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    field.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus({ preventScroll: true });
      }
    };
  }, []);
  return field;
}

/** The places of the query in all messages; null while they are searched for the first time. */
function useHits(query: string, messages: readonly Message[]): readonly FindHit[] | null {
  const { frames } = useMarkdownServices();
  const finder = useMemo(() => new ThreadFinder(query), [query]);
  const newest = useRef(messages);
  const [searchedMessages, setSearchedMessages] = useState(messages);
  const [result, setResult] = useState<{ query: string; hits: readonly FindHit[] } | null>(null);
  useEffect(() => {
    newest.current = messages;
  }, [messages]);
  useEffect(() => {
    const timer = setInterval(() => setSearchedMessages(newest.current), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    const work = searching(finder, searchedMessages, hits =>
      setResult({ query: finder.query, hits })
    );
    void frames.run(work);
    return () => void work.return();
  }, [finder, searchedMessages, frames]);
  return result?.query === query ? result.hits : null;
}

function* searching(
  finder: ThreadFinder,
  messages: readonly Message[],
  onHits: (hits: readonly FindHit[]) => void
): Work {
  onHits(yield* finder.search(messages));
}

/** Goes to the next or the previous place; the first step goes to the place nearest to the end. */
function useSteps(
  query: string,
  hits: readonly FindHit[] | null,
  place: RefObject<LogPlace | null>,
  at: number | null,
  setAt: (at: number) => void
): (by: 1 | -1) => void {
  const { frames } = useMarkdownServices();
  const newest = useRef<symbol | null>(null);
  useEffect(() => () => void (newest.current = null), []);
  return by => {
    if (hits === null || hits.length === 0) {
      return;
    }
    const first = by === 1 ? 0 : hits.length - 1;
    const next = at === null ? first : (at + by + hits.length) % hits.length;
    const hit = hits[next];
    if (hit !== undefined && place.current !== null) {
      setAt(next);
      const step = Symbol('step');
      newest.current = step;
      void show({
        query,
        hit,
        place: place.current,
        frames,
        isNewest: () => newest.current === step
      });
    }
  };
}

interface FindStep {
  readonly query: string;
  readonly hit: FindHit;
  readonly place: LogPlace;
  readonly frames: Frames;
  /** False after a later step, and once the field is closed: then this step shows nothing more. */
  readonly isNewest: () => boolean;
}

async function show({ query, hit, place, frames, isNewest }: FindStep): Promise<void> {
  const row = place.rowOf(hit.messageId);
  if (row === null || !place.open(hit.messageId)) {
    return;
  }
  let range = await drawnRange(row, query, hit, frames);
  if (!isNewest()) {
    return;
  }
  row.classList.toggle('jp-mod-marked', range === null);
  for (let frame = 0; range !== null && frame < STEADY_FRAMES && isNewest(); frame += 1) {
    if (frame === 0 || range.collapsed) {
      // Code is coloured after it is drawn, which replaces its text.
      range = await drawnRange(row, query, hit, frames);
      if (!isNewest()) {
        return;
      }
      mark(range === null ? [] : rangesNear(row, query, hit.index), range);
      if (range !== null) {
        place.reveal(range.getBoundingClientRect());
      }
    }
    await frames.rest(0);
  }
}
