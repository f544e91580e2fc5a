/** What drawing takes from JupyterLab: its typesetter, its highlighter, its sanitizer's word on links. */
import { type IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { type IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { type DrawingTools } from './drawing';
import { type Frames, type Work } from './frames';

/** A longer formula takes the typesetter too long: its source is shown. */
const LONGEST_FORMULA = 4_000;
/** Commands of TeX that would give a formula an address, a class, an id or a style of its own. */
const MARKUP =
  /\\(href|class|cssId|style|require|html\w*|data|unicode|url|includegraphics|bbox)(?![a-zA-Z])/;

/** Make the tools; the registry is asked each time, as its parts may be registered after us. */
export function labTools(
  rendermime: IRenderMimeRegistry,
  languages: IEditorLanguageRegistry | null,
  frames: Frames
): DrawingTools {
  const formulas = new Queue(frames);
  const codes = new Queue(frames);
  return {
    typeset: node => formulas.add(() => typeset(node, rendermime.latexTypesetter)),
    colour: (code, language, shown) =>
      codes.add(async () => {
        const node = await colour(code, languages, language);
        if (node !== null) {
          shown(node);
        }
      }),
    mayLead: address => {
      const link = document.createElement('a');
      link.setAttribute('href', address);
      return rendermime.sanitizer.sanitize(link.outerHTML).includes('href=');
    }
  };
}

async function typeset(
  node: HTMLElement,
  typesetter: IRenderMime.ILatexTypesetter | null
): Promise<void> {
  const source = node.textContent ?? '';
  const isOurs = node.isConnected && node.childElementCount === 0;
  if (typesetter === null || !isOurs || source.length > LONGEST_FORMULA || MARKUP.test(source)) {
    return;
  }
  await typesetter.typeset(node);
  node.querySelectorAll('[href], [id]').forEach(inner => {
    inner.removeAttribute('href');
    inner.removeAttribute('id');
  });
}

/** Code as coloured nodes; null where the page does not know the language. */
async function colour(
  code: string,
  languages: IEditorLanguageRegistry | null,
  language: string
): Promise<HTMLElement | null> {
  const known = languages?.findBest(language) ?? null;
  if (languages === null || known === null) {
    return null;
  }
  const node = document.createElement('code');
  await languages.highlight(code, known, node);
  return node;
}

/** Jobs that cannot be cut, one after the other, as many as fit in a frame. Bound: one for each node. */
class Queue {
  constructor(frames: Frames) {
    this._frames = frames;
  }

  add(job: () => Promise<void>): void {
    this._jobs.push(job);
    if (!this._isRunning) {
      this._isRunning = true;
      void this._run();
    }
  }

  private async _run(): Promise<void> {
    if (!this._isWarm) {
      // The first job loads what it needs; the others would wait for the same. It begins in the
      // next frame, when its node is in the page.
      await this._frames.rest(0);
      await this._next();
      this._isWarm = true;
    }
    await this._frames.run(this._work());
    this._isRunning = false;
    if (this._jobs.length > 0) {
      this._isRunning = true;
      void this._run();
    }
  }

  private *_work(): Work {
    while (this._jobs.length > 0) {
      void this._next();
      yield;
    }
  }

  private async _next(): Promise<void> {
    try {
      await this._jobs.shift()?.();
    } catch (reason) {
      console.warn('The page could not draw a part of an answer:', reason);
    }
  }

  private readonly _frames: Frames;
  private readonly _jobs: (() => Promise<void>)[] = [];
  private _isRunning = false;
  private _isWarm = false;
}
