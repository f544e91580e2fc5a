// Drawing without a browser: frames that the test calls for, and a page that typesets nothing.
import { Frames } from '../src/view/drawing/frames';
import { IncrementalMarkdown, type MarkdownServices } from '../src/view/drawing/markdown';
import { type Workspace } from '../src/workspace/values';
import { ENGLISH, flushPromises } from './fakes';

/** The services of a page; each frame is drawn when the test says so. */
export class FakeServices implements MarkdownServices {
  readonly formulas: string[] = [];
  readonly coloured: string[] = [];
  now_ms = 0;
  /** How long each look at the clock takes. */
  tick_ms = 0;
  /** How long the layout and painting of a frame take. */
  paint_ms = 0;
  private _actions: (() => void)[] = [];

  readonly typeset = (node: HTMLElement): void => void this.formulas.push(node.textContent ?? '');
  readonly colour = (code: string): void => void this.coloured.push(code);
  readonly mayLead = (): boolean => true;
  readonly language = ENGLISH;
  readonly workspace: Workspace | null = null;
  readonly frames = new Frames({
    now: () => (this.now_ms += this.tick_ms),
    onFrame: action => void this._actions.push(action),
    afterPaint: action => {
      this.now_ms += this.paint_ms;
      action();
    }
  });

  /** Draw one frame. */
  async frame(): Promise<void> {
    await flushPromises();
    this.now_ms += 16;
    const actions = this._actions;
    this._actions = [];
    actions.forEach(action => action());
    await flushPromises();
  }

  /** Draw until nothing is left to draw; gives the number of frames. */
  async rest(most = 10_000): Promise<number> {
    await flushPromises();
    let count = 0;
    while (this._actions.length > 0 && count < most) {
      await this.frame();
      count += 1;
    }
    return count;
  }
}

export function stage() {
  const host = document.createElement('div');
  const services = new FakeServices();
  return { host, services, markdown: new IncrementalMarkdown(host, services) };
}

/** Draw a text as it comes, in pieces that end at these places. */
export async function drawn(text: string, cuts: readonly number[] = []): Promise<HTMLElement> {
  const { host, services, markdown } = stage();
  for (const cut of cuts) {
    markdown.update(text.slice(0, cut), false);
    await services.rest();
  }
  markdown.update(text, true);
  await services.rest();
  // In a long loop of drawings, the test runner takes a worker without a free moment for dead.
  await new Promise(resolve => setImmediate(resolve));
  return host;
}
