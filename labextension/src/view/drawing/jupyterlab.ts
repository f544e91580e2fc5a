/** JupyterLab's typesetter, highlighter and sanitizer, as drawing uses them. */
import { type IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { type IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { type DrawingServices } from './nodes';
import { Formulas } from './formulas';
import { BUDGET_MS, type Frames } from './frames';

/** Make the services. They read the registry at each use: its parts may be registered after us. */
export function labServices(
  rendermime: IRenderMimeRegistry,
  languages: IEditorLanguageRegistry | null,
  frames: Frames
): Pick<DrawingServices, 'typeset' | 'colour' | 'mayLead'> {
  const formulas = new Formulas(frames, () => rendermime.latexTypesetter);
  const codes = new JobQueue(frames);
  return {
    typeset: node => formulas.add(node),
    colour: (code, language, onResult) =>
      codes.add(async () => {
        const node = await colour(code, languages, language);
        if (node !== null) {
          onResult(node);
        }
      }),
    mayLead: address => {
      const link = document.createElement('a');
      link.setAttribute('href', address);
      return rendermime.sanitizer.sanitize(link.outerHTML).includes('href=');
    }
  };
}

/** Code as coloured nodes; null if JupyterLab does not know the language. */
async function colour(
  code: string,
  languages: IEditorLanguageRegistry | null,
  language: string
): Promise<HTMLElement | null> {
  const spec = languages?.findBest(language) ?? null;
  if (languages === null || spec === null) {
    return null;
  }
  const node = document.createElement('code');
  await languages.highlight(code, spec, node);
  return node;
}

/** Runs jobs that cannot be interrupted, as many in a frame as fit. Bound: one job for each node. */
class JobQueue {
  constructor(private readonly _frames: Frames) {}

  add(job: () => Promise<void>): void {
    this._jobs.push(job);
    if (!this._isRunning) {
      this._isRunning = true;
      void this._run();
    }
  }

  private async _run(): Promise<void> {
    while (this._jobs.length > 0) {
      // Wait for the next frame, when the node of the job is in the page.
      await this._frames.rest(0);
      const start_ms = this._frames.now;
      do {
        await this._next();
      } while (this._jobs.length > 0 && this._frames.now - start_ms < BUDGET_MS);
    }
    this._isRunning = false;
  }

  private async _next(): Promise<void> {
    try {
      await this._jobs.shift()?.();
    } catch (reason) {
      console.warn('The page could not draw a part of an answer:', reason);
    }
  }

  private readonly _jobs: (() => Promise<void>)[] = [];
  private _isRunning = false;
}
