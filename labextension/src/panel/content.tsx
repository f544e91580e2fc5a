/** Draws the content of the panel and of tabs. Loaded when the first of them is visible. */
import { type INotebookTracker } from '@jupyterlab/notebook';
import { type ReactElement, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { PAGE_CLOCK } from '../page/page';
import { type IChatPage } from '../page/tokens';
import { ThreadList } from '../threads/list';
import { ServicesProvider, useStore } from '../view/hooks';
import { Visibility } from '../view/visibility';
import { ListView } from './list-view';
import { type ChatPlaces, type TabContent } from './places';
import { Room } from './room';
import { RowActions } from './row-actions';
import { type Content } from './widgets';

/** The parts that the panel and the tabs of a page share. */
export interface PanelParts {
  readonly page: IChatPage;
  readonly places: ChatPlaces;
  readonly list: ThreadList;
  readonly actions: RowActions;
  /** Begins a new thread in the panel. */
  readonly onNew: () => void;
}

/** Make the shared parts, which live as long as the page. */
export function makeParts(
  page: IChatPage,
  places: ChatPlaces,
  tracker: INotebookTracker | null,
  onNew: () => void
): PanelParts {
  const { api, connection, services } = page;
  const { language } = services;
  const onFrame = (action: () => void): void => void requestAnimationFrame(action);
  const list = new ThreadList({
    api,
    connection,
    clock: PAGE_CLOCK,
    onFrame,
    trans: language.trans
  });
  window.addEventListener('pagehide', () => list.changes.flush());
  const actions = new RowActions({ api, places, list, language, tracker });
  return { page, places, list, actions, onNew };
}

export function drawPanel(host: HTMLElement, parts: PanelParts): Content {
  return draw(host, parts.page, <Panel {...parts} />);
}

export function drawTab(host: HTMLElement, parts: PanelParts, tab: TabContent): Content {
  return draw(host, parts.page, <Tab {...parts} tab={tab} />);
}

function Panel({ page, places, list, actions, onNew }: PanelParts): ReactElement {
  const target = useStore(places.inPanel);
  const onMove = (): void => {
    if (target !== null) {
      places.openInTab(target);
      places.inPanel.set(null);
    }
  };
  return (
    <div className="jp-ChatStream-panel" data-testid="panel" data-open={target !== null}>
      <ListView
        list={list}
        actions={actions}
        target={target}
        onOpen={next => places.openInPanel(next)}
        onNew={onNew}
      />
      {target === null ? (
        <div className="jp-ChatStream-noRoom" />
      ) : (
        <Room
          key={target.threadId}
          page={page}
          list={list}
          actions={actions}
          target={target}
          place="panel"
          onBack={() => places.inPanel.set(null)}
          onOpen={next => places.openInPanel(next)}
          onMove={places.hasTabs ? onMove : null}
        />
      )}
    </div>
  );
}

function Tab({ page, places, list, actions, tab }: PanelParts & { tab: TabContent }): ReactElement {
  const target = useStore(tab.target);
  return (
    <div className="jp-ChatStream-tab" data-testid="tab">
      {target === null ? null : (
        <Room
          page={page}
          list={list}
          actions={actions}
          target={target}
          place="tab"
          onBack={null}
          onOpen={next => places.openInPanel(next)}
          onMove={() => places.openInPanel(target)}
          onTitle={tab.retitle}
        />
      )}
    </div>
  );
}

/** Draw into a widget's node. Key presses in the node do not trigger the page's shortcuts. */
function draw(host: HTMLElement, page: IChatPage, element: ReactElement): Content {
  const inner = document.createElement('div');
  inner.className = 'jp-ChatStream-placeRoot';
  host.append(inner);
  const visibility = new Visibility(host);
  const services = {
    markdown: page.services,
    ticker: page.ticker,
    visibility,
    files: page.threads.files
  };
  const root = createRoot(inner);
  root.render(
    <StrictMode>
      <ServicesProvider value={services}>{element}</ServicesProvider>
    </StrictMode>
  );
  return {
    dispose: () => {
      queueMicrotask(() => root.unmount());
      visibility.dispose();
    }
  };
}
