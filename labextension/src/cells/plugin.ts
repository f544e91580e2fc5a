/** The plugin that adds chat functions to the cells of notebooks. */
import { type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { PAGE_CLOCK } from '../page/page';
import { IChatPage } from '../page/tokens';
import { chatText } from '../panel/texts';
import { offerAtErrors } from './error-offers';
import { addExplaining, COMMANDS } from './explaining';
import { keepAnchors } from './lost-chats';
import { showProposals } from './proposals';
import { StoredAnchors } from './stored-anchors';
import { ThreadChecks } from './thread-checks';

/** The plugin whose settings page is that of the whole extension. */
const SETTINGS = 'jupyter-chat-stream:plugin';

export const cellsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chat-stream:cells',
  description: 'Offers the chat at cells and errors, and returns chats whose outputs were lost.',
  autoStart: true,
  requires: [IChatPage, INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    page: IChatPage,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null
  ) => {
    const { language, workspace } = page.services;
    const { trans } = language;
    const storage = new StoredAnchors(() => window.localStorage);
    const checks = new ThreadChecks({ api: page.api, clock: PAGE_CLOCK });
    keepAnchors({ tracker, page, storage, checks });
    if (workspace === null) {
      return;
    }
    const settings = wantedAtCells(registry);
    const areWanted = settings.get;
    addExplaining({ app, tracker, workspace, trans, areWanted });
    const { commands } = app;
    settings.onChange(() => commands.notifyCommandChanged(COMMANDS.explain));
    showProposals({
      tracker,
      page,
      workspace,
      onFrame: action => void requestAnimationFrame(action),
      reveal: panelId => app.shell.activateById(panelId)
    });
    offerAtErrors({ tracker, commands, trans, areWanted, onChange: settings.onChange });
    const category = chatText(trans);
    for (const command of Object.values(COMMANDS)) {
      palette?.addItem({ command, category });
    }
  }
};

/** The setting `cellActions`, and a subscription to its changes. */
function wantedAtCells(registry: ISettingRegistry | null): {
  readonly get: () => boolean;
  readonly onChange: (action: () => void) => void;
} {
  let isWanted = true;
  const listeners: (() => void)[] = [];
  registry?.load(SETTINGS).then(
    settings => {
      const read = (): void => {
        isWanted = settings.composite['cellActions'] !== false;
        listeners.forEach(listener => listener());
      };
      settings.changed.connect(read);
      read();
    },
    (reason: unknown) => console.warn(`${cellsPlugin.id} keeps its default settings:`, reason)
  );
  return { get: () => isWanted, onChange: action => void listeners.push(action) };
}
