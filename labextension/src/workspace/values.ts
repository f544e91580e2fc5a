/**
 * The types of what a chat can read from the notebooks of the page and change in them. Pure.
 *
 * A cell is always named by the path of its notebook and its id, because its index changes. Names,
 * sources, outputs and types are untrusted text.
 */

import { type NotebookStorage } from './closed-notebooks';
import { type OpenProposals } from './open-proposals';
import { type Reviews } from './reviews';

export interface OpenNotebook {
  /** JupyterLab's path of the notebook, with the name of its drive. */
  readonly path: string;
  /** The notebook's path for the server's contents API. */
  readonly localPath: string;
  /** The file's name. */
  readonly name: string;
  /** The language of the notebook's kernel in lower case, such as `python`; empty if not known. */
  readonly language: string;
  readonly isCurrent: boolean;
}

/** The notebook and the cell that a chat is about; `cellId` is null in a notebook without cells. */
export interface Place {
  readonly path: string;
  readonly cellId: string | null;
}

export type CellKind = 'code' | 'markdown' | 'raw';

export interface CellOutput {
  /** An image has its type and size as text, a chat and other kinds only a name. */
  readonly kind: 'text' | 'error' | 'image' | 'chat' | 'other';
  readonly text: string;
}

/** An exception that a cell shows. */
export interface CellError {
  readonly name: string;
  readonly message: string;
  readonly traceback: string;
}

export interface NotebookCell {
  readonly path: string;
  readonly cellId: string;
  readonly index: number;
  readonly kind: CellKind;
  readonly source: string;
  readonly executionCount: number | null;
  /** At most 20,000 characters of text, read from the notebook at each access. */
  readonly outputs: readonly CellOutput[];
  /** The last error among the outputs, read from the notebook at each access. */
  readonly error: CellError | null;
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  /** The shape, such as `150 × 4` or `12 items`; empty for a single value. */
  readonly shape: string;
  /** The value of a number, the columns of a table; may be empty. */
  readonly summary: string;
}

/** Why a kernel did not answer. `missing` is a variable that does not exist. */
export type NoAnswer =
  'no_notebook' | 'no_kernel' | 'starting' | 'busy' | 'other_language' | 'missing' | 'failed';

export type Variables =
  | {
      readonly state: 'known';
      /** The newest variable first. */
      readonly variables: readonly Variable[];
      /** How many older variables are left out. */
      readonly more: number;
    }
  | { readonly state: NoAnswer };

export type VariableText =
  { readonly state: 'known'; readonly text: string } | { readonly state: NoAnswer };

/** A code block of an answer. */
export interface CodeBlock {
  /** The language that the answer names, in lower case; may be empty. */
  readonly language: string;
  readonly text: string;
}

export type CellAction = 'insert_below' | 'insert_at_cursor' | 'replace' | 'run' | 'insert_at_end';

export type ActionResult =
  | { readonly isDone: true; readonly cellId: string }
  | {
      readonly isDone: false;
      readonly reason: string;
      /** Whether only the cell is gone, not its notebook: `insert_at_end` is still possible. */
      readonly isCellGone: boolean;
    };

/** The notebooks of the page. */
export interface Workspace {
  /** A person's choices so far for the cells of proposals. */
  readonly reviews: Reviews;
  /** The proposals that wait for a person's consent. */
  readonly proposals: OpenProposals;
  /** Access to the notebooks that no page has open. */
  readonly storage: NotebookStorage;
  /** The open notebooks, the current one first. */
  notebooks(): readonly OpenNotebook[];
  /**
   * The place of a node of a chat: the cell whose output contains the node. For a node outside of all
   * notebooks, the current notebook and its last active cell; null if no notebook is open. For
   * `replace`, the cell that was active when the answer's question was sent.
   */
  placeOf(node: Node, action?: CellAction): Place | null;
  /** The current path of an open notebook, even after a renaming in this page; null if not open. */
  openPath(path: string): string | null;
  /** The cells of an open notebook; empty if it is not open. */
  cells(path: string): readonly NotebookCell[];
  /** One cell; null if it is gone or its notebook is not open. */
  cell(place: Place): NotebookCell | null;
  /** The name of the cell for people, such as `cell [3] of analysis.ipynb`. */
  nameOf(place: Place): string;
  /** Ask the notebook's kernel for its variables. Never waits for a busy kernel. */
  variables(path: string): Promise<Variables>;
  /** Ask for one variable as text of at most 20,000 characters. Never waits for a busy kernel. */
  describe(path: string, name: string): Promise<VariableText>;
  /** Why an action cannot be done; null if it can. */
  obstacle(action: CellAction, place: Place | null, block: CodeBlock): string | null;
  /** Change the notebook as one undo step, or not at all. */
  act(action: CellAction, place: Place, block: CodeBlock): ActionResult;
  /** Call `listener` when notebooks are opened, closed or renamed, or another tab is in front. */
  readonly subscribe: (listener: () => void) => () => void;
}
