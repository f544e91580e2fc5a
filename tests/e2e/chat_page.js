// Runs in a page before anything else: measures how long the page was busy, and reads its answers.
//
// `chatPage.begin()` forgets the measurements; `chatPage.read()` returns them in ms.
// `chatPage.settle(node)` waits until a node has not changed for a while. `chatPage.drawn(node)` is
// its HTML without the parts that may differ between two drawings of one text: the pieces in which
// the text was drawn, and the ids of formulas.
(() => {
  const QUIET_MS = 400;
  const QUIET_FRAMES = 20;
  const LOOK_MS = 4;
  const NOT_SAID = 'button, .jp-ChatStream-note';
  const PIECE = /^jp-ChatStream-(chunk|group)\b/;

  let tasks = [];
  let inputs = [];
  let frames = [];
  let longestGap = 0;
  let lastFrame = null;
  let lastLook = performance.now();

  const watch = (type, options, note) => {
    const take = list => list.getEntries().forEach(note);
    const observer = new PerformanceObserver(take);
    observer.observe({ type, ...options });
    return () => observer.takeRecords().forEach(note);
  };
  const flushes = [
    watch('longtask', {}, entry => tasks.push(entry.duration)),
    watch('event', { durationThreshold: 16 }, entry => inputs.push(entry.duration))
  ];
  const look = () => {
    const now = performance.now();
    longestGap = Math.max(longestGap, now - lastLook);
    lastLook = now;
    setTimeout(look, LOOK_MS);
  };
  look();
  const frame = now => {
    if (lastFrame !== null) {
      frames.push(now - lastFrame);
    }
    lastFrame = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);

  const begin = () => {
    flushes.forEach(flush => flush());
    tasks = [];
    inputs = [];
    frames = [];
    longestGap = 0;
    lastLook = performance.now();
  };
  const read = () => {
    flushes.forEach(flush => flush());
    const now = performance.now();
    return {
      tasks: [...tasks],
      inputs: [...inputs],
      frames: [...frames],
      longest_gap: Math.max(longestGap, now - lastLook)
    };
  };

  const settle = (node, quietMs = QUIET_MS) =>
    new Promise(resolve => {
      let changed = performance.now();
      let quietFrames = 0;
      const observer = new MutationObserver(() => {
        changed = performance.now();
        quietFrames = 0;
      });
      observer.observe(node, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true
      });
      const wait = () => {
        quietFrames += 1;
        // On a busy machine a page is slow, and not done; the tail is marked until all is drawn.
        const isDrawing = node.querySelector('.jp-mod-tail') !== null;
        if (isDrawing || performance.now() - changed < quietMs || quietFrames < QUIET_FRAMES) {
          requestAnimationFrame(wait);
          return;
        }
        observer.disconnect();
        resolve();
      };
      requestAnimationFrame(wait);
    });

  const unwrap = node => {
    node.replaceWith(...node.childNodes);
  };
  const copyOf = node => {
    const copy = node.cloneNode(true);
    for (const formula of copy.querySelectorAll('mjx-container')) {
      const display = formula.getAttribute('display') ?? 'false';
      const plain = document.createElement('mjx-container');
      plain.setAttribute('display', display);
      plain.setAttribute('glyphs', String(formula.querySelectorAll('mjx-c').length));
      formula.replaceWith(plain);
    }
    return copy;
  };
  const drawn = node => {
    const copy = copyOf(node);
    for (const piece of copy.querySelectorAll('[class]')) {
      if (PIECE.test(piece.className)) {
        unwrap(piece);
      }
    }
    // A table's frame can be reached by Tab where it was seen to scroll.
    copy.querySelectorAll('.jp-ChatStream-table').forEach(frame => {
      [...frame.attributes]
        .filter(({ name }) => name !== 'class')
        .forEach(({ name }) => frame.removeAttribute(name));
    });
    copy.querySelectorAll('[style=""]').forEach(one => one.removeAttribute('style'));
    copy.normalize();
    return copy.innerHTML;
  };
  /** The text of a node without what the page itself says there. */
  const said = node => {
    const copy = node.cloneNode(true);
    copy.querySelectorAll(NOT_SAID).forEach(one => one.remove());
    return copy.textContent;
  };

  window.chatPage = { begin, read, settle, drawn, said };
})();
