// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { BUDGET_MS, Frames, type Work } from '../../src/view/drawing/frames';

/** Frames whose steps take 1 ms each, and whose layout takes as long as the test says. */
function frames() {
  let now_ms = 0;
  let actions: (() => void)[] = [];
  let painted = (): void => undefined;
  const made = new Frames({
    now: () => now_ms,
    onFrame: action => void actions.push(action),
    afterPaint: action => (painted = action)
  });
  let steps = 0;
  function* work(): Work {
    for (;;) {
      now_ms += 1;
      steps += 1;
      yield;
    }
  }
  void made.run(work());
  /** Draw one frame; returns the number of its steps. */
  return (layout_ms: number): number => {
    const before = steps;
    const due = actions;
    actions = [];
    due.forEach(action => action());
    now_ms += layout_ms;
    painted();
    return steps - before;
  };
}

describe('the frames', () => {
  it('draw half as much after a frame that took long, and never less than a part', () => {
    const frame = frames();
    expect([frame(100), frame(100), frame(100), frame(100)]).toEqual([9, 5, 3, 3]);
  });

  it('draw as much as before once the browser is quick again', () => {
    const frame = frames();
    frame(100);
    frame(100);
    expect([frame(0), frame(0), frame(0), frame(0)]).toEqual([3, 5, 9, BUDGET_MS + 1]);
  });
});
