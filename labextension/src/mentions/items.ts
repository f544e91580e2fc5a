/** The texts that a model reads of what was mentioned. Pure. */
import { type Mention } from '../composer/context-items';
import { type NotebookCell, type Variable } from '../workspace/values';

/**
 * How messages call the cells of a notebook, by id: by the number that the notebook shows, such as
 * `[3]`; by its place, such as `#5`, where a cell has no number, or shares it since the kernel restarted.
 */
export function cellReferences(cells: readonly NotebookCell[]): ReadonlyMap<string, string> {
  const uses = new Map<number | null, number>();
  for (const { executionCount } of cells) {
    uses.set(executionCount, (uses.get(executionCount) ?? 0) + 1);
  }
  return new Map(
    cells.map(({ cellId, index, executionCount }) => [
      cellId,
      executionCount !== null && uses.get(executionCount) === 1
        ? `[${executionCount}]`
        : `#${index + 1}`
    ])
  );
}

/** A cell as a text. The words around it are for the model, so they are not translated. */
export function cellMention(cell: NotebookCell, reference: string): Mention {
  return {
    name: `@cell${reference}`,
    id: `cell:${cell.path}#${cell.cellId}`,
    origin: fileName(cell.path),
    text: `Cell ${placeText(cell)} (${cell.kind}), its source:\n${cell.source || '(empty)'}`
  };
}

/** The outputs of a cell as a text, without chats. */
export function outputMention(cell: NotebookCell, reference: string): Mention {
  const output = outputText(cell) || '(no output)';
  const text = `Cell ${placeText(cell)}, its output:\n${output}`;
  const id = `output:${cell.path}#${cell.cellId}`;
  return { name: `@output${reference}`, id, origin: fileName(cell.path), text };
}

/** The outputs of a cell as one text; empty for a cell that shows nothing, or only a chat. */
export function outputText(cell: NotebookCell): string {
  const texts = cell.outputs.filter(({ kind }) => kind !== 'chat').map(({ text }) => text);
  return texts.join('\n\n').trim();
}

/** A variable as a text: its value, or what the list tells, if the kernel did not answer. */
export function variableMention(variable: Variable, path: string, value: string | null): Mention {
  const { name, type, shape, summary } = variable;
  const facts = [type, shape].filter(Boolean).join(', ');
  const details = value ?? `${summary}\n(The kernel gave no more details.)`.trim();
  return {
    name: `@${name}`,
    id: `variable:${path}#${name}`,
    origin: fileName(path),
    text: `Variable ${name} (${facts}) of ${path}:\n${details}`
  };
}

function fileName(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function placeText({ index, path }: NotebookCell): string {
  return `number ${index + 1} of ${path}`;
}
