/** Makes the parts that all chats of a page share: the connection, the clock, the frames, the drafts. */
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { type IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { PageConfig } from '@jupyterlab/coreutils';
import { type IDocumentManager } from '@jupyterlab/docmanager';
import { type INotebookTracker } from '@jupyterlab/notebook';
import { type IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { hasOpenRun } from '../fold/branch';
import { StoredDrafts } from '../composer/drafts';
import { type Api, newKey } from '../connection/api';
import { type Clock, Connection } from '../connection/connection';
import { folderLister } from '../connection/folders';
import { ServerApi } from '../connection/server-api';
import { StoredRecentModels } from '../models/recent-models';
import { type Language } from '../text/language';
import { ContextChoices, StoredChoices } from '../thread/live-context';
import { type PageOptions } from '../thread/page-options';
import { Threads } from '../thread/page-threads';
import { Preferences } from '../thread/preferences';
import { CallExecutor } from '../tools/call-executor';
import { CHANNEL } from '../tools/standing-consents';
import { Frames } from '../view/drawing/frames';
import { labServices } from '../view/drawing/jupyterlab';
import { type ChatPage } from '../view/mount';
import { Ticker } from '../view/ticker';
import { LiveNotebooks } from '../workspace/live-notebooks';
import { NotebookTool } from '../workspace/notebook-tool';
import { NotebookWorkspace } from '../workspace/notebooks';
import { OpenElsewhere } from '../workspace/open-elsewhere';
import { contentsReader } from './contents-files';
import { hasEditor } from './open-editors';

export const PAGE_CLOCK: Clock = {
  now: () => Date.now(),
  later: (action, delay_ms) => {
    const timer = setTimeout(action, delay_ms);
    return () => clearTimeout(timer);
  }
};

const onFrame = (action: () => void): void => void requestAnimationFrame(action);
const now = (): number => performance.now();

/** Run `action` after the browser has laid out and painted the current frame. */
const afterPaint = (action: () => void): void => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    action();
  };
  port2.postMessage(null);
};

/** Check the connection at once when the browser comes online or the tab becomes visible. */
function wakeWithBrowser(connection: Connection): void {
  window.addEventListener('offline', () => connection.offline());
  window.addEventListener('online', () => connection.wake());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') {
      connection.wake();
    }
  });
}

/** Run a command that another plugin may have added. Returns whether the command exists. */
function tryExecute({ commands }: JupyterFrontEnd, command: string): boolean {
  if (!commands.hasCommand(command)) {
    return false;
  }
  commands.execute(command).catch((reason: unknown) => console.warn(`${command}:`, reason));
  return true;
}

/** The notebooks of this page; null without a tracker. Even then, the page answers other pages. */
function workspaceOf(
  app: JupyterFrontEnd,
  tracker: INotebookTracker | null,
  documents: IDocumentManager | null,
  { trans }: Language
): NotebookWorkspace | null {
  const isInEditor = (path: string): boolean => hasEditor(app, documents, path);
  if (tracker === null) {
    openElsewhere(app, isInEditor); // Notebook 7 opens a text editor as a separate page
    return null;
  }
  const reveal = (panelId: string): void => app.shell.activateById(panelId);
  const files = app.serviceManager.contents;
  const otherPages = openElsewhere(app, path => workspace.panel(path) !== null || isInEditor(path));
  const isOpenElsewhere = (path: string): Promise<boolean> => otherPages.has(path);
  const options = { tracker, clock: PAGE_CLOCK, trans, reveal, files, isOpenElsewhere, isInEditor };
  const workspace = new NotebookWorkspace(options);
  workspace.subscribe(() => otherPages.hold(workspace.notebooks().map(({ path }) => path)));
  app.shell.currentChanged?.connect((_shell, { newValue }) => {
    newValue?.disposed.connect(workspace.notify);
    workspace.notify();
  });
  return workspace;
}

/** Asks the other pages of this browser, and the server, which notebooks are open. */
function openElsewhere(app: JupyterFrontEnd, isOpenHere: (path: string) => boolean): OpenElsewhere {
  const { contents, sessions } = app.serviceManager;
  return new OpenElsewhere({
    channel: new BroadcastChannel('jupyter-chat-stream:open-notebooks'),
    locks: (navigator as Partial<Pick<Navigator, 'locks'>>).locks ?? null,
    server: app.serviceManager.serverSettings.baseUrl,
    isOpenHere,
    localPath: path => contents.localPath(path),
    running: async () => {
      await sessions.refreshRunning();
      // The kernel of a closed notebook may still run, without a connected page.
      const connectedSessions = [...sessions.running()].filter(
        ({ kernel }) => kernel !== null && kernel.connections !== 0
      );
      return connectedSessions.map(({ path }) => path);
    },
    schedule: (action, delay_ms) => PAGE_CLOCK.later(action, delay_ms)
  });
}

/** The options through which threads use the notebooks: cells of questions, and the tool `notebook`. */
function notebookOptions(
  api: Api,
  workspace: NotebookWorkspace | null,
  { trans }: Language,
  onBusy: () => void
): Pick<PageOptions, 'questions' | 'executor'> {
  if (workspace === null) {
    return {};
  }
  const isInFront = (): boolean => document.visibilityState === 'visible' && document.hasFocus();
  const tool = new NotebookTool({
    find: path => workspace.panel(path),
    isInFront,
    storage: workspace.storage
  });
  const label = trans.__('a page of Jupyter');
  const executor = new CallExecutor({ api, clock: PAGE_CLOCK, tools: [tool], id: newKey(), label });
  workspace.subscribe(() => executor.lookAgain());
  return { questions: workspace, executor: withProposals(executor, workspace.proposals, onBusy) };
}

/** Combine an executor with the list of proposals that wait for consent: both follow every thread. */
function withProposals(
  executor: CallExecutor,
  proposals: NotebookWorkspace['proposals'],
  onBusy: () => void
): NonNullable<PageOptions['executor']> {
  return {
    offerIn: follower => executor.offerIn(follower),
    update: state => {
      executor.update(state);
      proposals.update(state);
      if (hasOpenRun(state)) {
        onBusy();
      }
    },
    forget: threadId => {
      executor.forget(threadId);
      proposals.forget(threadId);
    }
  };
}

/** The options of live context: the notebooks of the page, and the storage of the person's choices. */
function liveContextOptions(
  tracker: INotebookTracker | null,
  preferences: Preferences,
  { trans }: Language
): Pick<PageOptions, 'liveContext'> {
  if (tracker === null) {
    return {};
  }
  const source = new LiveNotebooks({
    tracker,
    clock: PAGE_CLOCK,
    trans,
    root: PageConfig.getOption('chatStreamRoot')
  });
  const storage = new StoredChoices(() => window.localStorage);
  return { liveContext: { source, choices: new ContextChoices(storage, preferences) } };
}

function connectionOf(api: ServerApi): Connection {
  const connection = new Connection({
    openSocket: () => api.openSocket(),
    poll: (threadId, after, wait_s, signal) => api.poll(threadId, after, wait_s, signal),
    clock: PAGE_CLOCK,
    random: Math.random
  });
  wakeWithBrowser(connection);
  return connection;
}

/** A person's settings, the browser's storage for threads, and the channel to the other pages. */
function browserOptions(
  preferences: Preferences
): Pick<PageOptions, 'preferences' | 'drafts' | 'recentModels' | 'otherPages'> {
  return {
    preferences,
    drafts: new StoredDrafts(() => window.sessionStorage),
    recentModels: new StoredRecentModels(() => window.localStorage),
    otherPages: new BroadcastChannel(CHANNEL)
  };
}

/** The shared parts of a page, including its connection to the server. */
export interface Page extends ChatPage {
  readonly api: Api;
  readonly connection: Connection;
  /** Resolves when the page first follows an open run, which may ask a question. */
  readonly whenBusy: Promise<void>;
}

/** Make the shared parts, which live as long as the page. */
export function createPage(
  app: JupyterFrontEnd,
  language: Language,
  rendermime: IRenderMimeRegistry,
  languages: IEditorLanguageRegistry | null,
  tracker: INotebookTracker | null,
  documents: IDocumentManager | null
): Page {
  const { serverSettings, contents } = app.serviceManager;
  const frames = new Frames({ now, onFrame, afterPaint });
  const api = new ServerApi(serverSettings, language.trans);
  const connection = connectionOf(api);
  const workspace = workspaceOf(app, tracker, documents, language);
  const preferences = new Preferences();
  let onBusy = (): void => undefined;
  const whenBusy = new Promise<void>(resolve => (onBusy = resolve));
  return {
    api,
    connection,
    whenBusy,
    threads: new Threads({
      api,
      connection,
      clock: PAGE_CLOCK,
      onFrame,
      readFile: contentsReader(contents, language),
      listFolder: folderLister(contents),
      execute: command => tryExecute(app, command),
      trans: language.trans,
      locale: language.locale,
      ...browserOptions(preferences),
      ...notebookOptions(api, workspace, language, () => onBusy()),
      ...liveContextOptions(tracker, preferences, language)
    }),
    services: { ...labServices(rendermime, languages, frames), frames, language, workspace },
    ticker: new Ticker(PAGE_CLOCK)
  };
}
