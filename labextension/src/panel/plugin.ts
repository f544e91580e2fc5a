/** The plugin of the side panel and of chats in tabs. Loads their code when one first becomes visible. */
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

import { type ThreadRow } from '../protocol/records';
import { IChatPage } from '../page/tokens';
import { markAsking } from './asking-mark';
import { addCommands, COMMANDS, isAnyBusy } from './commands';
import { type PanelParts } from './content';
import { listenToKeys } from './keys';
import { ChatPlaces, type PlacesOptions } from './places';
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
    // Notebook 7 has a state database, but no workspace that keeps its state over a reload.
    const database = labShell === null ? null : state;
    const { places, asking } = makePlaces({ app, page, labShell, state: database, tracker });
    addCommands({ app, page, places, tracker, asking });
    // A page without a chat loads the list only if a chat may be waiting for an answer.
    const begin = (): void => void asking().catch(() => undefined); // the panel shows the reason
    void page.whenBusy.then(begin);
    void app.restored.then(() => isAnyBusy(page)).then(isBusy => isBusy && begin());
    places.add(restorer, COMMANDS.open);
    listenToKeys(app.commands);
    const category = chatText(page.services.language.trans);
    for (const command of Object.values(COMMANDS)) {
      if (command !== COMMANDS.open) {
        palette?.addItem({ command, category });
      }
    }
    launcher?.add({ command: COMMANDS.create, args: { place: 'tab', isLauncher: true }, rank: 5 });
  }
};

/** The parts from which the places are made. */
type PlaceParts = Pick<PlacesOptions, 'app' | 'page' | 'labShell' | 'state'> & {
  readonly tracker: INotebookTracker | null;
};

interface Places {
  readonly places: ChatPlaces;
  /** Get the chats that wait for an answer, and from then on mark the panel's icon for them. */
  readonly asking: () => Promise<readonly ThreadRow[]>;
}

/** Make the places. Their content is loaded when the first place becomes visible. */
function makePlaces({ tracker, ...options }: PlaceParts): Places {
  let parts: PanelParts | null = null;
  const load = async () => {
    const content = await import(/* webpackChunkName: "view" */ './content');
    const onNew = (): void => void options.app.commands.execute(COMMANDS.create);
    parts ??= content.makeParts(options.page, places, tracker, onNew);
    return { content, parts };
  };
  const places = new ChatPlaces({
    ...options,
    drawPanel: async host => {
      const { content, parts: loaded } = await load();
      return content.drawPanel(host, loaded);
    },
    drawTab: async (host, tab) => {
      const { content, parts: loaded } = await load();
      return content.drawTab(host, loaded, tab);
    }
  });
  let isWatching = false;
  const asking = async (): Promise<readonly ThreadRow[]> => {
    const { list } = (await load()).parts;
    if (!isWatching) {
      isWatching = true;
      markAsking(places.panel, list, options.page.services.language.trans);
      await list.refresh();
    }
    return list.getState().asking;
  };
  return { places, asking };
}
