/**
 * Typesets formulas, several at a time, in a box outside of the answers.
 *
 * The typesetter measures the page around each formula. In a long paragraph, each measurement would
 * cost a layout of the whole paragraph; the box is small and is laid out alone. Formulas near the
 * screen come first; the others follow slowly, so that a page with thousands of them stays smooth.
 * Bound: one job for each formula on the page.
 */
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { ownElement } from './nodes';
import { type Frames } from './frames';

/** The typesetter needs too long for a longer formula, so its source is shown. */
const LONGEST_FORMULA = 4_000;
/**
 * The time for typesetting in one frame. The layout and painting that follow are not counted: in a
 * long paragraph they cost the same for one formula and for many.
 */
const BUDGET_MS = 12;
/** After a batch, formulas rest for this multiple of the batch's time. */
const REST_FACTOR = 2;
const LONGEST_REST_MS = 100;
/** The most formulas in one batch, which has LONGEST_FORMULA characters in all. */
const MOST_TOGETHER = 32;
/** Formulas that are not near the screen: the most in one batch, and the rest after it. */
const MOST_FAR = 3;
const FAR_REST_MS = 120;
/** They come slowly only while new formulas arrive: so long after the last one, the answer rests. */
const QUIET_MS = 1_000;
/** Formulas within this distance of the screen come first. */
const NEAR = { rootMargin: '400px', scrollMargin: '400px' };
/** TeX commands that could add an address, a class, an id or a style. */
const MARKUP =
  /\\(href|class|cssId|style|require|html\w*|data|unicode|url|includegraphics|bbox|mmlToken)(?![a-zA-Z])/;

export class Formulas {
  constructor(
    private readonly _frames: Frames,
    private readonly _typesetter: () => IRenderMime.ILatexTypesetter | null
  ) {}

  /** Typeset the formula in this node, in a later frame. */
  add(node: HTMLElement): void {
    this._added_ms = this._frames.now;
    this._far.add(node);
    this._observer.observe(node);
    if (!this._isRunning) {
      this._isRunning = true;
      void this._run();
    }
  }

  /** Note which formulas have come near the screen, and which have left. */
  private _onIntersection(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const [from, to] = isIntersecting ? [this._far, this._near] : [this._near, this._far];
      if (target instanceof HTMLElement && from.delete(target)) {
        to.add(target);
      }
    }
    if (this._near.size > 0) {
      this._endRest();
    }
  }

  private async _run(): Promise<void> {
    while (this._near.size + this._far.size > 0) {
      // Wait for the next frame, when the nodes are in the page.
      await this._frames.rest(0);
      const typesetter = this._typesetter();
      if (typesetter === null) {
        break; // it may be registered later: the next formula starts the queue again
      }
      const isQuiet = this._frames.now > this._added_ms + QUIET_MS;
      const isNear = this._near.size > 0;
      const isFast = isNear || isQuiet;
      const maxNodes = isFast ? this._batchSize : Math.min(MOST_FAR, this._batchSize);
      const batch = this._next(isNear ? this._near : this._far, maxNodes);
      if (batch.length === 0) {
        continue;
      }
      const start_ms = this._frames.now;
      try {
        await typesetAll(batch, typesetter);
      } catch (reason) {
        console.warn('The page could not typeset a formula:', reason);
      }
      this._adapt(batch.length, this._frames.now - start_ms);
      await this._frames.untilPainted();
      const took_ms = this._frames.now - start_ms;
      await this._rest(Math.min(LONGEST_REST_MS, took_ms * REST_FACTOR), isFast);
    }
    this._isRunning = false;
  }

  /** Leave time for the page; a formula that comes near the screen ends the rest after far ones. */
  private async _rest(rest_ms: number, isFast: boolean): Promise<void> {
    if (isFast) {
      await this._frames.rest(rest_ms);
      return;
    }
    const isEnded = new Promise<void>(resolve => (this._endRest = resolve));
    await Promise.race([this._frames.rest(Math.max(FAR_REST_MS, rest_ms)), isEnded]);
  }

  /** The formulas that are typeset together next: the newest, which are where the answer grows. */
  private _next(nodes: Set<HTMLElement>, maxNodes: number): readonly HTMLElement[] {
    const batch: HTMLElement[] = [];
    let chars = 0;
    for (const node of [...nodes].reverse()) {
      const length = node.textContent?.length ?? 0;
      if (batch.length === maxNodes || (batch.length > 0 && chars + length > LONGEST_FORMULA)) {
        break;
      }
      nodes.delete(node);
      this._observer.unobserve(node);
      if (isPossible(node)) {
        batch.push(node);
        chars += length;
      }
    }
    return batch;
  }

  /** Adapt the batch size to what is typeset in the budget: `count` formulas took `took_ms`. */
  private _adapt(count: number, took_ms: number): void {
    const fitting = Math.floor((count * BUDGET_MS) / Math.max(1, took_ms));
    this._batchSize = Math.max(1, Math.min(MOST_TOGETHER, this._batchSize * 2, fitting));
  }

  private readonly _observer = new IntersectionObserver(
    entries => this._onIntersection(entries),
    NEAR
  );
  private readonly _near = new Set<HTMLElement>();
  private readonly _far = new Set<HTMLElement>();
  private _endRest = (): void => undefined;
  private _batchSize = 1;
  private _added_ms = 0;
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
  const box = ownElement('div', 'jp-ChatStream-typesetting jp-RenderedHTMLCommon');
  const drafts = nodes.map(node => {
    const draft = ownElement('p', '');
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
