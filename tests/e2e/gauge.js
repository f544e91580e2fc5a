// Runs in a page before anything else: measures how long the page was busy, and reads what it shows.
//
// `gauge.begin()` forgets what was measured; `gauge.read()` answers it in ms. `gauge.settle(node)`
// waits until a node has not changed for a while; `gauge.drawn(node)` is its HTML without what two
// drawings of one text may differ in: the pieces they were drawn in, and ids of formulas.
(() => {
  const QUIET_MS = 400;
  const LOOK_MS = 4;
  const NOT_SAID = 'button, [data-testid="notice"]';
  const PIECE = /^(jp-ChatStream-(block|piece|chunk)|jp-mod-\w+|\s)*$/;

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
      const observer = new MutationObserver(() => {
        changed = performance.now();
      });
      observer.observe(node, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true
      });
      const wait = () => {
        if (performance.now() - changed < quietMs) {
          setTimeout(wait, 20);
          return;
        }
        observer.disconnect();
        resolve();
      };
      setTimeout(wait, quietMs);
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
    for (const piece of copy.querySelectorAll('div[class]')) {
      if (PIECE.test(piece.className)) {
        unwrap(piece);
      }
    }
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

  window.gauge = { begin, read, settle, drawn, said };
})();
