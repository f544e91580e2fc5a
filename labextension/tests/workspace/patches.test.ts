// @vitest-environment node
// Proposals as JSON Patches: read as the library jsonpatch reads them, and named by ids (L17).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { MisfitError, acceptedEdits, cellsOf, versionOf } from '../../src/workspace/cell-edits';
import { invalidity } from '../../src/workspace/notebook-validity';
import { parseProposal } from '../../src/workspace/patches';
import { sourceOf } from '../../src/workspace/misfits';
import { type FileCell, editedCells } from '../../src/workspace/proposals';

const CASES = join(
  __dirname,
  '..',
  '..',
  '..',
  'tests',
  'vectors',
  'patches',
  'random_patches.json'
);

interface Case {
  readonly before: readonly FileCell[];
  readonly patch: readonly object[];
  readonly after: readonly FileCell[];
}
const cases = JSON.parse(readFileSync(CASES, 'utf8')) as readonly Case[];

const code = (id: string, source = id): FileCell => ({
  id,
  cell_type: 'code',
  source,
  metadata: {},
  execution_count: null,
  outputs: []
});
const versionsOf = (cells: readonly FileCell[]): object =>
  Object.fromEntries(cells.map(cell => [cell.id, versionOf(sourceOf(cell))]));
const CELLS = ['a', 'b', 'c', 'd'].map(id => code(id));
const input = (patch: unknown, cells = CELLS) => ({
  path: 'n.ipynb',
  versions: versionsOf(cells),
  patch
});
const edits = (...patch: readonly object[]) => parseProposal(input(patch), 'call').edits;
const pin = (index: number, id: string) => ({ op: 'test', path: `/cells/${index}/id`, value: id });
const replace = (index: number, value: unknown) => ({
  op: 'replace',
  path: `/cells/${index}/source`,
  value
});
const add = (index: number | '-', more: object = {}) => ({
  op: 'add',
  path: `/cells/${index}`,
  value: { cell_type: 'code', source: 'new', ...more }
});
const remove = (index: number) => ({ op: 'remove', path: `/cells/${index}` });
const move = (from: number, to: number | '-') => ({
  op: 'move',
  from: `/cells/${from}`,
  path: `/cells/${to}`
});
const sources = (cells: readonly FileCell[]): string => cells.map(sourceOf).join(' ');

describe('a patch', () => {
  it('changes cells as jsonpatch does, in 200 random cases, each valid before and after', () => {
    for (const [number, { before, patch, after }] of cases.entries()) {
      const { edits: made } = parseProposal(input(patch, [...before]), 'call');
      const changed = editedCells(before, made);
      expect(changed, `case ${number}`).toEqual(after);
      expect([invalidity(before), invalidity(changed)]).toEqual([null, null]);
    }
    expect(cases.length).toBe(200);
  });

  it('finds its cells again where others were inserted and moved meanwhile', () => {
    const patch = [pin(1, 'b'), replace(1, 'B'), add(2), pin(3, 'c'), remove(3)];
    const moved = [code('x'), CELLS[2], CELLS[0], code('y'), CELLS[1], CELLS[3]] as FileCell[];
    expect(sources(editedCells(moved, edits(...patch)))).toBe('x a y B new d');
  });

  it('puts a cell where another was removed, and keeps the order of new ones', () => {
    expect(sources(editedCells(CELLS, edits(pin(1, 'b'), remove(1), add(1))))).toBe('a new c d');
    const three = edits(pin(0, 'a'), add(1, { source: '1' }), add(2, { source: '2' }), add('-'));
    expect(sources(editedCells(CELLS, three))).toBe('a 1 2 b c d new');
  });

  it('can be accepted for some cells: what stands beside a cell that is left out finds its place', () => {
    const made = edits(
      pin(1, 'b'),
      add(2, { id: 'one', source: '1' }),
      add(3, { id: 'two', source: '2' }),
      pin(4, 'c'),
      replace(4, 'C'),
      pin(0, 'a'),
      remove(0)
    );
    expect(cellsOf(made)).toEqual(['one', 'two', 'c', 'a']);
    const some = (...cells: string[]) =>
      sources(editedCells(CELLS, acceptedEdits(made, new Set(cells))));
    expect(some('two')).toBe('a b 2 c d');
    expect(some('one', 'c')).toBe('a b 1 C d');
    expect(some('a')).toBe('b c d');
    expect(some('one', 'two', 'c', 'a')).toBe('b 1 2 C d');
  });

  it('moves a cell, and may change it besides', () => {
    const made = edits(pin(3, 'd'), replace(3, 'D'), move(3, 0), pin(2, 'b'), move(2, '-'));
    expect(sources(editedCells(CELLS, made))).toBe('D a c b');
    expect(cellsOf(made)).toEqual(['d', 'b']);
  });

  it('has the line ends that editors count, however the model has written them (L17)', () => {
    const made = edits(
      pin(0, 'a'),
      replace(0, ['1\r', '\n2\r3\n']),
      add('-', { source: '4\r\n5' })
    );
    expect(made.map(edit => 'source' in edit && edit.source)).toEqual(['1\n2\n3\n', '4\n5']);
  });

  it('gives new cells ids of their own, the same each time it is read', () => {
    const [first, second] = edits(add('-'), add('-'));
    expect(first?.cell).not.toBe(second?.cell);
    expect(edits(add('-'), add('-')).map(({ cell }) => cell)).toEqual([first?.cell, second?.cell]);
    expect(parseProposal(input([add('-')]), 'other').edits[0]?.cell).not.toBe(first?.cell);
  });
});

describe('a patch is refused as a whole', () => {
  it.each<readonly [string, unknown, string]>([
    ['is no list', null, 'no list'],
    ['is empty', [], 'is empty'],
    ['only tests', [pin(0, 'a')], 'only tests'],
    ['has an operation that is none', [7], 'no object'],
    ['touches metadata', [{ op: 'add', path: '/metadata/x', value: 1 }], 'is not supported'],
    [
      'touches outputs',
      [pin(0, 'a'), { op: 'replace', path: '/cells/0/outputs', value: [] }],
      'is not supported'
    ],
    ['touches the format', [{ op: 'replace', path: '/nbformat', value: 3 }], 'is not supported'],
    ['copies', [{ op: 'copy', from: '/cells/0', path: '/cells/1' }], 'is not supported'],
    [
      'replaces a whole cell',
      [pin(0, 'a'), { op: 'replace', path: '/cells/0', value: code('a') }],
      'is not supported'
    ],
    ['has an index with a leading zero', [{ op: 'remove', path: '/cells/01' }], 'is not supported'],
    ['pins nothing', [replace(1, 'B')], 'Operation 1 of the patch: cell 1 is not pinned'],
    ['pins another cell', [pin(0, 'a'), replace(1, 'B')], 'is not pinned'],
    ['pins no place', [add(2)], 'the place /cells/2 is not pinned'],
    ['contradicts itself', [pin(0, 'a'), pin(0, 'b')], 'cannot be b here'],
    ['names a cell twice', [pin(0, 'a'), pin(1, 'a')], 'cannot be a here'],
    ['has two changes of a cell', [pin(0, 'a'), replace(0, 'x'), replace(0, 'y')], 'two changes'],
    ['changes what it deletes', [pin(0, 'a'), replace(0, 'x'), remove(0)], 'Only remove it'],
    ['changes a new cell', [add(0), replace(0, 'x')], 'two changes'],
    ['has a source that is no text', [pin(0, 'a'), replace(0, 7)], 'the source is no text'],
    ['removes behind the end', [{ op: 'remove', path: '/cells/-' }], 'only add and move'],
    ['adds outputs', [add(0, { outputs: [{}] })], 'Leave out: outputs'],
    ['adds no cell', [{ op: 'add', path: '/cells/0', value: 'x' }], 'no cell'],
    ['adds a cell with a bad id', [add(0, { id: 'a b' })], 'letters, digits'],
    ['adds two cells of one id', [add(0, { id: 'n' }), add(0, { id: 'n' })], 'used twice'],
    ['is too long', Array.from({ length: 401 }, () => pin(0, 'a')), 'more than 400']
  ])('if it %s', (_what, patch, sentence) => {
    expect(() => parseProposal(input(patch), 'call')).toThrow(MisfitError);
    expect(() => parseProposal(input(patch), 'call')).toThrow(sentence);
  });

  it('if it has no version of a cell that it changes, or no path', () => {
    const patch = [pin(0, 'a'), replace(0, 'x')];
    expect(() => parseProposal({ ...input(patch), versions: {} }, 'call')).toThrow(
      'does not have the version of cell a'
    );
    expect(() => parseProposal({ ...input(patch), path: 1 }, 'call')).toThrow('path is missing');
  });

  it('if its cells are not those of the notebook', () => {
    const misfits = [
      edits(pin(7, 'gone'), move(7, 0)),
      edits(pin(3, 'gone'), add(4)),
      edits(add(0, { id: 'a' }))
    ];
    for (const made of misfits) {
      expect(() => editedCells(CELLS, made)).toThrow(MisfitError);
    }
  });
});

describe('a notebook is valid (L17)', () => {
  it('only with the ids, types and fields that nbformat asks for', () => {
    expect(invalidity(CELLS)).toBeNull();
    const [a] = CELLS;
    const broken: readonly Readonly<Record<string, unknown>>[] = [
      { ...a, id: undefined },
      { ...a, id: 'a b' },
      { ...a, cell_type: 'chart' },
      { ...a, metadata: null },
      { ...a, source: 7 },
      { ...a, outputs: undefined },
      { ...a, outputs: [{ output_type: 'unknown' }] },
      { ...a, execution_count: 'three' },
      { ...a, cell_type: 'markdown' },
      { ...a, colour: 'red' }
    ];
    for (const cell of broken) {
      expect(invalidity([cell]), JSON.stringify(cell)).toContain('Cell 0');
    }
    expect(invalidity([code('a'), code('a')])).toContain('the id of another cell');
  });
});
