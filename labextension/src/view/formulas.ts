/**
 * Typesets formulas, several at a time, in a box outside of the answers.
 *
 * The typesetter measures the page around a formula. In a long paragraph that costs a layout of all
 * of it for each formula; the box is small, and is laid out alone. Bound: one job for each formula on
 * the page.
 */
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { own } from './drawing';
import { type Frames } from './frames';

/** A longer formula takes the typesetter too long: its source is shown. */
const LONGEST_FORMULA = 4_000;
/** Time for formulas in one frame: each frame that shows new ones is laid out and painted anew. */
const BUDGET_MS = 16;
/** Between two batches the page is left alone for a while. */
const REST_FACTOR = 2;
const LONGEST_REST_MS = 100;
/** So many formulas are typeset together at most, of LONGEST_FORMULA characters in all. */
const MOST_TOGETHER = 32;
/** Commands of TeX that would give a formula an address, a class, an id or a style of its own. */
const MARKUP =
  /\\(href|class|cssId|style|require|html\w*|data|unicode|url|includegraphics|bbox|mmlToken)(?![a-zA-Z])/;

export class Formulas {
  constructor(frames: Frames, typesetter: () => IRenderMime.ILatexTypesetter | null) {
    this._frames = frames;
    this._typesetter = typesetter;
  }

  /** Typeset the formula in this node, some time. */
  add(node: HTMLElement): void {
    this._nodes.push(node);
    if (!this._isRunning) {
      this._isRunning = true;
      void this._run();
    }
  }

  private async _run(): Promise<void> {
    while (this._nodes.length > 0) {
      // In the next frame, when the nodes are in the page.
      await this._frames.rest(0);
      const typesetter = this._typesetter();
      if (typesetter === null) {
        break; // it may be registered later: the next formula looks again, for all of them
      }
      const batch = this._next();
      if (batch.length === 0) {
        continue;
      }
      const begun = this._frames.now;
      try {
        await typesetAll(batch, typesetter);
      } catch (reason) {
        console.warn('The page could not typeset a formula:', reason);
      }
      const took_ms = this._frames.now - begun;
      this._adapt(took_ms);
      await this._frames.rest(Math.min(LONGEST_REST_MS, took_ms * REST_FACTOR));
    }
    this._isRunning = false;
  }

  /** The formulas that are typeset together next. */
  private _next(): readonly HTMLElement[] {
    const batch: HTMLElement[] = [];
    let chars = 0;
    while (batch.length < this._together) {
      const node = this._nodes[0];
      const length = node?.textContent?.length ?? 0;
      if (node === undefined || (batch.length > 0 && chars + length > LONGEST_FORMULA)) {
        break;
      }
      this._nodes.shift();
      if (isPossible(node)) {
        batch.push(node);
        chars += length;
      }
    }
    return batch;
  }

  /** As many together as fit in a frame. */
  private _adapt(took_ms: number): void {
    const fitting = Math.floor((this._together * BUDGET_MS) / Math.max(1, took_ms));
    this._together = Math.max(1, Math.min(MOST_TOGETHER, this._together * 2, fitting));
  }

  private readonly _frames: Frames;
  private readonly _typesetter: () => IRenderMime.ILatexTypesetter | null;
  private readonly _nodes: HTMLElement[] = [];
  private _together = 1;
  private _isRunning = false;
}

function isPossible(node: HTMLElement): boolean {
  const source = node.textContent ?? '';
  const isUntouched = node.isConnected && node.childElementCount === 0;
  return isUntouched && source.length <= LONGEST_FORMULA && !MARKUP.test(source);
}

async function typesetAll(
  nodes: readonly HTMLElement[],
  typesetter: IRenderMime.ILatexTypesetter
): Promise<void> {
  const box = own('div', 'jp-ChatStream-typesetting jp-RenderedHTMLCommon');
  const drafts = nodes.map(node => {
    const draft = own('p', '');
    draft.textContent = node.textContent;
    return draft;
  });
  box.append(...drafts);
  document.body.append(box);
  try {
    await typesetter.typeset(box);
  } finally {
    box.remove();
  }
  nodes.forEach((node, at) => {
    const draft = drafts[at];
    // Where the answer has changed meanwhile, its new formula has a job of its own.
    if (draft === undefined || draft.childElementCount === 0 || !node.isConnected) {
      return;
    }
    draft.querySelectorAll('[href], [id]').forEach(inner => {
      inner.removeAttribute('href');
      inner.removeAttribute('id');
    });
    node.replaceChildren(...draft.childNodes);
    node.classList.add('jp-mod-typeset');
  });
}
