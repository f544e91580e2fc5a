/**
 * The commands of the panel, for shortcuts, menus, and other parts of the extension.
 *
 * | command | arguments |
 * |---|---|
 * | `open` | `threadId`, `place?` (`panel` or `tab`), `messageId?` |
 * | `open-for-notebook` | `path?` (default: the current notebook), `draft?`, `context?`: `[{name, text, id?, origin?}]` |
 * | `new` | `place?` |
 * | `show`, `focus-composer`, `back-to-cell`, `focus-last-message`, `about-cell`, `consents`, `go-to-question` | none |
 */
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { type INotebookTracker } from '@jupyterlab/notebook';
import { type ReadonlyJSONObject, type ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { type Widget } from '@lumino/widgets';

import { type ThreadRow } from '../protocol/records';
import { type Mention } from '../composer/context-items';
import { explain } from '../connection/thread-ends';
import { type IChatPage } from '../page/tokens';
import { fieldsOf } from '../protocol/fields';
import { asObject, parseRow } from '../protocol/parse';
import { beginChatText } from '../text/texts';
import { toolsOfNew } from '../threads/default-mode';
import { isUntouched } from '../threads/rows';
import { contextOf } from '../workspace/context';
import { chatIcon } from './icon';
import { composerInCell, currentNotebook, focusCell } from './notebooks';
import { type ChatPlaces } from './places';
import { chatText, newChatText } from './texts';

export const COMMANDS = {
  open: 'chat-stream:open',
  openForNotebook: 'chat-stream:open-for-notebook',
  create: 'chat-stream:new',
  show: 'chat-stream:show',
  focusComposer: 'chat-stream:focus-composer',
  backToCell: 'chat-stream:back-to-cell',
  focusLastMessage: 'chat-stream:focus-last-message',
  aboutCell: 'chat-stream:about-cell',
  consents: 'chat-stream:consents',
  goToQuestion: 'chat-stream:go-to-question'
} as const;

interface CommandsOptions {
  readonly app: JupyterFrontEnd;
  readonly page: IChatPage;
  readonly places: ChatPlaces;
  readonly tracker: INotebookTracker | null;
  /** The chats that wait for an answer. */
  readonly asking: () => Promise<readonly ThreadRow[]>;
}

type Args = ReadonlyPartialJSONObject;

/** The JSON schema of a command's arguments, for callers of the command. */
function argsSchema(properties: Args): { args: ReadonlyJSONObject } {
  return { args: { type: 'object', properties } as ReadonlyJSONObject };
}

/** How many of the newest threads are searched for an empty one. */
const NEWEST = 20;
const PROPOSAL = '[data-testid=proposal], [data-testid=proposal-bar]';
const TEXT = { type: 'string' } as const;
const PLACE = { type: 'string', enum: ['panel', 'tab'] } as const;
const ITEM = {
  type: 'object',
  properties: { name: TEXT, text: TEXT, id: TEXT, origin: TEXT }
} as const;

/** Add all commands to the page. */
export function addCommands(options: CommandsOptions): void {
  addOpening(options);
  addForNotebooks(options);
  addFocusing(options);
  addConsents(options);
  addQuestions(options);
}

function addOpening(options: CommandsOptions): void {
  const { app, page, places } = options;
  const { trans } = page.services.language;
  app.commands.addCommand(COMMANDS.open, {
    describedBy: argsSchema({ threadId: TEXT, place: PLACE, messageId: TEXT }),
    label: trans.__('Open Chat'),
    icon: chatIcon,
    isVisible: args => typeof args['threadId'] === 'string',
    execute: args => openThread(places, args)
  });
  app.commands.addCommand(COMMANDS.create, {
    describedBy: argsSchema({ place: PLACE, isLauncher: { type: 'boolean' } }),
    label: args => (args['isLauncher'] === true ? chatText(trans) : newChatText(trans)),
    caption: beginChatText(trans),
    icon: chatIcon,
    execute: async args => {
      const threadId = (await emptyThread(page)) ?? (await makeThread(options, {}));
      return threadId === null ? undefined : openThread(places, { ...args, threadId });
    }
  });
  app.commands.addCommand(COMMANDS.show, {
    describedBy: argsSchema({}),
    label: trans.__('Show Chats'),
    icon: chatIcon,
    execute: () => places.showPanel()
  });
}

/** Add the command that goes to an open question, and from a proposal at cells back again. */
function addQuestions({ app, page, places, asking }: CommandsOptions): void {
  const { language, workspace } = page.services;
  const { trans } = language;
  let from: HTMLElement | null = null;
  app.commands.addCommand(COMMANDS.goToQuestion, {
    describedBy: argsSchema({}),
    label: trans.__('Go to What Waits for Your Answer'),
    icon: chatIcon,
    execute: async () => {
      const { activeElement } = document;
      if (activeElement?.closest(PROPOSAL) != null) {
        goBack(app, places, from);
        return;
      }
      from = activeElement instanceof HTMLElement ? activeElement : null;
      if (workspace?.proposals.goTo() !== true) {
        const [first] = await asking();
        if (first === undefined) {
          places.showPanel();
        } else {
          places.openInPanel({ threadId: first.id, messageId: null });
        }
      }
    }
  });
}

/** Focus an element again, or the panel if the element is gone. */
function goBack(app: JupyterFrontEnd, places: ChatPlaces, node: HTMLElement | null): void {
  const around = [...app.shell.widgets('main')].find(widget => widget.node.contains(node));
  app.shell.activateById((around ?? places.panel).id);
  requestAnimationFrame(() => node?.focus());
}

function addConsents({ app, page, places }: CommandsOptions): void {
  const { trans } = page.services.language;
  app.commands.addCommand(COMMANDS.consents, {
    describedBy: argsSchema({}),
    label: trans.__('Tools Allowed Without Asking…'),
    execute: async () => {
      const { showConsents } = await import(/* webpackChunkName: "view" */ './consents-dialog');
      await showConsents(page, threadId => openThread(places, { threadId }));
    }
  });
}

function addForNotebooks(options: CommandsOptions): void {
  const { app, page, tracker } = options;
  const { trans } = page.services.language;
  const isNotebook = (): boolean => currentNotebook(tracker) !== null;
  app.commands.addCommand(COMMANDS.openForNotebook, {
    describedBy: argsSchema({ path: TEXT, draft: TEXT, context: { type: 'array', items: ITEM } }),
    label: trans.__('Open the Chat of This Notebook'),
    icon: chatIcon,
    isEnabled: args => typeof args['path'] === 'string' || isNotebook(),
    execute: args => openForNotebook(options, args)
  });
  app.commands.addCommand(COMMANDS.aboutCell, {
    describedBy: argsSchema({}),
    label: trans.__('Chat About This Cell'),
    icon: chatIcon,
    isEnabled: isNotebook,
    execute: () => openForNotebook(options, { context: activeCellContext(page) })
  });
}

/** The last active cell of the current notebook, with its outputs, as context of a message. */
function activeCellContext({ services }: IChatPage): ReadonlyPartialJSONObject[] {
  const { workspace, language } = services;
  const place = workspace?.placeOf(document.body) ?? null;
  const cell = place === null ? null : (workspace?.cell(place) ?? null);
  return cell === null ? [] : contextOf(cell, language.trans).map(item => ({ ...item }));
}

function addFocusing({ app, page, places, tracker }: CommandsOptions): void {
  const { trans } = page.services.language;
  app.commands.addCommand(COMMANDS.focusComposer, {
    describedBy: argsSchema({}),
    label: trans.__('Go to the Chat'),
    execute: () => {
      const field = composerInCell(tracker);
      if (field !== null) {
        field.focus();
      } else {
        places.showPanel();
      }
    }
  });
  app.commands.addCommand(COMMANDS.backToCell, {
    describedBy: argsSchema({}),
    label: trans.__('Go Back to the Cell'),
    isEnabled: () => currentNotebook(tracker) !== null,
    execute: () => goBackToCell(app, tracker)
  });
  app.commands.addCommand(COMMANDS.focusLastMessage, {
    describedBy: argsSchema({}),
    label: trans.__('Go to the Last Message'),
    execute: () => {
      focusLastMessage(document.activeElement?.closest('.jp-ChatStream') ?? places.panel.node);
    }
  });
}

function goBackToCell(app: JupyterFrontEnd, tracker: INotebookTracker | null): void {
  const panel = currentNotebook(tracker);
  if (panel !== null) {
    const from = document.activeElement;
    app.shell.activateById(panel.id);
    focusCell(panel, from);
  }
}

function focusLastMessage(chat: Element): void {
  const log = chat.querySelector('[data-testid=log]');
  if (log === null) {
    return;
  }
  log.scrollTop = log.scrollHeight; // distant messages are not drawn yet
  requestAnimationFrame(() => {
    const messages = chat.querySelectorAll<HTMLElement>('article[aria-posinset]');
    [...messages].at(-1)?.focus();
  });
}

/** Open the thread that the arguments name. Returns the widget that shows it. */
function openThread(places: ChatPlaces, args: Args): Widget {
  const { threadId, messageId, place } = args;
  if (typeof threadId !== 'string' || threadId === '') {
    throw new Error(`The command ${COMMANDS.open} needs the argument threadId.`);
  }
  const target = { threadId, messageId: typeof messageId === 'string' ? messageId : null };
  if (place === 'tab') {
    return places.openInTab(target);
  }
  places.openInPanel(target);
  return places.panel;
}

async function openForNotebook(options: CommandsOptions, args: Args): Promise<void> {
  const { app, page, places, tracker } = options;
  const pathArg = args['path'];
  const path = typeof pathArg === 'string' ? pathArg : currentNotebook(tracker)?.context.path;
  if (path === undefined) {
    return;
  }
  const notebook = app.serviceManager.contents.localPath(path);
  const threadId = await makeThread(options, { notebook });
  if (threadId === null) {
    return;
  }
  places.openInPanel({ threadId, messageId: null });
  const client = page.threads.acquire(threadId);
  const { draft } = args;
  if (typeof draft === 'string' && draft !== '') {
    const oldDraft = client.getState().draft.trimEnd();
    client.setDraft(oldDraft === '' ? draft : `${oldDraft}\n\n${draft}`);
  }
  mentionsOf(args['context']).forEach(item => client.mention(item));
  page.threads.release(client); // the panel has acquired the client now
}

/** Whether one of the newest threads asks a question, or may ask one soon. */
export async function isAnyBusy(page: IChatPage): Promise<boolean> {
  const rows = await newestRows(page).catch(() => []);
  return rows.map(parseRow).some(({ asks, busy }) => asks || busy);
}

async function newestRows({ api }: IChatPage): Promise<readonly unknown[]> {
  const value = await api.request({ method: 'GET', path: `threads?limit=${NEWEST}` });
  const { threads } = asObject(value, 'The list of threads');
  const rows: readonly unknown[] = Array.isArray(threads) ? threads : [];
  return rows;
}

/** The newest untouched thread, which "New" reuses; null if there is none. */
async function emptyThread(page: IChatPage): Promise<string | null> {
  try {
    const rows = await newestRows(page);
    const { toolMode } = page.threads.preferences.getState();
    const untouched = rows.find(row => isUntouched(row, toolMode));
    if (untouched === undefined) {
      return null;
    }
    await giveMode(page, untouched);
    return parseRow(untouched).id;
  } catch {
    return null; // if a new thread cannot be made either, that error is shown
  }
}

/** Make a thread, or get the thread of a notebook. After a failure, show the error and return null. */
async function makeThread({ page }: CommandsOptions, body: object): Promise<string | null> {
  const { trans } = page.services.language;
  try {
    const thread = await page.api.request({ method: 'POST', path: 'threads', body });
    await giveMode(page, thread);
    const { id } = fieldsOf(thread);
    return typeof id === 'string' ? id : null;
  } catch (error) {
    await showErrorMessage(trans.__('The chat could not be opened'), explain(error, trans));
    return null;
  }
}

/** Set the mode of a new thread to the default of the person's settings. */
async function giveMode({ api, threads }: IChatPage, thread: unknown): Promise<void> {
  const tools = toolsOfNew(thread, threads.preferences.getState().toolMode);
  if (tools !== null) {
    const path = `threads/${encodeURIComponent(parseRow(thread).id)}`;
    await api.request({ method: 'PATCH', path, body: { tools } });
  }
}

function isOptional(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function mentionsOf(value: unknown): readonly Mention[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return list.filter((item): item is Mention => {
    const { name, text, id, origin } = fieldsOf(item);
    const isNamed = typeof name === 'string' && typeof text === 'string';
    return isNamed && isOptional(id) && isOptional(origin);
  });
}
