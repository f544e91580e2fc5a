/**
 * The tool `notebook`: a model reads the cells of a notebook and proposes edits of them (L17).
 *
 * The tool changes the page's open document, which contains all that the person has typed. If no page
 * has the notebook open, the tool changes its file; a page that has it open goes first.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { fieldsOf } from '../protocol/fields';
import { type CallResult, type PageCall } from '../tools/call-executor';
import { type NotebookStorage } from './closed-notebooks';
import { NOTEBOOK_TOOL } from './notebook-definition';

/** How long a page in the background waits before it claims a call that any page can make. */
const BEHIND_MS = 1_500;
/** How long a page without the notebook waits for the pages that have it open. */
const CLOSED_MS = 2_000;

export interface NotebookToolOptions {
  /** The panel of an open notebook, for null the current one; null if there is none. */
  readonly find: (path: string | null) => NotebookPanel | null;
  /** Whether this page is in the foreground. */
  readonly isInFront: () => boolean;
  /** Access to the notebooks that are not open in this page. */
  readonly storage: NotebookStorage;
}

export class NotebookTool {
  readonly definition = NOTEBOOK_TOOL;

  constructor(private readonly _options: NotebookToolOptions) {}

  /** Whether this page has the notebook of a call open, or can change its file. */
  canExecute(input: unknown): boolean {
    return this._panelOf(input) !== null || this._closedPath(input) !== null;
  }

  /**
   * The current notebook means the one in the foreground page, so other pages wait before they read it.
   * A page also waits if it does not have the notebook open, because another page may have it open.
   */
  delayOf(input: unknown): number {
    const isClosed = this._closedPath(input) !== null;
    const isNamed = typeof fieldsOf(input)['path'] === 'string' && !isClosed;
    const behind_ms = isNamed || this._options.isInFront() ? 0 : BEHIND_MS;
    return behind_ms + (isClosed ? CLOSED_MS : 0);
  }

  /** Whether no other page has the notebook open. Also loads the code that makes calls, before the claim. */
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
   * The notebook of a call; null if this page does not have it open, or has not loaded it yet. A proposal
   * must name its notebook, so that it cannot change another one.
   */
  private _panelOf(input: unknown): NotebookPanel | null {
    const { operation, path } = fieldsOf(input);
    const isNamed = typeof path === 'string';
    const panel =
      isNamed || operation !== 'propose' ? this._options.find(isNamed ? path : null) : null;
    return panel?.context.isReady === true && panel.content.model !== null ? panel : null;
  }

  /** The path of a call's notebook if it is not open in this page; else null. */
  private _closedPath(input: unknown): string | null {
    const { path } = fieldsOf(input);
    const isFile = typeof path === 'string' && path.endsWith('.ipynb');
    return isFile && this._options.find(path) === null ? path : null;
  }
}
