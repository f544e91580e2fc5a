/** The texts that a model reads of what was mentioned. Pure. */
import { type Mention } from '../context-items';
import { type NotebookCell, type Variable } from '../workspace/values';

/** How a message calls a cell or its output: by the number that the notebook shows, else by place. */
export function cellReference(cell: NotebookCell, kind: 'cell' | 'output'): string {
  return cell.executionCount === null
    ? `@${kind}#${cell.index + 1}`
    : `@${kind}[${cell.executionCount}]`;
}

/** A cell as a text. The words around it are for the model, so they are not translated. */
export function cellMention(cell: NotebookCell): Mention {
  const name = cellReference(cell, 'cell');
  const what = cell.kind === 'code' ? 'Source of a code cell' : `Source of a ${cell.kind} cell`;
  return { name, text: `${what}, ${placeText(cell)}:\n${cell.source || '(empty)'}` };
}

/** The outputs of a cell as a text, without chats. */
export function outputMention(cell: NotebookCell): Mention {
  const texts = cell.outputs.filter(({ kind }) => kind !== 'chat').map(({ text }) => text);
  const output = texts.join('\n\n').trim() || '(no output)';
  const name = cellReference(cell, 'output');
  return { name, text: `Output of a code cell, ${placeText(cell)}:\n${output}` };
}

/** A variable as a text: its value, or what the list tells, if the kernel did not answer. */
export function variableMention(variable: Variable, path: string, value: string | null): Mention {
  const { name, type, shape, summary } = variable;
  const facts = [type, shape].filter(Boolean).join(', ');
  const known = value ?? `${summary}\n(The kernel did not tell more.)`.trim();
  return { name: `@${name}`, text: `Variable ${name} (${facts}) of ${path}:\n${known}` };
}

function placeText({ index, path }: NotebookCell): string {
  return `number ${index + 1} of ${path}`;
}

/** The first line of a source that is not blank. */
export function firstLine(source: string): string {
  const line = source.split('\n').find(text => text.trim() !== '') ?? '';
  return line.trim().slice(0, 120);
}
