/** What the list behind an `@` offers. Pure. */
import { firstLine } from '../composer/context-items';
import { type FolderEntry } from '../connection/folders';
import { type NotebookCell, type Variable, type Variables } from '../workspace/values';
import { cellReferences, outputText } from './items';
import { KINDS, type Kind, type MentionQuery, rank } from './query';

export type MentionOption =
  | { readonly kind: 'kind'; readonly of: Kind }
  | {
      readonly kind: 'cell' | 'output';
      readonly cell: NotebookCell;
      readonly reference: string;
      readonly isHere: boolean;
    }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'file' | 'folder'; readonly entry: FolderEntry; readonly typedPath: string };

/** What the page knows for a query; null while it is not known yet. */
export interface MentionSources {
  readonly cells: readonly NotebookCell[];
  /** The cell that the chat is about. */
  readonly cellId: string | null;
  readonly variables: Variables | null;
  /** The entries of the folder that the query names. */
  readonly entries: readonly FolderEntry[] | null;
}

/** So many options of a kind are offered if a query asks for it alone. */
const MAX_OF_KIND = 50;
/** So many of each are offered if it asks for everything. */
const MAX_OF_EACH = 6;
/** A shorter query is in almost every cell. */
const MIN_CHARS_IN_CELLS = 2;

export function mentionOptions(
  query: MentionQuery,
  sources: MentionSources
): readonly MentionOption[] {
  const { kind, text } = query;
  switch (kind) {
    case 'cell':
    case 'output':
      return cellOptions(kind, text, sources).slice(0, MAX_OF_KIND);
    case 'variable':
      return variableOptions(text, sources).slice(0, MAX_OF_KIND);
    case 'file':
      return fileOptions(text, sources).slice(0, MAX_OF_KIND);
    case null:
      return allOptions(text, sources);
  }
}

function allOptions(text: string, sources: MentionSources): readonly MentionOption[] {
  const kinds = KINDS.filter(kind => isOffered(kind, sources) && kind.startsWith(text));
  const options: MentionOption[] = kinds.map(of => ({ kind: 'kind', of }));
  if (text === '') {
    return options;
  }
  const cells = text.length < MIN_CHARS_IN_CELLS ? [] : cellOptions('cell', text, sources);
  return [
    ...variableOptions(text, sources).slice(0, MAX_OF_EACH),
    ...options,
    ...fileOptions(text, sources)
      .filter(option => isBegunBy(option, text))
      .slice(0, MAX_OF_EACH),
    ...cells.slice(0, MAX_OF_EACH)
  ];
}

/** Whether the name of a file begins with what was typed: almost every name contains one letter. */
function isBegunBy(option: MentionOption, text: string): boolean {
  const isEntry = option.kind === 'file' || option.kind === 'folder';
  return isEntry && option.typedPath.toLowerCase().startsWith(text.toLowerCase());
}

/** Without an open notebook there are only files. */
function isOffered(kind: Kind, { cells, variables }: MentionSources): boolean {
  return kind === 'file' || cells.length > 0 || (kind === 'variable' && variables !== null);
}

/**
 * The cells, the one that the chat is about first. Of outputs: those of cells that were run, the newest
 * first.
 */
function cellOptions(
  kind: 'cell' | 'output',
  text: string,
  { cells, cellId }: MentionSources
): readonly MentionOption[] {
  const references = cellReferences(cells);
  const referenceOf = (cell: NotebookCell): string => references.get(cell.cellId) ?? '';
  const chatCells = cells.filter(cell => cell.cellId === cellId);
  const otherCells = cells.filter(cell => cell.cellId !== cellId);
  // The outputs of one cell are read here; those of all cells may be large.
  const sortedCells =
    kind === 'cell'
      ? [...chatCells, ...otherCells]
      : [...chatCells.filter(hasOutput), ...newestFirst(otherCells)];
  const numbers = sortedCells.filter(cell => {
    const reference = referenceOf(cell);
    return reference.startsWith(text) || reference.slice(1).startsWith(text);
  });
  const texts = rank(sortedCells, text, cell => firstLine(cell.source) + cell.source);
  const matches = text === '' ? sortedCells : [...new Set([...numbers, ...texts])];
  return matches.map(cell => ({
    kind,
    cell,
    reference: referenceOf(cell),
    isHere: cell.cellId === cellId
  }));
}

function hasOutput(cell: NotebookCell): boolean {
  return outputText(cell) !== '';
}

function newestFirst(cells: readonly NotebookCell[]): readonly NotebookCell[] {
  return cells
    .filter(cell => cell.executionCount !== null)
    .sort((first, second) => (second.executionCount ?? 0) - (first.executionCount ?? 0));
}

function variableOptions(text: string, { variables }: MentionSources): readonly MentionOption[] {
  return variables?.state === 'known'
    ? rank(variables.variables, text, ({ name }) => name).map(variable => ({
        kind: 'variable',
        variable
      }))
    : [];
}

function fileOptions(text: string, { entries }: MentionSources): readonly MentionOption[] {
  const folder = text.slice(0, text.lastIndexOf('/') + 1);
  const name = text.slice(folder.length);
  return rank(entries ?? [], name, entry => entry.name)
    .filter(entry => name.startsWith('.') || !entry.name.startsWith('.'))
    .map(entry => ({
      kind: entry.isFolder ? 'folder' : 'file',
      entry,
      typedPath: `${folder}${entry.name}`
    }));
}

/** The folder that a query names, below the folder of the notebook; a slash begins at the root. */
export function folderOf(text: string, base: string): string {
  const folder = text.slice(0, text.lastIndexOf('/') + 1);
  const parts: string[] = text.startsWith('/') ? [] : base.split('/').filter(Boolean);
  for (const part of folder.split('/').filter(Boolean)) {
    if (part === '..') {
      parts.pop();
    } else if (part !== '.') {
      parts.push(part);
    }
  }
  return parts.join('/');
}
