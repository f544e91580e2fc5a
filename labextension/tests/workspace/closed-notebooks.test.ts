// @vitest-environment node
// A notebook that is open nowhere: changed in its file, as a whole or not at all (L17).
import { beforeEach, describe, expect, it } from 'vitest';

import { versionOf } from '../../src/workspace/cell-edits';
import {
  type ClosedNotebooks,
  closedNotebooks,
  type FileModel,
  type NotebookFiles
} from '../../src/workspace/closed-notebooks';
import { NotebookTool } from '../../src/workspace/notebook-tool';
import { flushPromises } from '../fakes';

const raw = (id: string, source: string) => ({ cell_type: 'raw', id, metadata: {}, source });
const textOf = (cells: readonly object[], minor = 5): string =>
  JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: minor }, null, 4);

/** The contents API over one file, which saves a notebook in a form of its own. */
class OneFile implements NotebookFiles {
  text = textOf([raw('a', 'one'), raw('b', 'two')]);
  revision = 1;
  writable = true;
  /** Called once, before the second read: another program writes. */
  meanwhile: (() => void) | null = null;
  /** Called after a save: another program writes. */
  afterSave: (() => void) | null = null;

  async get(path: string, options: { content: boolean; type?: string }): Promise<FileModel> {
    if (path !== 'n.ipynb') {
      throw new Error('404');
    }
    if (options.type === 'file') {
      this.meanwhile?.();
      this.meanwhile = null;
    }
    const content: unknown = options.type === 'notebook' ? JSON.parse(this.text) : this.text;
    return { content, last_modified: `r${this.revision}`, writable: this.writable };
  }

  async save(_path: string, saved: { type: string; content: unknown }): Promise<FileModel> {
    this.write(
      saved.type === 'file' ? String(saved.content) : JSON.stringify(saved.content, null, 1)
    );
    const last_modified = `r${this.revision}`;
    this.afterSave?.();
    return { content: null, last_modified, writable: true };
  }

  write(text: string): void {
    this.text = text;
    this.revision += 1;
  }

  get sources(): readonly string[] {
    const { cells } = JSON.parse(this.text) as { cells: readonly { source: string }[] };
    return cells.map(({ source }) => source);
  }
}

let file: OneFile;
let closed: ClosedNotebooks;
let isElsewhere: boolean;
let isHere: boolean;
let isInEditor: boolean;
let tool: NotebookTool;

beforeEach(() => {
  file = new OneFile();
  isElsewhere = false;
  isHere = false;
  isInEditor = false;
  const storage = {
    files: file,
    isOpenHere: () => isHere,
    isOpenElsewhere: async () => isElsewhere,
    isInEditor: () => isInEditor
  };
  closed = closedNotebooks(storage);
  tool = new NotebookTool({
    find: () => null,
    isInFront: () => true,
    storage
  });
});

const READ = { operation: 'read', path: 'n.ipynb' };
const PROPOSE = {
  operation: 'propose',
  path: 'n.ipynb',
  versions: { a: versionOf('one'), b: versionOf('two') },
  patch: [
    { op: 'test', path: '/cells/0/id', value: 'a' },
    { op: 'replace', path: '/cells/0/source', value: 'ONE' },
    { op: 'test', path: '/cells/1/id', value: 'b' },
    { op: 'remove', path: '/cells/1' }
  ]
};
const execute = (input: object, accepted: readonly string[] | null = null) =>
  tool.execute({ id: 'call', input, accepted });

describe('a notebook that is open nowhere (L17)', () => {
  it('is left alone while a text editor has it open, and read all the same', async () => {
    isInEditor = true;
    const before = file.text;
    const { success, output } = await execute(PROPOSE);
    expect([success, file.text]).toEqual([false, before]);
    expect(output).toContain('Ask the person to close the editor');
    expect((await execute(READ)).success).toBe(true);
    isInEditor = false;
    expect((await execute(PROPOSE)).success).toBe(true);
    isInEditor = true;
    expect(await closed.undo('call')).toBe('open');
  });

  it.each([
    ['of a file that is gone', 'other.ipynb', 'unreadable'],
    ['of a file that is read-only', 'n.ipynb', 'readonly'],
    ['of a file in a text editor', 'n.ipynb', 'editor']
  ])('tells before the consent that a proposal fails: %s', async (_what, path, obstacle) => {
    expect((await closed.check('n.ipynb')).obstacle).toBeNull();
    isInEditor = true;
    file.writable = obstacle !== 'readonly';
    expect((await closed.check(path)).obstacle).toBe(obstacle);
  });

  it('is read from its file', async () => {
    expect(tool.canExecute(READ)).toBe(true);
    expect(await execute(READ)).toMatchObject({
      success: true,
      output: {
        path: 'n.ipynb',
        cells: [{ id: 'a', source: 'one', version: versionOf('one') }, {}]
      }
    });
    expect(await execute({ ...READ, path: 'gone.ipynb' })).toMatchObject({
      success: false,
      output: expect.stringContaining('could not be read') as string
    });
  });

  it('is changed in its file, and Undo writes back every byte', async () => {
    const before = file.text;
    expect(await execute(PROPOSE)).toMatchObject({
      success: true,
      output: { cells: [{ index: 0, id: 'a', version: versionOf('ONE') }] }
    });
    expect(file.sources).toEqual(['ONE']);
    expect(closed.canUndo('call')).toBe(true);
    expect(await closed.undo('call')).toBe('done');
    expect(file.text).toBe(before);
    expect(closed.canUndo('call')).toBe(false);
  });

  it('is changed as far as the person accepts', async () => {
    const { output } = await execute(PROPOSE, ['b']);
    expect(file.sources).toEqual(['one']);
    expect(output).toMatchObject({ refused: ['a'] });
  });

  it('keeps what was written since: Undo leaves it', async () => {
    await execute(PROPOSE);
    file.write(textOf([raw('a', 'later')]));
    expect(await closed.undo('call')).toBe('changed');
    expect(file.sources).toEqual(['later']);
  });

  it('is left alone by Undo while it is open, and can be undone when it is closed again', async () => {
    await execute(PROPOSE);
    for (const open of [() => (isHere = true), () => (isElsewhere = true)]) {
      open();
      expect(await closed.undo('call')).toBe('open');
      expect(file.sources).toEqual(['ONE']);
      isHere = isElsewhere = false;
    }
    expect(await closed.undo('call')).toBe('done');
  });

  it('tells of a change without a second read, and Undo keeps what is written right after it', async () => {
    file.afterSave = () => file.write(textOf([raw('a', 'theirs')]));
    expect(await execute(PROPOSE)).toMatchObject({
      success: true,
      output: { cells: [{ id: 'a', version: versionOf('ONE') }] }
    });
    expect(await closed.undo('call')).toBe('changed');
    expect(file.sources).toEqual(['theirs']);
  });

  it.each<readonly [string, () => void, string]>([
    [
      'has another cell than was read',
      () => file.write(textOf([raw('a', 'x'), raw('b', 'two')])),
      'has changed'
    ],
    [
      'changes while it is changed',
      () => (file.meanwhile = () => file.write(`${file.text} `)),
      'just now'
    ],
    ['is opened meanwhile', () => (file.meanwhile = () => (isHere = true)), 'was opened'],
    ['is read-only', () => (file.writable = false), 'read-only'],
    ['has no ids', () => file.write(textOf([raw('a', 'one')], 4)), 'format 4.4'],
    [
      'is no valid notebook',
      () => file.write(textOf([raw('a', 'one'), raw('a', 'two')])),
      'no valid'
    ],
    ['is no notebook', () => file.write('{}'), 'no notebook']
  ])('is left as it is if it %s', async (_what, happen, sentence) => {
    happen();
    const { revision } = file;
    const { success, output } = await execute(PROPOSE);
    expect([success, output]).toEqual([false, expect.stringContaining(sentence)]);
    expect(file.revision - revision).toBe(sentence === 'just now' ? 1 : 0);
    expect(closed.canUndo('call')).toBe(false);
  });

  it('is left for a while to the pages that have it open, and then to them alone', async () => {
    expect(tool.delayOf(PROPOSE)).toBe(2_000);
    expect(await tool.isFree(PROPOSE)).toBe(true);
    isElsewhere = true;
    expect(await tool.isFree(PROPOSE)).toBe(false);
  });

  it('is nothing but a notebook file that the call names', () => {
    for (const input of [
      { operation: 'read' },
      { ...READ, path: 'a.py' },
      { operation: 'propose' }
    ]) {
      expect(tool.canExecute(input)).toBe(false);
    }
  });
});

describe('a check of a closed notebook', () => {
  /** The requests that wait for their responses, each with its path. */
  let requests: { path: string; content: boolean; respond: (model: unknown) => void }[];
  let slow: ClosedNotebooks;
  beforeEach(() => {
    requests = [];
    const get = (path: string, { content }: { content: boolean }): Promise<FileModel> =>
      new Promise((resolve, reject) => {
        const respond = (model: unknown): void =>
          model instanceof Error ? reject(model) : resolve(model as FileModel);
        requests.push({ path, content, respond });
      });
    slow = closedNotebooks({
      files: { get, save: () => Promise.reject(new Error('not expected here')) },
      isOpenHere: () => false,
      isOpenElsewhere: async () => false,
      isInEditor: () => false
    });
  });
  const respond = async (model: unknown): Promise<void> => {
    requests.shift()?.respond(model);
    await flushPromises();
  };
  const model = (last_modified = 'r1', writable = true): FileModel => ({
    content: JSON.parse(textOf([raw('a', 'one')])) as unknown,
    last_modified,
    writable
  });
  const read = async (path: string): Promise<void> => {
    const check = slow.check(path);
    await respond(model());
    await respond(model());
    expect((await check).cells).toHaveLength(1);
  };
  const refused = (status: number): Error => Object.assign(new Error(), { response: { status } });

  it('shares the request under way, and ends however slowly the server responds', async () => {
    const checks = [slow.check('n.ipynb'), slow.check('n.ipynb')];
    expect(requests).toHaveLength(1);
    await respond(model());
    checks.push(slow.check('n.ipynb'));
    expect(requests).toHaveLength(1);
    await respond(model());
    expect((await Promise.all(checks)).map(({ cells }) => cells.length)).toEqual([1, 1, 1]);
    void slow.check('n.ipynb');
    expect(requests).toHaveLength(1);
  });

  it('reads each of several unchanged files once', async () => {
    await read('m.ipynb');
    await read('n.ipynb');
    for (const path of ['m.ipynb', 'n.ipynb', 'm.ipynb']) {
      const check = slow.check(path);
      await respond(model('r1', false));
      expect(await check).toMatchObject({ cells: [{ id: 'a' }], obstacle: 'readonly' });
      expect(requests).toEqual([]);
    }
  });

  it('keeps the cells of only a few files', async () => {
    const paths = Array.from({ length: 9 }, (_, index) => `${index}.ipynb`);
    for (const path of paths) {
      await read(path);
    }
    void slow.check('8.ipynb');
    await respond(model());
    expect(requests).toEqual([]);
    void slow.check('0.ipynb');
    await respond(model());
    expect(requests).toMatchObject([{ path: '0.ipynb', content: true }]);
  });

  it.each([
    ['before it is read', [new Error('offline')]],
    ['while it is read', [model('r2'), refused(502)]]
  ])('keeps the last result if the server does not respond %s', async (_when, responses) => {
    await read('n.ipynb');
    const check = slow.check('n.ipynb');
    for (const response of responses) {
      await respond(response);
    }
    expect(await check).toMatchObject({ cells: [{ id: 'a' }], obstacle: null });
  });

  it.each([
    ['is gone', [refused(404)]],
    ['is no notebook any more', [model('r2'), refused(400)]],
    ['has invalid cells', [model('r2'), { ...model('r2'), content: {} }]]
  ])('drops the last result if the file %s', async (_what, responses) => {
    await read('n.ipynb');
    const check = slow.check('n.ipynb');
    for (const response of responses) {
      await respond(response);
    }
    expect((await check).obstacle).toBe('unreadable');
  });
});
