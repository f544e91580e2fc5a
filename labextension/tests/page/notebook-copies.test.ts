// @vitest-environment node
import { beforeEach, describe, expect, it } from 'vitest';

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
  clear(): void {
    this._list.length = 0;
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
}

const PATH = 'threads/t/copy?extent=all';

let page: FakePage;
let notebook: FakeNotebook;
let settings: { extent: CopyExtent; autosave: boolean };

beforeEach(async () => {
  page = new FakePage();
  notebook = new FakeNotebook();
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

function chatOutput(copy = 'old', address: object = { thread: 't' }): FakeOutput {
  return new FakeOutput({ [MIME_TYPE]: address, 'text/markdown': copy, 'text/plain': copy });
}

/** Events of the thread arrive, and are shown. */
function receive(...events: readonly object[]): void {
  page.network.socket.receive({ op: 'events', thread: 't', events });
  page.frame();
}

/** The thread of the output is on the page, up to an event, and live. */
function follow(seq = 10): void {
  page.threads.acquire('t');
  page.network.socket.open();
  receive(...conversation().slice(0, seq));
  page.network.socket.receive({ op: 'live', thread: 't', seq });
  page.frame();
}

/** The server answers the newest request. */
async function answer(markdown: string, seq = 10, path = PATH): Promise<void> {
  page.api.call('GET', path).answer({ seq, markdown, plain: `plain ${markdown}` });
  await flushPromises();
}

/** The number of copies that were requested. */
const requests = (): number => page.api.calls.filter(({ path }) => path.includes('/copy')).length;

function save(): void {
  notebook.saveState.emit('started');
}

async function passes(ms: number): Promise<void> {
  page.network.clock.turn(ms);
  await flushPromises();
}

describe('the copy in a notebook', () => {
  it('is what the server has written, from the next save on', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    save();
    expect(output.writes).toBe(0);
    await answer('new');
    expect(output.writes).toBe(0);
    save();
    expect(output.data).toEqual({
      [MIME_TYPE]: { thread: 't' },
      'text/markdown': 'new',
      'text/plain': 'plain new'
    });
  });

  it('is not touched where it is the same, also as the lines of a file', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    await answer('one\ntwo');
    save();
    output.data = { ...output.data, 'text/markdown': ['one\n', 'two'] };
    save();
    expect(output.writes).toBe(1);
  });

  it('is not touched while the thread is unknown or cut off, nor on other occasions', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    save();
    expect(requests()).toBe(0);
    follow();
    await answer('new');
    page.network.socket.drop();
    save();
    notebook.saveState.emit('completed');
    expect(output.writes).toBe(0);
  });

  it('is not requested for a notebook that others write too, or that cannot be written', () => {
    const output = chatOutput();
    notebook.model.collaborative = true;
    notebook.outputs.add(output);
    follow();
    save();
    notebook.model.collaborative = false;
    notebook.model.readOnly = true;
    save();
    expect([requests(), output.writes]).toEqual([0, 0]);
  });

  it('says nothing of the conversation where the setting says none', () => {
    settings.extent = 'none';
    const output = chatOutput();
    notebook.outputs.add(output);
    follow();
    save();
    expect(output.data['text/markdown']).toBe('*(this notebook keeps no copy of the chat)*');
    expect(requests()).toBe(0);
  });

  it('is of the last exchange where the setting says so, and of the run of the output', async () => {
    settings.extent = 'last';
    const output = chatOutput('old', { thread: 't', run: 'r' });
    notebook.outputs.add(output);
    follow();
    await answer('new', 10, 'threads/t/copy?extent=last&run_id=r');
    settings.extent = 'all';
    save();
    expect(output.writes).toBe(0); // what has come is of the older setting
    await answer('whole', 10, 'threads/t/copy?extent=all&run_id=r');
    save();
    expect(output.data['text/markdown']).toBe('whole');
  });

  it('leaves other outputs alone', () => {
    follow();
    const other = new FakeOutput({ 'text/markdown': 'mine' });
    notebook.outputs.add(other);
    save();
    expect([requests(), other.writes]).toEqual([0, 0]);
  });
});

describe('the request for a copy', () => {
  const later = conversation();

  it('is made when a message was added or has ended, and not for each piece of an answer', async () => {
    notebook.outputs.add(chatOutput());
    follow(3);
    expect(requests()).toBe(1);
    await answer('being written', 3);
    for (const piece of later.slice(3, 9)) {
      receive(piece);
    }
    expect(requests()).toBe(1);
    receive(...later.slice(9));
    expect(requests()).toBe(2);
  });

  it('is made once at a time, and once more for all changes meanwhile', async () => {
    notebook.outputs.add(chatOutput());
    follow(2);
    receive(...later.slice(2, 3));
    receive(...later.slice(3));
    expect(requests()).toBe(1);
    await answer('first', 2);
    expect(requests()).toBe(2);
    await answer('second', 10);
    expect(requests()).toBe(2);
  });

  it('brings nothing that is older than the thread on the page', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow(3);
    await answer('being written', 3);
    receive(...later.slice(3));
    save();
    expect(output.writes).toBe(0);
    await answer('still being written', 9);
    save();
    expect(output.writes).toBe(0);
  });

  it('may bring what the page has not heard of yet', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow(3);
    await answer('the end', 10);
    save();
    expect(output.data['text/markdown']).toBe('the end');
  });

  it('that fails leaves the copy, and is repeated at the next save', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow();
    page.api.call('GET', PATH).fail(new Error('gone'));
    await flushPromises();
    expect(requests()).toBe(1);
    save();
    expect([requests(), output.writes]).toEqual([2, 0]);
    await answer('new');
    save();
    expect(output.data['text/markdown']).toBe('new');
  });

  it('waits for the one before it: a notebook may hold a hundred chats', async () => {
    const runs = ['r', 's', 'u'];
    runs.forEach(run => notebook.outputs.add(chatOutput('old', { thread: 't', run })));
    const shown = conversation();
    const replies = runs.map((run, index) => ({
      ...(shown[0] as object),
      seq: 11 + index,
      message: { ...(shown[1] as { message: object }).message, id: run, run_id: run }
    }));
    follow();
    receive(...replies);
    const count = requests();
    await answer('first', 13, `${PATH}&run_id=r`);
    expect([count, requests()]).toEqual([1, 2]);
  });

  it('is made again for an output that came while there was no connection', async () => {
    follow();
    page.network.socket.drop();
    notebook.outputs.add(chatOutput());
    expect(requests()).toBe(0);
    page.network.clock.turn(60_000);
    page.network.socket.open();
    page.network.socket.receive({ op: 'live', thread: 't', seq: 10 });
    page.frame();
    expect(requests()).toBe(1);
  });

  it('that brings something else leaves the copy', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow();
    page.api.call('GET', PATH).answer({ seq: 10, markdown: null });
    await flushPromises();
    save();
    expect(output.writes).toBe(0);
  });

  it('is one for several outputs of a chat', async () => {
    const outputs = [chatOutput(), chatOutput()];
    outputs.forEach(output => notebook.outputs.add(output));
    follow();
    expect(requests()).toBe(1);
    await answer('new');
    save();
    expect(outputs.map(output => output.data['text/markdown'])).toEqual(['new', 'new']);
  });

  it('is not made for a run that did not change', async () => {
    notebook.outputs.add(chatOutput('old', { thread: 't', run: 'r' }));
    follow();
    const path = `${PATH}&run_id=r`;
    await answer('new', 10, path);
    const question = { ...(later[1] as { message: object }), seq: 11 };
    receive({ ...question, message: { ...question.message, id: 'q2', parent_id: 'a' } });
    expect(requests()).toBe(1);
  });

  it('ends with the notebook, or with the output', async () => {
    notebook.outputs.add(chatOutput());
    follow(3);
    notebook.outputs.clear();
    notebook.cellsChanged.emit();
    expect(page.api.call('GET', PATH).signal?.aborted).toBe(true);
    notebook.outputs.add(chatOutput());
    const second = page.api.call('GET', PATH);
    notebook.disposed.emit();
    expect(second.signal?.aborted).toBe(true);
    receive(...later.slice(3));
    second.fail(new Error('aborted'));
    await flushPromises();
    expect(requests()).toBe(2);
  });
});

describe('a fresh chat output', () => {
  it('is saved soon, once for several', async () => {
    notebook.outputs.add(chatOutput());
    notebook.outputs.add(chatOutput());
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

  it('is saved with its copy, if that has come', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    await answer('new');
    await passes(5_000);
    expect(output.data['text/markdown']).toBe('new');
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

  it('is saved after a save that is under way: two at once can open a dialog', async () => {
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await passes(5_000);
    expect(notebook.saves).toBe(0);
    notebook.saveState.emit('completed');
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

  it('is not saved twice, if the save under way has written it', async () => {
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await passes(5_000);
    notebook.model.dirty = false;
    notebook.saveState.emit('completed');
    await passes(5_000);
    expect(notebook.saves).toBe(0);
  });

  it('is saved after a save that tells no end, because a person cancelled its dialog', async () => {
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await passes(60_000);
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

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
