/** The plugin of the side panel and of chats in tabs. It loads their code when one is first seen. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';

import { IChatPage } from '../tokens';
import { addCommands, COMMANDS } from './commands';
import { type PanelParts } from './content';
import { ChatPlaces } from './places';
import { chatText } from './texts';

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chat-stream:panel',
  description: 'Shows chats in a side panel and in tabs.',
  autoStart: true,
  requires: [IChatPage],
  optional: [ILabShell, ILayoutRestorer, INotebookTracker, ICommandPalette, ILauncher, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    page: IChatPage,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    tracker: INotebookTracker | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    state: IStateDB | null
  ) => {
    const places = new ChatPlaces({
      app,
      page,
      labShell,
      state,
      drawPanel: async host => {
        const { content, parts } = await load();
        return content.drawPanel(host, parts);
      },
      drawTab: async (host, tab) => {
        const { content, parts } = await load();
        return content.drawTab(host, parts, tab);
      }
    });
    let parts: PanelParts | null = null;
    const load = async () => {
      const content = await import('./content');
      const onNew = (): void => void app.commands.execute(COMMANDS.create);
      parts ??= content.makeParts(page, places, tracker, onNew);
      return { content, parts };
    };
    addCommands({ app, page, places, tracker });
    places.add(restorer, COMMANDS.open);
    const category = chatText(page.services.language.trans);
    for (const command of Object.values(COMMANDS)) {
      if (command !== COMMANDS.open) {
        palette?.addItem({ command, category });
      }
    }
    launcher?.add({ command: COMMANDS.create, args: { place: 'tab', isLauncher: true }, rank: 5 });
  }
};
