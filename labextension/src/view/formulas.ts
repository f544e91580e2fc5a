/**
 * Typesets formulas, several at a time, in a box outside of the answers.
 *
 * The typesetter measures the page around each formula. In a long paragraph, each measurement would
 * cost a layout of the whole paragraph; the box is small and is laid out alone. Bound: one job for
 * each formula on the page.
 */
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { own } from './drawing';
import { type Frames } from './frames';

/** The typesetter needs too long for a longer formula, so its source is shown. */
const LONGEST_FORMULA = 4_000;
/** The time for formulas in one frame; the layout and paint that follow need time too. */
const BUDGET_MS = 16;
/** After a batch, formulas rest for this multiple of the batch's time. */
const REST_FACTOR = 2;
const LONGEST_REST_MS = 100;
/** The most formulas in one batch, which has LONGEST_FORMULA characters in all. */
const MOST_TOGETHER = 32;
/** TeX commands that could add an address, a class, an id or a style. */
const MARKUP =
  /\\(href|class|cssId|style|require|html\w*|data|unicode|url|includegraphics|bbox|mmlToken)(?![a-zA-Z])/;

export class Formulas {
  constructor(frames: Frames, typesetter: () => IRenderMime.ILatexTypesetter | null) {
    this._frames = frames;
    this._typesetter = typesetter;
  }

  /** Typeset the formula in this node, in a later frame. */
  add(node: HTMLElement): void {
    this._nodes.push(node);
    if (!this._isRunning) {
      this._isRunning = true;
      void this._run();
    }
  }

  private async _run(): Promise<void> {
    while (this._nodes.length > 0) {
      // Wait for the next frame, when the nodes are in the page.
      await this._frames.rest(0);
      const typesetter = this._typesetter();
      if (typesetter === null) {
        break; // it may be registered later: the next formula starts the queue again
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

  /** Adapt the batch size to what fits in a frame. */
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
    // If the answer has changed since, its new formula has its own job.
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
