// @vitest-environment node
// Edits of a real notebook document: whole or not made, one undo, and nothing typed is lost (L17).
import { YNotebook } from '@jupyter/ydoc';
import { beforeEach, describe, expect, it } from 'vitest';

import {
  type CellEdit,
  MisfitError,
  acceptedEdits,
  versionOf
} from '../../src/workspace/cell-edits';
import { invalidity } from '../../src/workspace/notebook-validity';
import { parseProposal } from '../../src/workspace/patches';
import { type SharedNotebook, makeEdits, sharedCells } from '../../src/workspace/proposals';

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
/** A part of a patch, against the notebook as it is when the part is made. */
interface PatchPart {
  readonly versions: object;
  readonly patch: readonly object[];
}
const pin = (id: string) => ({
  op: 'test',
  path: `/cells/${ids().indexOf(id)}/id`,
  value: id
});
const replace = (id: string, source: string, seen = cellOf(id).getSource()): PatchPart => ({
  versions: { [id]: versionOf(seen) },
  patch: [pin(id), { op: 'replace', path: `/cells/${ids().indexOf(id)}/source`, value: source }]
});
/** Last in a patch: the indexes of the other parts count the cell. */
const remove = (id: string, below = 0): PatchPart => {
  const path = `/cells/${ids().indexOf(id) + below}`;
  return {
    versions: { [id]: versionOf(cellOf(id).getSource()) },
    patch: [
      { op: 'test', path: `${path}/id`, value: id },
      { op: 'remove', path }
    ]
  };
};
const add = (at: number, source: string, ...pins: readonly object[]): PatchPart => ({
  versions: {},
  patch: [...pins, { op: 'add', path: `/cells/${at}`, value: { cell_type: 'code', source } }]
});
/** Insert below a cell, so many cells after it. */
const insert = (after: string, source: string, below = 1): PatchPart =>
  add(ids().indexOf(after) + below, source, ...(below === 1 ? [pin(after)] : []));
let calls = 0;
const moveToEnd = (id: string): PatchPart => ({
  versions: {},
  patch: [pin(id), { op: 'move', from: `/cells/${ids().indexOf(id)}`, path: '/cells/-' }]
});
const proposed = (...parts: readonly PatchPart[]): readonly CellEdit[] => {
  const versions: object = Object.assign({}, ...parts.map(part => part.versions)) as object;
  const patch = parts.flatMap(part => part.patch);
  return parseProposal({ path: 'n.ipynb', versions, patch }, `call ${(calls += 1)}`).edits;
};

describe('a proposal (L17)', () => {
  it('changes several cells, keeps their outputs, and one undo restores every byte', () => {
    const before = whole();
    const edits = proposed(
      replace('load', 'df = load("all")'),
      insert('load', 'first'),
      insert('load', 'second', 2),
      add(0, 'top'),
      remove('plot', 3)
    );
    makeEdits(notebook, edits);
    expect(notebook.cells.map(cell => cell.getSource())).toEqual([
      'top',
      '# Sales',
      'df = load("all")',
      'first',
      'second'
    ]);
    expect(edits.slice(0, 4).map(({ cell }) => cell)).toEqual([
      'load',
      ids()[3],
      ids()[4],
      ids()[0]
    ]);
    expect(invalidity(sharedCells(notebook))).toBeNull();
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
    const gone = { op: 'test', path: '/cells/7/id', value: 'gone' };
    const misfits: readonly PatchPart[] = [
      replace('plot', 'new', 'as it was once'),
      { versions: { gone: 'v' }, patch: [gone, { op: 'remove', path: '/cells/7' }] },
      add(8, 'x', gone)
    ];
    for (const misfit of misfits) {
      const edits = proposed(fitting, misfit);
      expect(() => makeEdits(notebook, edits)).toThrow(MisfitError);
      expect(whole()).toBe(before);
    }
    expect(notebook.canUndo()).toBe(false);
  });

  it('does not touch what a person has typed since the model has read', () => {
    const seen = proposed(replace('load', 'df = load("all")'));
    cellOf('load').updateSource(0, 0, '# mine\n');
    expect(() => makeEdits(notebook, seen)).toThrow('has changed since it was read');
    expect(cellOf('load').getSource()).toBe('# mine\ndf = load()');
  });

  it('leaves the undo of a person to the person: typing in other cells stays, before and after', () => {
    cellOf('plot').updateSource(0, 0, 'before ');
    makeEdits(notebook, proposed(replace('load', 'changed')));
    cellOf('plot').updateSource(0, 0, 'after ');
    notebook.undo();
    expect(cellOf('load').getSource()).toBe('df = load()');
    expect(cellOf('plot').getSource()).toBe('after before df.plot()');
  });

  it('is a step of its own: Undo leaves what a person did just before and just after', () => {
    const type = (index: number, source: string) =>
      notebook.insertCell(index, { cell_type: 'code', source, metadata: {} });
    type(3, 'mine before');
    makeEdits(notebook, proposed(replace('load', 'changed')));
    type(4, 'mine after');
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
    expect(() => makeEdits(notebook, proposed(replace('load', 'x')))).toThrow('editable: false');
    expect(() => makeEdits(notebook, proposed(remove('plot')))).toThrow('deletable: false');
    const isBusy = (cell: string): boolean => cell === 'plot';
    expect(() => makeEdits(notebook, proposed(replace('plot', 'x')), isBusy)).toThrow('is running');
  });

  it('leaves out what the person has not accepted, and one undo takes back the rest', () => {
    const before = whole();
    const edits = proposed(replace('load', 'accepted'), replace('plot', 'refused'));
    makeEdits(notebook, acceptedEdits(edits, new Set(['load'])));
    expect(notebook.cells.map(cell => cell.getSource())).toEqual([
      '# Sales',
      'accepted',
      'df.plot()'
    ]);
    notebook.undo();
    expect(whole()).toBe(before);
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
      const isMoving = random(3) === 0 && all.length > 1;
      const edits = proposed(
        replace(cell.getId(), `proposed ${turn}\n${cell.getSource()}`),
        isMoving ? moveToEnd(other.getId()) : insert(other.getId(), `new ${turn}`)
      );
      const accepted = new Set(
        random(3) === 0 ? [edits[random(2)]?.cell ?? ''] : edits.map(edit => edit.cell)
      );
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
        makeEdits(notebook, acceptedEdits(edits, accepted));
        if (random(2) === 0) {
          notebook.undo();
          expect(whole()).toBe(before);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(MisfitError);
        expect(hasTyped && other === cell, (error as Error).message).toBe(true);
        expect(whole()).toBe(before);
      }
      expect(invalidity(sharedCells(notebook))).toBeNull();
      expect(new Set(ids()).size).toBe(notebook.cells.length);
    }
    const sources = notebook.cells.map(cell => cell.getSource()).join('\n');
    const lost = [...typed].filter(mark => !sources.includes(mark));
    expect(lost).toEqual([]);
  });
});

it('tells sources apart by their versions', () => {
  const versions = new Set(Array.from({ length: 5_000 }, (_, at) => versionOf(`x = ${at}`)));
  expect(versions.size).toBe(5_000);
  expect(versionOf('')).not.toBe(versionOf(' '));
});
