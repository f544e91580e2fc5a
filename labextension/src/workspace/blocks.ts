/** Turns a code block of an answer into a cell, or into text for a cell. Pure. */
import { type CellKind, type CodeBlock } from './values';

export interface CellDraft {
  readonly kind: 'code' | 'markdown';
  readonly source: string;
}

/** By the name of a language in answers: the name that kernels use. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['py', 'python'],
  ['python3', 'python'],
  ['ipython', 'python'],
  ['ipython3', 'python'],
  ['pycon', 'python-console'],
  ['jl', 'julia'],
  ['rlang', 'r'],
  ['js', 'javascript'],
  ['ts', 'typescript'],
  ['c++', 'cpp'],
  ['rs', 'rust'],
  ['md', 'markdown'],
  ['sh', 'bash'],
  ['zsh', 'bash'],
  ['shell', 'bash']
]);

/**
 * Make a cell of a block. A block without a language has the notebook's language. In a Python notebook a
 * shell script becomes a `%%bash` cell. A block that the kernel cannot run becomes a Markdown cell.
 */
export function cellOf(block: CodeBlock, notebookLanguage: string): CellDraft {
  const source = sourceOf(block);
  const language = commonName(block.language);
  const kernels = commonName(notebookLanguage);
  const isMagic = kernels === 'python' && /^%%\w/.test(source);
  if (language === '' || language === kernels || kernels === '' || isMagic) {
    return language === 'markdown' ? { kind: 'markdown', source } : { kind: 'code', source };
  }
  if (language === 'markdown') {
    return { kind: 'markdown', source };
  }
  return language === 'bash' && kernels === 'python'
    ? { kind: 'code', source: `%%bash\n${source}` }
    : { kind: 'markdown', source: fencedBlock(block) };
}

/** The text of a block for insertion at the cursor in a cell of this kind. */
export function textFor(block: CodeBlock, kind: CellKind): string {
  const isMarkdown = commonName(block.language) === 'markdown';
  return kind === 'markdown' && !isMarkdown ? fencedBlock(block) : sourceOf(block);
}

/** A block as Markdown. The fence is longer than every row of backticks in the block. */
function fencedBlock(block: CodeBlock): string {
  const rows = block.text.match(/`{3,}/g) ?? [];
  const fence = '`'.repeat(Math.max(3, ...rows.map(row => row.length + 1)));
  return `${fence}${block.language.replace(/[^\w+#.-]/g, '')}\n${sourceOf(block)}\n${fence}`;
}

function sourceOf(block: CodeBlock): string {
  return block.text.replace(/\r\n?/g, '\n').replace(/\n$/, '');
}

function commonName(language: string): string {
  const name = language.trim().toLowerCase();
  return NAMES.get(name) ?? name;
}
