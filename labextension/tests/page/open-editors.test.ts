// @vitest-environment node
// Which tabs of a page may save over a change of a file (L17).
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { type IDocumentManager } from '@jupyterlab/docmanager';
import { beforeEach, expect, it } from 'vitest';

import { hasEditor } from '../../src/page/open-editors';

interface Context {
  readonly localPath: string;
  readonly path: string;
  readonly model: { dirty: boolean };
}

interface Tab {
  isDisposed: boolean;
  readonly context?: Context;
}

const READ_ONLY: Readonly<Record<string, boolean>> = { Editor: false, Preview: true };

let tabs: Tab[];
/** What JupyterLab's document manager knows of a tab: the factory that made it. */
let factories: Map<Tab, string>;

const app = {
  shell: { widgets: (area: string) => (area === 'main' ? tabs : []) },
  serviceManager: { contents: { localPath: (path: string) => path.replace(/^RTC:/, '') } }
} as unknown as JupyterFrontEnd;

const documents = {
  registry: {
    widgetFactories: () =>
      Object.entries(READ_ONLY)
        .map(([name, readOnly]) => ({ name, readOnly }))
        .values()
  },
  contextForWidget: (tab: Tab) => (factories.has(tab) ? tab.context : undefined),
  findWidget: (path: string, name: string) =>
    tabs.find(tab => tab.context?.path === path && factories.get(tab) === name)
} as unknown as IDocumentManager;

const contextOf = (path: string): Context => ({
  path,
  localPath: path.replace(/^RTC:/, ''),
  model: { dirty: false }
});

function open(context: Context, factory: string | null): Tab {
  const tab = { isDisposed: false, context };
  tabs.push(tab);
  if (factory !== null) {
    factories.set(tab, factory);
  }
  return tab;
}

const isOpen = (path = 'n.ipynb'): boolean => hasEditor(app, documents, path);

beforeEach(() => {
  tabs = [{ isDisposed: false }];
  factories = new Map();
});

it.each(['n.ipynb', 'RTC:n.ipynb'])('a document that can be typed into is an editor: %s', path => {
  expect(isOpen()).toBe(false);
  const tab = open(contextOf(path), 'Editor');
  expect(isOpen()).toBe(true);
  expect(isOpen('RTC:n.ipynb')).toBe(true);
  expect(isOpen('other.ipynb')).toBe(false);
  tab.isDisposed = true;
  expect(isOpen()).toBe(false);
});

it('a preview is no editor', () => {
  open(contextOf('n.ipynb'), 'Preview');
  expect(isOpen()).toBe(false);
});

it('an editor counts beside a preview of the same file', () => {
  const context = contextOf('n.ipynb');
  open(context, 'Preview');
  open(context, 'Editor');
  expect(isOpen()).toBe(true);
});

it('a preview whose editor was closed without saving counts: JupyterLab may save its changes', () => {
  const context = contextOf('n.ipynb');
  open(context, 'Preview');
  context.model.dirty = true;
  expect(isOpen()).toBe(true);
});

it('a tab that is no document is no editor, whatever it calls its context', () => {
  open(contextOf('n.ipynb'), null);
  expect(isOpen()).toBe(false);
});

it('a page without documents has no editor', () => {
  open(contextOf('n.ipynb'), 'Editor');
  expect(hasEditor(app, null, 'n.ipynb')).toBe(false);
});
