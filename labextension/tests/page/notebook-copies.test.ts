// @vitest-environment node
import { beforeEach, describe, expect, it } from 'vitest';

import { type CopyExtent } from '../../src/fold/snapshot';
import { type NotebookCopiesOptions, keepChats } from '../../src/page/notebook-copies';
import { MIME_TYPE, parseAddress } from '../../src/protocol/address';
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

class FakeOutput {
  writes = 0;
  constructor(public data: Bundle) {}
  setData({ data }: { data: Bundle }): void {
    this.data = data;
    this.writes += 1;
  }
}

class FakeOutputs {
  readonly changed = new FakeSignal<{ type: string; newValues: FakeOutput[] }>();
  private readonly _list: FakeOutput[] = [];
  get length(): number {
    return this._list.length;
  }
  get(index: number): FakeOutput | undefined {
    return this._list[index];
  }
  add(output: FakeOutput): void {
    this._list.push(output);
    this.changed.emit({ type: 'add', newValues: [output] });
  }
}

/** A notebook of one cell, and what is on its disk. */
class FakeNotebook {
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
    path: 'a.ipynb',
    model: this.model,
    saveState: this.saveState,
    contentsModel: { last_modified: '1', writable: true },
    save: async () => {
      this.saves += 1;
      this.saveState.emit('started');
      this.model.dirty = false;
    }
  };
  readonly isDisposed = false;
}

let page: FakePage;
let notebook: FakeNotebook;
let settings: { extent: CopyExtent; autosave: boolean };

beforeEach(async () => {
  page = new FakePage();
  notebook = new FakeNotebook();
  settings = { extent: 'all', autosave: true };
  const options = {
    tracker: {
      forEach: (action: (panel: object) => void) => action(notebook),
      widgetAdded: new FakeSignal()
    },
    threads: page.threads,
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

function chatOutput(copy = 'old'): FakeOutput {
  return new FakeOutput({
    [MIME_TYPE]: { thread: 't' },
    'text/markdown': copy,
    'text/plain': copy
  });
}

/** The thread of the output is on the page, whole and live. */
function follow(): void {
  page.threads.acquire('t');
  page.network.socket.open();
  page.network.socket.receive({ op: 'events', thread: 't', events: conversation() });
  page.network.socket.receive({ op: 'live', thread: 't', seq: 10 });
}

async function passes(ms: number): Promise<void> {
  page.network.clock.turn(ms);
  await flushPromises();
}

describe('the copy in a notebook', () => {
  it('is refreshed when the notebook is saved', () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    notebook.saveState.emit('started');
    expect(output.data['text/markdown']).toContain('Because of it.');
    expect(output.data['text/plain']).toContain('You:');
    expect(output.data[MIME_TYPE]).toEqual({ thread: 't' });
  });

  it('is not touched where it is the same, also as the lines of a file', () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    notebook.saveState.emit('started');
    const lines = String(output.data['text/markdown']).split(/(?<=\n)/);
    output.data = { ...output.data, 'text/markdown': lines };
    notebook.saveState.emit('started');
    expect(output.writes).toBe(1);
  });

  it('is not touched while the thread is unknown or cut off, nor on other occasions', () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    notebook.saveState.emit('started');
    follow();
    page.network.socket.drop();
    notebook.saveState.emit('started');
    notebook.saveState.emit('completed');
    expect(output.writes).toBe(0);
  });

  it('is not touched in a notebook that others write too, or that cannot be written', () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    notebook.model.collaborative = true;
    notebook.saveState.emit('started');
    notebook.model.collaborative = false;
    notebook.model.readOnly = true;
    notebook.saveState.emit('started');
    expect(output.writes).toBe(0);
  });

  it('says nothing of the conversation where the setting says none', () => {
    follow();
    settings.extent = 'none';
    const output = chatOutput();
    notebook.outputs.add(output);
    notebook.saveState.emit('started');
    expect(output.data['text/markdown']).not.toContain('Because');
  });

  it('leaves other outputs alone', () => {
    follow();
    const other = new FakeOutput({ 'text/markdown': 'mine' });
    notebook.outputs.add(other);
    notebook.saveState.emit('started');
    expect(other.writes).toBe(0);
  });
});

describe('a fresh chat output', () => {
  it('is saved soon, once for several', async () => {
    notebook.outputs.add(chatOutput());
    notebook.outputs.add(chatOutput());
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

  it('is saved with its copy refreshed', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    await passes(5_000);
    expect(output.data['text/markdown']).toContain('Because of it.');
  });

  const reasons: Readonly<Record<string, () => void>> = {
    'autosave is off': () => (settings.autosave = false),
    'nothing changed': () => (notebook.model.dirty = false),
    'the notebook is read-only': () => (notebook.model.readOnly = true),
    'the file cannot be written': () => (notebook.context.contentsModel.writable = false),
    'others write it too': () => (notebook.model.collaborative = true),
    'it changed on disk': () => (notebook.onDisk = { last_modified: '2', writable: true }),
    'it is gone from disk': () => (notebook.onDisk = null)
  };
  for (const [reason, make] of Object.entries(reasons)) {
    it(`is not saved where ${reason}: no dialog may open`, async () => {
      make();
      notebook.outputs.add(chatOutput());
      await passes(5_000);
      expect(notebook.saves).toBe(0);
    });
  }

  it('of another kind is not our business', async () => {
    notebook.outputs.add(new FakeOutput({ 'text/plain': '2' }));
    await passes(5_000);
    expect(notebook.saves).toBe(0);
  });

  it('of a cell that was added later is saved too', async () => {
    const outputs = new FakeOutputs();
    notebook.model.cells.push({ outputs });
    notebook.cellsChanged.emit();
    outputs.add(chatOutput());
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });
});

it('reads addresses, and nothing else as one', () => {
  expect(parseAddress({ thread: 't' })).toEqual({ threadId: 't', runId: null });
  expect(parseAddress({ thread: 't', run: 'r', more: 1 })).toEqual({ threadId: 't', runId: 'r' });
  for (const other of [null, 't', [], {}, { thread: '' }, { thread: 7 }]) {
    expect(parseAddress(other)).toBeNull();
  }
});
