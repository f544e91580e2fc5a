/**
 * The tool `notebook`: a model reads the cells of a notebook and proposes edits of them (L17).
 *
 * It works on the document that the page has open, so what a person has typed is in it already. A
 * notebook that is open nowhere is changed in its file; pages that have it open go first.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { fieldsOf } from '../fold/tool-calls';
import { type CallResult, type PageCall } from '../tools/call-executor';
import { type NotebookStorage } from './closed-notebooks';
import { NOTEBOOK_TOOL } from './notebook-definition';

/** So long a page that is not in front waits before it claims a call that any page can make. */
const BEHIND_MS = 1_500;
/** So long a page leaves a notebook that it has not open to the pages that have. */
const CLOSED_MS = 2_000;

export interface NotebookToolOptions {
  /** The panel of an open notebook; null for a path that is not open, or if there is none. */
  readonly find: (path: string | null) => NotebookPanel | null;
  /** Whether the person looks at this page. */
  readonly isInFront: () => boolean;
  /** The notebooks that no page has open. */
  readonly storage: NotebookStorage;
}

export class NotebookTool {
  readonly definition = NOTEBOOK_TOOL;

  constructor(private readonly _options: NotebookToolOptions) {}

  /** Whether this page has the notebook of a call open, or could change its file. */
  canExecute(input: unknown): boolean {
    return this._panelOf(input) !== null || this._closedPath(input) !== null;
  }

  /**
   * A read of the current notebook means that of the page in front, so another page lets it go first.
   * A notebook that is not open here may be open in another page, which goes first, too.
   */
  delayOf(input: unknown): number {
    const isClosed = this._closedPath(input) !== null;
    const isNamed = typeof fieldsOf(input)['path'] === 'string' && !isClosed;
    const behind_ms = isNamed || this._options.isInFront() ? 0 : BEHIND_MS;
    return behind_ms + (isClosed ? CLOSED_MS : 0);
  }

  /** Whether no other page has the notebook open; loads what makes calls, before one is claimed. */
  async isFree(input: unknown): Promise<boolean> {
    await import(/* webpackChunkName: "view" */ './notebook-calls');
    const path = this._closedPath(input);
    return path === null || !(await this._options.storage.isOpenElsewhere(path));
  }

  async execute(call: PageCall): Promise<CallResult> {
    const { callOnFile, callOnPanel } = await import(
      /* webpackChunkName: "view" */ './notebook-calls'
    );
    const panel = this._panelOf(call.input);
    const path = this._closedPath(call.input);
    if (panel !== null) {
      return callOnPanel(panel, call);
    }
    return path === null
      ? { success: false, output: 'The notebook is not open any more.' }
      : callOnFile(this._options.storage, path, call);
  }

  /**
   * The notebook of a call; null if it is not open here, or not loaded yet. A proposal names its
   * notebook, so that no other one can be changed.
   */
  private _panelOf(input: unknown): NotebookPanel | null {
    const { operation, path } = fieldsOf(input);
    const isNamed = typeof path === 'string';
    const panel =
      isNamed || operation !== 'propose' ? this._options.find(isNamed ? path : null) : null;
    return panel?.context.isReady === true && panel.content.model !== null ? panel : null;
  }

  /** The path of a notebook file that this page has not open; null for another call. */
  private _closedPath(input: unknown): string | null {
    const { path } = fieldsOf(input);
    const isFile = typeof path === 'string' && path.endsWith('.ipynb');
    return isFile && this._options.find(path) === null ? path : null;
  }
}
