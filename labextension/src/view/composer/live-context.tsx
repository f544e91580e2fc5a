/**
 * What a message will send along of its notebook: a chip for each item, and the panel in which the
 * kinds are turned on and off for the thread.
 *
 * A chip tells what would travel now. It follows the notebook with a short delay while the chat can
 * be seen; what travels is read again when the message is sent.
 */
import { type TranslationBundle } from '@jupyterlab/translation';
import {
  type ReactElement,
  useCallback,
  useEffect,
  useId,
  useState,
  useSyncExternalStore
} from 'react';

import { type Mention } from '../../composer/context-items';
import { shownName } from '../../composer/files';
import {
  CONTEXT_KINDS,
  type ChoiceState,
  type ContextChoice,
  type ContextKind,
  type DrawnChat,
  type LiveItem,
  wantedItems
} from '../../thread/live-context';
import { type ThreadClient, type ThreadState } from '../../thread/model';
import { Button } from '../controls/button';
import { Dial } from '../controls/dial';
import { NotebookIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useTrans, useVisibility } from '../hooks';

/** The live context of a chat on the page. */
export interface LiveContext {
  readonly choice: ContextChoice;
  readonly state: ChoiceState;
  /** The name of the chat's notebook. */
  readonly notebook: string;
  /** What would travel now, with what was removed from this message. */
  readonly items: readonly LiveItem[];
  /** Reads what travels with a message that is sent now. */
  readonly take: () => readonly Mention[];
}

interface NotebookView {
  readonly notebook: string | null;
  readonly items: readonly LiveItem[];
}

const NOTHING: NotebookView = { notebook: null, items: [] };
const NO_CHOICE: ChoiceState = { on: [], removed: [] };
const never = (): (() => void) => () => undefined;

/** The live context of the chat around `node`; null if the chat belongs to no open notebook. */
export function useLiveContext(
  client: ThreadClient,
  state: ThreadState,
  node: HTMLElement | null
): LiveContext | null {
  const page = client.page.liveContext;
  const choice = page?.choices.of(client.threadId) ?? null;
  const choiceState = useSyncExternalStore(
    choice?.subscribe ?? never,
    choice?.getState ?? (() => NO_CHOICE)
  );
  const { name = null, project = '' } = state.transcript.thread ?? {};
  const [view, setView] = useState(NOTHING);
  const { threadId } = client;
  const look = useCallback((): NotebookView => {
    if (page === undefined || node === null) {
      return NOTHING;
    }
    const chat: DrawnChat = { node, threadId, name, project };
    const { source } = page;
    const isOn = choiceState.on.length > 0;
    return { notebook: source.notebookOf(chat), items: isOn ? source.read(chat) : [] };
  }, [page, node, threadId, name, project, choiceState.on]);
  useLooking(client, look, setView);
  if (choice === null || view.notebook === null) {
    return null;
  }
  const items = wantedItems(view.items, choiceState.on, state.context);
  const take = (): readonly Mention[] => {
    choice.sending();
    return wantedItems(look().items, choiceState.on, state.context)
      .filter(({ kind }) => !choiceState.removed.includes(kind))
      .map(item => ({ id: item.id, name: item.name, text: item.text() }));
  };
  return { choice, state: choiceState, notebook: view.notebook, items, take };
}

/** Look again whenever the notebook may have changed, as long as the chat can be seen. */
function useLooking(
  client: ThreadClient,
  look: () => NotebookView,
  onSeen: (next: (before: NotebookView) => NotebookView) => void
): void {
  const source = client.page.liveContext?.source;
  const visibility = useVisibility();
  useEffect(() => {
    if (source === undefined) {
      return undefined;
    }
    const lookAgain = (): void => {
      if (visibility.getState()) {
        const newView = look();
        onSeen(before => (isSame(before, newView) ? before : newView));
      }
    };
    lookAgain();
    const ends = [source.subscribe(lookAgain), visibility.subscribe(lookAgain)];
    return () => ends.forEach(end => end());
  }, [source, visibility, look, onSeen]);
}

/** Whether two looks have found the same, so that nothing is drawn again. */
function isSame(first: NotebookView, second: NotebookView): boolean {
  const isSameItem = (item: LiveItem, index: number): boolean => {
    const match = second.items[index];
    const fields = ['id', 'name', 'summary', 'core'] as const;
    return fields.every(field => item[field] === match?.[field]);
  };
  return (
    first.notebook === second.notebook &&
    first.items.length === second.items.length &&
    first.items.every(isSameItem)
  );
}

/** A chip for each item. One that was removed stays, so that it can be put back. */
export function LiveChips({ live }: { readonly live: LiveContext }): ReactElement {
  const trans = useTrans();
  const [speech, setSpeech] = useState({ count: 0, text: '' });
  const { items, choice, state } = live;
  const change = (item: LiveItem, isRemoved: boolean): void => {
    choice.setRemoved(item.kind, isRemoved);
    const name = shownName(item.name);
    const text = isRemoved
      ? trans.__('%1 is removed from this message.', name)
      : trans.__('%1 is sent along again.', name);
    setSpeech({ count: speech.count + 1, text });
  };
  return (
    <>
      {items.length === 0 ? null : (
        <ul
          className="jp-ChatStream-chips jp-mod-context"
          aria-label={trans.__('Sent along from %1', shownName(live.notebook))}
        >
          {items.map(item => (
            <LiveChip
              key={item.kind}
              item={item}
              isRemoved={state.removed.includes(item.kind)}
              onChange={isRemoved => change(item, isRemoved)}
            />
          ))}
        </ul>
      )}
      <span className="jp-ChatStream-unseen" role="status" data-testid="live-said">
        {/* A new element: a screen reader says the same text again. */}
        <span key={speech.count}>{speech.text}</span>
      </span>
    </>
  );
}

function LiveChip(props: {
  readonly item: LiveItem;
  readonly isRemoved: boolean;
  readonly onChange: (isRemoved: boolean) => void;
}): ReactElement {
  const { item, isRemoved } = props;
  const trans = useTrans();
  const name = shownName(item.name);
  const summary = shownName(item.summary);
  return (
    <li
      className={`jp-ChatStream-chip${isRemoved ? ' jp-mod-removed' : ''}`}
      data-testid="live-chip"
      data-kind={item.kind}
      data-removed={isRemoved}
      title={isRemoved ? trans.__('Not sent with this message') : `${name} · ${summary}`}
    >
      <bdi className="jp-ChatStream-contextName">{name}</bdi>
      {isRemoved ? null : <bdi className="jp-ChatStream-contextFact">{summary}</bdi>}
      <Button
        testid="live-toggle"
        className="jp-mod-quiet jp-ChatStream-chipRemove"
        label={
          isRemoved
            ? trans.__('Send %1 along again', name)
            : trans.__('Remove %1 from this message', name)
        }
        onClick={() => props.onChange(!isRemoved)}
      >
        {isRemoved ? '+' : '×'}
      </Button>
    </li>
  );
}

/** The button that opens the choice of what is sent along in this thread. */
export function LiveContextButton(props: {
  readonly live: LiveContext;
  readonly isDisabled: boolean;
}): ReactElement {
  const { live, isDisabled } = props;
  const trans = useTrans();
  const { on } = live.state;
  const title = trans.__('Notebook context');
  const names = CONTEXT_KINDS.filter(kind => on.includes(kind)).map(kind => kindText(kind, trans));
  return (
    <Dial
      testid="live-context"
      title={title}
      label={[title, ...names].join(', ')}
      isSet={on.length > 0}
      isDisabled={isDisabled}
      icon={<NotebookIcon />}
    >
      <KindChoice live={live} />
    </Dial>
  );
}

/** The kinds, each on or off for all later messages. The first has the focus when the panel opens. */
function KindChoice({ live }: { readonly live: LiveContext }): ReactElement {
  const trans = useTrans();
  const id = useId();
  return (
    <div className="jp-ChatStream-toolMenu">
      <fieldset className="jp-ChatStream-toolModes">
        <legend>{trans.__('Send along of %1 with each message', shownName(live.notebook))}</legend>
        {CONTEXT_KINDS.map((kind, index) => (
          <label key={kind}>
            <input
              {...OWN_KEYS}
              type="checkbox"
              data-testid={`live-${kind}`}
              autoFocus={index === 0}
              checked={live.state.on.includes(kind)}
              aria-describedby={`${id}-${kind}`}
              onChange={event => live.choice.setOn(kind, event.target.checked)}
            />
            <span>
              {kindText(kind, trans)}
              <span className="jp-ChatStream-toolNote" id={`${id}-${kind}`}>
                {kindSentence(kind, trans)}
              </span>
            </span>
          </label>
        ))}
      </fieldset>
      <p className="jp-ChatStream-toolNote">
        {trans.__(
          'It is read from the open notebook when you send a message. JupyterLab’s settings have the default for your chats.'
        )}
      </p>
    </div>
  );
}

function kindText(kind: ContextKind, trans: TranslationBundle): string {
  switch (kind) {
    case 'outline':
      return trans.__('Outline');
    case 'cell':
      return trans.__('Active cell');
    case 'error':
      return trans.__('Last error');
  }
}

function kindSentence(kind: ContextKind, trans: TranslationBundle): string {
  switch (kind) {
    case 'outline':
      return trans.__('The headings, and the first line of each cell.');
    case 'cell':
      return trans.__('Its source, and the beginning and end of its output.');
    case 'error':
      return trans.__('The newest error in the notebook, with its traceback.');
  }
}
