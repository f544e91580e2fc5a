// A notebook with one cell, whose page keeps the copies of its chats.
import { beforeEach } from 'vitest';

import { type CopyExtent } from '../../src/page/chat-copy';
import { type NotebookCopiesOptions, keepChats } from '../../src/page/notebook-copies';
import { MIME_TYPE } from '../../src/protocol/address';
import { FakePage, conversation, flushPromises } from '../fakes';

/** A signal as Lumino's: listeners are called at once, in order. */
class FakeSignal<T> {
  private readonly _slots: ((sender: unknown, args: T) => void)[] = [];
  connect(slot: (sender: unknown, args: T) => void): boolean {
    this._slots.push(slot);
    return true;
  }
  emit(args: T): void {
    this._slots.forEach(slot => slot(this, args));
  }
}

type Bundle = Record<string, unknown>;

export class FakeOutput {
  writes = 0;
  constructor(public data: Bundle) {}
  setData({ data }: { data: Bundle }): void {
    this.data = data;
    this.writes += 1;
  }
}

export class FakeOutputs {
  readonly changed = new FakeSignal<{ type: string; newValues: FakeOutput[] }>();
  private readonly _list: FakeOutput[] = [];
  get length(): number {
    return this._list.length;
  }
  get(index: number): FakeOutput | undefined {
    return this._list[index];
  }
  clear(): void {
    this._list.length = 0;
  }
  add(output: FakeOutput): void {
    this._list.push(output);
    this.changed.emit({ type: 'add', newValues: [output] });
  }
}

/** A notebook of one cell, and what is on its disk. */
class FakeOpenNotebook {
  readonly outputs = new FakeOutputs();
  readonly saveState = new FakeSignal<string>();
  readonly disposed = new FakeSignal<void>();
  readonly cellsChanged = new FakeSignal<void>();
  saves = 0;
  onDisk: { last_modified: string; writable: boolean } | null = {
    last_modified: '1',
    writable: true
  };
  readonly model = {
    dirty: true,
    readOnly: false,
    collaborative: false,
    cells: Object.assign([{ outputs: this.outputs }, {}], { changed: this.cellsChanged })
  };
  readonly context = {
    ready: Promise.resolve(),
    isDisposed: false,
    disposed: this.disposed,
    path: 'a.ipynb',
    model: this.model,
    saveState: this.saveState,
    contentsModel: { last_modified: '1', writable: true },
    save: async () => {
      this.saves += 1;
      this.saveState.emit('started');
      this.model.dirty = false;
      this.saveState.emit('completed');
    }
  };

  close(): void {
    this.context.isDisposed = true;
    this.disposed.emit();
  }
}

/** The request for the copy of the thread. */
export const PATH = 'threads/t/copy?extent=all';

export let page: FakePage;
export let notebook: FakeOpenNotebook;
export let settings: { extent: CopyExtent; autosave: boolean };

/** Before each test, open a notebook that keeps the copies of its chats. */
export function useOpenNotebook(): void {
  beforeEach(async () => {
    page = new FakePage();
    notebook = new FakeOpenNotebook();
    settings = { extent: 'all', autosave: true };
    const options = {
      tracker: {
        // Two views of one notebook, which share its context.
        forEach: (action: (panel: object) => void) =>
          [notebook, { context: notebook.context }].forEach(action),
        widgetAdded: new FakeSignal()
      },
      threads: page.threads,
      api: page.api,
      contents: {
        get: async () => {
          if (notebook.onDisk === null) {
            throw new Error('gone');
          }
          return notebook.onDisk;
        }
      },
      clock: page.network.clock,
      extent: () => settings.extent,
      isAutosaving: () => settings.autosave
    };
    keepChats(options as unknown as NotebookCopiesOptions);
    await flushPromises();
  });
}

export function chatOutput(copy = 'old', address: object = { thread: 't' }): FakeOutput {
  return new FakeOutput({ [MIME_TYPE]: address, 'text/markdown': copy, 'text/plain': copy });
}

/** Events of the thread arrive, and are shown. */
export function receive(...events: readonly object[]): void {
  page.network.socket.receive({ op: 'events', thread: 't', events });
  page.frame();
}

/** The thread of the output is on the page, up to an event, and live. */
export function follow(seq = 10): void {
  page.threads.acquire('t');
  page.network.socket.open();
  receive(...conversation().slice(0, seq));
  page.network.socket.receive({ op: 'live', thread: 't', seq });
  page.frame();
}

/** The server answers the newest request. */
export async function answer(markdown: string, seq = 10, path = PATH): Promise<void> {
  page.api.call('GET', path).answer({ seq, markdown, plain: `plain ${markdown}` });
  await flushPromises();
}
