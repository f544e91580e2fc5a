// Edits of a real notebook document: whole or not made, one undo, and nothing typed is lost (L17).
import { YNotebook } from '@jupyter/ydoc';
import { beforeEach, describe, expect, it } from 'vitest';

import {
  type CellEdit,
  MisfitError,
  type SharedNotebook,
  makeEdits,
  parseEdits,
  versionOf
} from '../src/workspace/proposals';

let notebook: SharedNotebook;

const text = (value: string) => ({ output_type: 'stream', name: 'stdout', text: value });

/** A notebook as JupyterLab makes it by default: each cell keeps the undo of its own source. */
beforeEach(() => {
  const made = YNotebook.create({ disableDocumentWideUndoRedo: true });
  made.fromJSON({
    metadata: { kernelspec: { name: 'python3', display_name: 'Python 3' } },
    nbformat: 4,
    nbformat_minor: 5,
    cells: [
      { cell_type: 'markdown', id: 'intro', metadata: {}, source: '# Sales' },
      {
        cell_type: 'code',
        id: 'load',
        metadata: { tags: ['keep'] },
        source: 'df = load()',
        execution_count: 3,
        outputs: [text('150 rows\n')]
      },
      { cell_type: 'code', id: 'plot', metadata: {}, source: 'df.plot()', outputs: [] }
    ]
  });
  made.undoManager.clear();
  notebook = made;
});

const whole = (): string => JSON.stringify(notebook.toJSON());
const ids = (): readonly string[] => notebook.cells.map(cell => cell.getId());
const cellOf = (id: string) => {
  const cell = notebook.cells.find(other => other.getId() === id);
  if (cell === undefined) {
    throw new Error(`There is no cell ${id}.`);
  }
  return cell;
};
const replace = (id: string, source: string, seen = cellOf(id).getSource()): CellEdit => ({
  op: 'replace',
  cell: id,
  version: versionOf(seen),
  source
});
const remove = (id: string): CellEdit => ({
  op: 'delete',
  cell: id,
  version: versionOf(cellOf(id).getSource())
});
const insert = (after: string | null, source: string): CellEdit => ({
  op: 'insert',
  after,
  type: 'code',
  source
});

describe('a proposal (L17)', () => {
  it('changes several cells, keeps their outputs, and one undo restores every byte', () => {
    const before = whole();
    const made = makeEdits(notebook, [
      replace('load', 'df = load("all")'),
      insert('load', 'first'),
      insert('load', 'second'),
      insert(null, 'top'),
      remove('plot')
    ]);
    expect(notebook.cells.map(cell => cell.getSource())).toEqual([
      'top',
      '# Sales',
      'df = load("all")',
      'first',
      'second'
    ]);
    expect(made).toEqual(['load', ids()[3], ids()[4], ids()[0]]);
    const { outputs, execution_count, metadata } = cellOf('load').toJSON() as Record<
      string,
      unknown
    >;
    expect([outputs, execution_count, metadata]).toEqual([
      [text('150 rows\n')],
      3,
      { tags: ['keep'] }
    ]);
    expect(new Set(ids()).size).toBe(5);
    notebook.undo();
    expect(whole()).toBe(before);
    notebook.redo();
    expect(cellOf('load').getSource()).toBe('df = load("all")');
  });

  it('is made as a whole or not at all: the last of its edits does not fit', () => {
    const before = whole();
    const fitting = replace('load', 'changed');
    const misfits: readonly CellEdit[] = [
      replace('plot', 'new', 'as it was once'),
      replace('gone', 'new', 'seen'),
      insert('gone', 'x'),
      replace('load', 'twice')
    ];
    for (const misfit of misfits) {
      expect(() => makeEdits(notebook, [fitting, misfit])).toThrow(MisfitError);
      expect(whole()).toBe(before);
    }
    expect(notebook.canUndo()).toBe(false);
  });

  it('does not touch what a person has typed since the model has read', () => {
    const seen = replace('load', 'df = load("all")');
    cellOf('load').updateSource(0, 0, '# mine\n');
    expect(() => makeEdits(notebook, [seen])).toThrow('has changed since it was read');
    expect(cellOf('load').getSource()).toBe('# mine\ndf = load()');
  });

  it('leaves the undo of a person to the person: typing in other cells stays, before and after', () => {
    cellOf('plot').updateSource(0, 0, 'before ');
    makeEdits(notebook, [replace('load', 'changed')]);
    cellOf('plot').updateSource(0, 0, 'after ');
    notebook.undo();
    expect(cellOf('load').getSource()).toBe('df = load()');
    expect(cellOf('plot').getSource()).toBe('after before df.plot()');
  });

  it('is a step of its own: Undo leaves what a person did just before and just after', () => {
    const add = (index: number, source: string) =>
      notebook.insertCell(index, { cell_type: 'code', source, metadata: {} });
    add(3, 'mine before');
    makeEdits(notebook, [replace('load', 'changed')]);
    add(4, 'mine after');
    notebook.undo();
    expect(notebook.cells.map(cell => cell.getSource()).includes('mine after')).toBe(false);
    expect(cellOf('load').getSource()).toBe('changed');
    notebook.undo();
    expect(cellOf('load').getSource()).toBe('df = load()');
    expect(notebook.cells.at(-1)?.getSource()).toBe('mine before');
  });

  it('respects cells that are protected or that run', () => {
    cellOf('load').setMetadata('editable', false);
    cellOf('plot').setMetadata('deletable', false);
    expect(() => makeEdits(notebook, [replace('load', 'x')])).toThrow('editable: false');
    expect(() => makeEdits(notebook, [remove('plot')])).toThrow('deletable: false');
    const running = cellOf('plot') as unknown as { executionState: string };
    running.executionState = 'running';
    expect(() => makeEdits(notebook, [replace('plot', 'x')])).toThrow('is running');
  });

  it('stays whole in 200 random orders of typing, moving and proposing', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % below;
    };
    const typed = new Set<string>();
    for (let turn = 0; turn < 200; turn += 1) {
      const all = notebook.cells;
      const cell = all[random(all.length)];
      const other = all[random(all.length)];
      if (cell === undefined || other === undefined) {
        throw new Error('The notebook has lost its cells.');
      }
      const read = replace(cell.getId(), `proposed ${turn}\n${cell.getSource()}`);
      const otherId = other.getId(); // a moved cell is a new object with the same id
      const hasTyped = random(2) === 0;
      if (hasTyped) {
        const end = random(2) * other.getSource().length; // marks stay in one piece
        other.updateSource(end, end, `<${turn}>`);
        typed.add(`<${turn}>`);
      }
      if (random(4) === 0 && all.length > 1) {
        notebook.moveCells(random(all.length), random(all.length));
      }
      const before = whole();
      try {
        makeEdits(notebook, [insert(otherId, `new ${turn}`), read]);
        if (random(2) === 0) {
          notebook.undo();
          expect(whole()).toBe(before);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(MisfitError);
        expect(hasTyped && other === cell, (error as Error).message).toBe(true);
        expect(whole()).toBe(before);
      }
      expect(new Set(ids()).size).toBe(notebook.cells.length);
    }
    const sources = notebook.cells.map(cell => cell.getSource()).join('\n');
    const lost = [...typed].filter(mark => !sources.includes(mark));
    expect(lost).toEqual([]);
  });
});

it('refuses what is no edit, with a sentence for the model', () => {
  for (const value of [
    null,
    [],
    {},
    [{ op: 'move' }],
    [{ op: 'replace', cell: 'a', source: 'x' }]
  ]) {
    expect(() => parseEdits(value)).toThrow(MisfitError);
  }
  expect(() => parseEdits([insert(null, 'x'), 7])).toThrow('Edit 2 is none of');
  expect(parseEdits([insert(null, 'x')])).toEqual([insert(null, 'x')]);
});

it('tells sources apart by their versions', () => {
  const versions = new Set(Array.from({ length: 5_000 }, (_, at) => versionOf(`x = ${at}`)));
  expect(versions.size).toBe(5_000);
  expect(versionOf('')).not.toBe(versionOf(' '));
});
