/** The plugins of the extension. Of JupyterLab they require only the registry of renderers. */
import { type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';

import { cellsPlugin } from './cells/plugin';
import { type CopyExtent } from './page/chat-copy';
import { rendererFactory } from './page/mime';
import { keepChats } from './page/notebook-copies';
import { PAGE_CLOCK, createPage } from './page/page';
import { IChatPage } from './page/tokens';
import { registerWidget } from './page/widget-registry';
import { panelPlugin } from './panel/plugin';
import { languageOf } from './text/language';

const page: JupyterFrontEndPlugin<IChatPage> = {
  id: 'jupyter-chat-stream:page',
  description: 'The one connection of this page, and the threads on it.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [IEditorLanguageRegistry, ITranslator, INotebookTracker, IDocumentManager],
  provides: IChatPage,
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    languages: IEditorLanguageRegistry | null,
    translator: ITranslator | null,
    tracker: INotebookTracker | null,
    documents: IDocumentManager | null
  ): IChatPage => createPage(app, languageOf(translator), rendermime, languages, tracker, documents)
};

const renderer: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chat-stream:renderer',
  description: 'Draws chat threads in notebook outputs.',
  autoStart: true,
  requires: [IRenderMimeRegistry, IChatPage],
  activate: (_app: JupyterFrontEnd, rendermime: IRenderMimeRegistry, chats: IChatPage) => {
    rendermime.addFactory(rendererFactory(() => chats));
  }
};

const widget: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chat-stream:widget',
  description: 'Draws `Chat` where it is used as a widget.',
  autoStart: true,
  requires: [IChatPage],
  activate: (app: JupyterFrontEnd, chats: IChatPage) => registerWidget(app, () => chats)
};

const keeper: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chat-stream:plugin',
  description: 'Keeps a copy of chats in the notebooks that show them.',
  autoStart: true,
  requires: [IChatPage],
  optional: [INotebookTracker, IDocumentManager, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    chats: IChatPage,
    tracker: INotebookTracker | null,
    documents: IDocumentManager | null,
    registry: ISettingRegistry | null
  ) => {
    let settings: ISettingRegistry.ISettings | null = null;
    registry?.load(keeper.id).then(
      loaded => {
        settings = loaded;
        const read = (): void => chats.threads.preferences.read(loaded.composite);
        loaded.changed.connect(read);
        read();
      },
      (reason: unknown) => console.warn(`${keeper.id} keeps its default settings:`, reason)
    );
    if (tracker !== null) {
      keepChats({
        tracker,
        threads: chats.threads,
        api: chats.api,
        contents: app.serviceManager.contents,
        clock: PAGE_CLOCK,
        extent: () => (settings?.composite['snapshot'] ?? 'all') as CopyExtent,
        isAutosaving: () => documents?.autosave === true
      });
    }
  }
};

export default [page, renderer, widget, keeper, panelPlugin, cellsPlugin];
