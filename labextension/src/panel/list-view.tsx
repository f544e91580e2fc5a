/** The list of threads: search, filter, the rows in groups, and Undo for deletions. */
import { type ReactElement, useEffect, useState } from 'react';

import { type ThreadList, type ListState } from '../threads/list';
import { folderName, rowTitle } from '../threads/rows';
import { Button, CrossButton } from '../view/controls/button';
import { OWN_KEYS } from '../view/controls/keys';
import { useStore, useTrans } from '../view/hooks';
import { type OpenTarget } from './opened';
import { type RowActions } from './row-actions';
import { Rows } from './rows-view';
import { chatsText, newChatText } from './texts';

export interface ListViewProps {
  readonly list: ThreadList;
  readonly actions: RowActions;
  readonly target: OpenTarget | null;
  readonly onOpen: (target: OpenTarget) => void;
  readonly onNew: () => void;
}

export function ListView(props: ListViewProps): ReactElement {
  const trans = useTrans();
  const { list } = props;
  const state = useStore(list);
  return (
    <div className="jp-ChatStream-list" data-testid="thread-list" data-live={state.isLive}>
      <div className="jp-ChatStream-listHead">
        <h2>{chatsText(trans)}</h2>
        <Button
          testid="thread-new"
          className="jp-mod-accent"
          label={newChatText(trans)}
          onClick={props.onNew}
        >
          <span aria-hidden="true">+ </span>
          {trans.__('New')}
        </Button>
      </div>
      <Search list={list} state={state} />
      <Filter list={list} state={state} />
      {state.error === null ? null : (
        <Trouble text={state.error} onRetry={() => void list.refresh()} />
      )}
      {state.problem === null ? null : (
        <div className="jp-ChatStream-listProblem" role="alert" data-testid="list-problem">
          <span>{state.problem}</span>
          <CrossButton
            testid="list-dismiss"
            label={trans.__('Close this message')}
            onClick={() => list.changes.dismiss()}
          />
        </div>
      )}
      {state.rows.length === 0 ? <NoRows state={state} /> : <Rows {...props} state={state} />}
      <Undo list={list} state={state} />
    </div>
  );
}

type ListPartProps = { readonly list: ThreadList; readonly state: ListState };

function Search({ list, state }: ListPartProps): ReactElement {
  const trans = useTrans();
  const [text, setText] = useState(state.filter.query);
  const search = (next: string): void => {
    setText(next);
    list.setFilter({ query: next.trim() });
  };
  return (
    <div className="jp-ChatStream-listSearch">
      <input
        {...OWN_KEYS}
        type="search"
        data-testid="thread-search"
        aria-label={trans.__('Search in chats')}
        placeholder={trans.__('Search titles and messages')}
        dir="auto"
        value={text}
        onChange={event => search(event.target.value)}
        onKeyDown={event => {
          if (event.key === 'Escape' && text !== '') {
            event.preventDefault();
            search('');
          } else if (event.key === 'ArrowDown') {
            event.preventDefault();
            const first = event.currentTarget
              .closest('.jp-ChatStream-list')
              ?.querySelector<HTMLElement>('[data-testid=thread-open]');
            first?.focus();
          }
        }}
      />
    </div>
  );
}

function Filter({ list, state }: ListPartProps): ReactElement {
  const trans = useTrans();
  const { filter, projects } = state;
  useEffect(() => void list.loadProjects(), [list]);
  const folders = projects.filter(({ project }) => project !== '');
  const isKnown = folders.some(({ project }) => project === filter.project);
  return (
    <div className="jp-ChatStream-filter">
      <select
        {...OWN_KEYS}
        data-testid="thread-project"
        aria-label={trans.__('Folder')}
        value={filter.project ?? ''}
        onFocus={() => void list.loadProjects()}
        onChange={event => {
          list.setFilter({ project: event.target.value === '' ? null : event.target.value });
        }}
      >
        <option value="">{trans.__('All folders')}</option>
        {filter.project !== null && !isKnown ? (
          <option value={filter.project}>{folderName(filter.project)}</option>
        ) : null}
        {folders.map(({ project, threads }) => (
          <option key={project} value={project} title={project}>
            {`${folderName(project)} (${threads})`}
          </option>
        ))}
      </select>
      <button
        {...OWN_KEYS}
        type="button"
        className="jp-ChatStream-toggle"
        data-testid="thread-archived"
        aria-pressed={filter.isArchived}
        onClick={() => list.setFilter({ isArchived: !filter.isArchived })}
      >
        {trans.__('Archived')}
      </button>
    </div>
  );
}

function Trouble(props: { readonly text: string; readonly onRetry: () => void }): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-listProblem" data-testid="list-error">
      <span>{props.text}</span>
      <Button testid="list-retry" className="jp-mod-quiet" onClick={props.onRetry}>
        {trans.__('Reload the list')}
      </Button>
    </div>
  );
}

function NoRows({ state }: { readonly state: ListState }): ReactElement {
  const trans = useTrans();
  const { filter, isLoading } = state;
  const text = isLoading
    ? trans.__('Loading…')
    : filter.query !== ''
      ? trans.__('No chat contains these words.')
      : filter.isArchived
        ? trans.__('No chats are archived.')
        : trans.__(
            'Your chats are listed here: those of notebooks, and those that you begin here.'
          );
  return (
    <p className="jp-ChatStream-noRows" data-testid="no-threads">
      {state.error === null ? text : ''}
    </p>
  );
}

/** The threads whose deletion can still be undone. */
function Undo({ list, state }: ListPartProps): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-undo" role="status" data-testid="undo-bar">
      {state.deleting.slice(0, 3).map(row => (
        <div key={row.id} className="jp-ChatStream-undoLine">
          <span dir="auto">{trans.__('Deleted: %1', rowTitle(row, trans))}</span>
          <Button testid="undo" onClick={() => list.changes.undo(row.id)}>
            {trans.__('Undo')}
          </Button>
        </div>
      ))}
    </div>
  );
}
