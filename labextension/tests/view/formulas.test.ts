import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Formulas } from '../../src/view/drawing/formulas';
import { FakeServices } from '../drawn';

/** The browser's observer: the test says which nodes are near the screen. */
class FakeObserver {
  static made: FakeObserver;
  readonly observed = new Set<Element>();

  constructor(private readonly _tell: (entries: object[]) => void) {
    FakeObserver.made = this;
  }

  observe(node: Element): void {
    this.observed.add(node);
  }

  unobserve(node: Element): void {
    this.observed.delete(node);
  }

  move(target: Element | undefined, isIntersecting: boolean): void {
    this._tell([{ target, isIntersecting }]);
  }
}

const typesetter = {
  typeset: (box: HTMLElement): void => {
    box.querySelectorAll('p').forEach(draft => {
      const made = document.createElement('mjx-container');
      made.append(draft.textContent ?? '');
      draft.replaceChildren(made);
    });
  }
};

let services: FakeServices;
let formulas: Formulas;

function nodes(count: number): HTMLElement[] {
  return Array.from({ length: count }, (_, number) => {
    const node = document.createElement('span');
    node.textContent = `$${number}$`;
    document.body.append(node);
    formulas.add(node);
    return node;
  });
}

/** The numbers of the formulas that are typeset. */
const typeset = (all: readonly HTMLElement[]): number[] =>
  all.flatMap((node, at) => (node.querySelector('mjx-container') === null ? [] : [at]));

beforeEach(() => {
  vi.stubGlobal('IntersectionObserver', FakeObserver);
  services = new FakeServices();
  formulas = new Formulas(services.frames, () => typesetter);
});

afterEach(() => {
  vi.unstubAllGlobals();
  document.body.replaceChildren();
});

describe('formulas', () => {
  it('are typeset near the screen first, and all of them in the end', async () => {
    const all = nodes(60);
    FakeObserver.made.move(all[7], true);
    await services.frame();
    expect(typeset(all)).toEqual([7]);
    await services.rest();
    expect(typeset(all)).toHaveLength(60);
    expect(FakeObserver.made.observed.size).toBe(0);
  });

  it('that are far leave time for the page, and not for a formula that comes near', async () => {
    const all = nodes(60);
    for (let count = 0; count < 8; count += 1) {
      await services.frame();
    }
    expect(typeset(all).length).toBeLessThanOrEqual(3);
    FakeObserver.made.move(all[7], true);
    await services.frame();
    expect(typeset(all)).toContain(7);
  });

  it('that have left the screen wait behind those that are near', async () => {
    const all = nodes(60);
    all.slice(0, 40).forEach(node => FakeObserver.made.move(node, true));
    all.slice(1, 40).forEach(node => FakeObserver.made.move(node, false));
    await services.frame();
    expect(typeset(all)).toEqual([0]);
  });

  it('come in batches that fill their time, however long the page paints after each', async () => {
    const all = nodes(120);
    all.forEach(node => FakeObserver.made.move(node, true));
    services.paint_ms = 60;
    const typeset_ms = 1;
    const batches: number[] = [];
    const typesetInTime = vi.spyOn(typesetter, 'typeset').mockImplementation(box => {
      services.now_ms += box.childElementCount * typeset_ms;
      batches.push(box.childElementCount);
    });
    await services.rest();
    typesetInTime.mockRestore();
    expect(Math.max(...batches)).toBe(12);
    expect(batches.length).toBeLessThan(16);
  });

  it('that are slow and far leave few formulas for the next batch near the screen', async () => {
    let each_ms = 0;
    const batches: number[] = [];
    const typesetInTime = vi.spyOn(typesetter, 'typeset').mockImplementation(box => {
      services.now_ms += box.childElementCount * each_ms;
      batches.push(box.childElementCount);
    });
    nodes(63).forEach(node => FakeObserver.made.move(node, true));
    await services.rest();
    expect(batches.at(-1)).toBe(32);
    each_ms = 12;
    const all = nodes(40);
    const count = batches.length;
    while (batches.length === count) {
      await services.frame();
    }
    expect(batches.at(-1)).toBe(3);
    all.slice(0, 20).forEach(node => FakeObserver.made.move(node, true));
    await services.frame();
    await services.frame();
    typesetInTime.mockRestore();
    expect(batches[count + 1]).toBe(1);
  });

  it('that are no longer in the page, or could set markup, are left alone', async () => {
    const [gone, unsafe, kept] = nodes(3);
    gone?.remove();
    unsafe?.replaceChildren('$\\href{https://a.b}{c}$');
    await services.rest();
    expect(typeset([gone, unsafe, kept].flatMap(node => node ?? []))).toEqual([2]);
  });
});
