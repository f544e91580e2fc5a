/** A person's actions on a thread of the list: the menu, and dragging the row. */
import { Notification } from '@jupyterlab/apputils';
import { type INotebookTracker } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';
import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';
import { Menu } from '@lumino/widgets';

import { type Api } from '../connection/api';
import { explain } from '../connection/thread-ends';
import { type ThreadRow } from '../protocol/records';
import { type Language } from '../text/language';
import { copiedText, copyAsMarkdownText, notCopiedText } from '../text/texts';
import { type ThreadList } from '../threads/list';
import { rowTitle } from '../threads/rows';
import { copyText } from '../view/controls/clipboard';
import { cellOfThread, insertCell } from './cell-of-thread';
import { type ChatPlaces } from './places';

interface RowActionsOptions {
  readonly api: Api;
  readonly places: ChatPlaces;
  readonly list: ThreadList;
  readonly language: Language;
  readonly tracker: INotebookTracker | null;
}

/** How long the message about a copied text is shown. */
const TOLD_MS = 4_000;
const FACTORY_MIME = 'application/vnd.lumino.widget-factory';
const CELL_MIME = 'application/vnd.jupyter.cells';

export class RowActions {
  constructor(private readonly _options: RowActionsOptions) {}

  /** Open the menu of a thread at a point of the window. `onRename` starts the renaming. */
  openMenu(row: ThreadRow, at: { x: number; y: number }, onRename: (() => void) | null): void {
    const commands = new CommandRegistry();
    const menu = new Menu({ commands });
    menu.addClass('jp-ChatStream-menu');
    for (const entry of this._entries(row, onRename)) {
      if (entry === null) {
        menu.addItem({ type: 'separator' });
        continue;
      }
      const { id, label, execute } = entry;
      commands.addCommand(id, { label, execute, describedBy: { args: { type: 'object' } } });
      menu.addItem({ command: id });
    }
    actOnTouch(menu);
    const before = document.activeElement;
    menu.aboutToClose.connect(() =>
      queueMicrotask(() => {
        menu.dispose();
        if (document.activeElement === document.body && before instanceof HTMLElement) {
          before.focus(); // the action has not moved the focus
        }
      })
    );
    menu.open(at.x, at.y);
  }

  /** Show the thread in a new cell of the current notebook. */
  openInCell(row: ThreadRow): void {
    const { tracker, language } = this._options;
    const panel = tracker?.currentWidget ?? null;
    if (panel !== null) {
      insertCell(panel, cellOfThread(row.id, rowTitle(row, language.trans)));
    }
  }

  /** Drag a thread onto a notebook, to make a cell, or onto the main area, to open a tab. */
  startDrag(row: ThreadRow, at: { x: number; y: number }): void {
    const { places, language } = this._options;
    const mimeData = new MimeData();
    const title = rowTitle(row, language.trans);
    mimeData.setData(CELL_MIME, [cellOfThread(row.id, title)]);
    if (places.hasTabs) {
      mimeData.setData(FACTORY_MIME, () =>
        places.openInTab({ threadId: row.id, messageId: null }, false)
      );
    }
    const dragImage = document.createElement('div');
    dragImage.className = 'jp-ChatStream-dragImage';
    dragImage.textContent = title;
    const drag = new Drag({
      mimeData,
      dragImage,
      supportedActions: 'copy-move',
      proposedAction: 'move'
    });
    void drag.start(at.x, at.y).then(() => drag.dispose());
  }

  /** Copy the exported conversation to the clipboard. */
  private async _copy(row: ThreadRow): Promise<void> {
    const { api, language } = this._options;
    const { trans } = language;
    try {
      const path = `threads/${encodeURIComponent(row.id)}/export?format=md`;
      const text = await (await api.download(path)).text();
      if (await copyText(text)) {
        Notification.success(copiedText(trans), { autoClose: TOLD_MS });
      } else {
        Notification.error(notCopiedText(trans), { autoClose: TOLD_MS });
      }
    } catch (error) {
      Notification.error(explain(error, trans), { autoClose: TOLD_MS });
    }
  }

  private _entries(row: ThreadRow, onRename: (() => void) | null): readonly (MenuEntry | null)[] {
    const { list, language } = this._options;
    const { trans } = language;
    const change = (fields: Parameters<typeof list.changes.change>[1]) => (): void =>
      void list.changes.change(row.id, fields);
    const entries: (MenuEntry | null | false)[] = [
      ...this._openings(row),
      null,
      onRename !== null && { id: 'rename', label: trans.__('Rename…'), execute: onRename },
      {
        id: 'pin',
        label: row.pinned ? trans.__('Unpin') : trans.__('Pin'),
        execute: change({ pinned: !row.pinned })
      },
      {
        id: 'archive',
        label: row.archived ? trans.__('Move Out of the Archive') : trans.__('Archive'),
        execute: change({ archived: !row.archived })
      },
      { id: 'copy', label: copyAsMarkdownText(trans), execute: () => void this._copy(row) },
      null,
      { id: 'delete', label: trans.__('Delete Chat'), execute: () => list.changes.remove(row) }
    ];
    return entries.filter(entry => entry !== false);
  }

  /** The places where the thread can be shown. */
  private _openings(row: ThreadRow): readonly (MenuEntry | false)[] {
    const { places, tracker, language } = this._options;
    const { trans } = language;
    const target = { threadId: row.id, messageId: null };
    return [
      {
        id: 'panel',
        label: trans.__('Open in the Side Panel'),
        execute: () => places.openInPanel(target)
      },
      places.hasTabs && {
        id: 'tab',
        label: trans.__('Open in a Tab'),
        execute: () => void places.openInTab(target)
      },
      (tracker?.currentWidget ?? null) !== null && {
        id: 'cell',
        label: trans.__('Open in a New Cell'),
        execute: () => this.openInCell(row)
      }
    ];
  }
}

interface MenuEntry {
  readonly id: string;
  readonly label: string;
  readonly execute: () => void;
}

/**
 * Make the menu work by touch. JupyterLab 4.6 runs the item below the mouse pointer, which a touch does not
 * move. It also closes the menu before the click, which then hits the element below the menu.
 */
function actOnTouch(menu: Menu): void {
  let isTouched = false;
  const onPointerUp = (event: PointerEvent): void => {
    isTouched = event.pointerType === 'touch';
    if (isTouched) {
      event.stopPropagation();
    }
  };
  const onClick = (event: MouseEvent): void => {
    const { target } = event;
    if (isTouched && target instanceof Node) {
      event.preventDefault();
      event.stopPropagation();
      const items = [...menu.contentNode.children];
      menu.activeIndex = items.findIndex(item => item.contains(target));
      menu.triggerActiveItem();
    }
  };
  menu.node.addEventListener('pointerup', onPointerUp, true);
  menu.node.addEventListener('click', onClick, true);
}
