// Runs in each page before anything else: notes how the text of every answer on it grows.
//
// Looked at once per frame in which something changed. Markdown's marks and white space are left
// out, so that `**wo` on its way to a bold "word" is a beginning of it.
(() => {
  const chains = [];
  const known = new WeakMap();
  const bare = text => text.replace(/[\s#*`]+/g, '');
  const chainOf = (chat, run) => {
    const runs = known.get(chat) ?? new Map();
    known.set(chat, runs);
    if (!runs.has(run)) {
      const chain = { run, text: '', steps: 0, breaks: [] };
      runs.set(run, chain);
      chains.push(chain);
    }
    return runs.get(run);
  };
  const difference = (before, after) => {
    let at = 0;
    while (at < before.length && before[at] === after[at]) {
      at += 1;
    }
    const around = text => `${text.slice(Math.max(0, at - 15), at + 25)} (${text.length})`;
    return { at, before: around(before), after: around(after) };
  };
  const look = () => {
    for (const answer of document.querySelectorAll('[data-testid=message-assistant]')) {
      const chat = answer.closest('.jp-ChatStream');
      const content = answer.querySelector('[data-testid=content]');
      if (chat === null || content === null) {
        continue;
      }
      const chain = chainOf(chat, answer.dataset.runId);
      const text = bare(content.textContent);
      if (text !== chain.text) {
        if (!text.startsWith(chain.text)) {
          chain.breaks.push(difference(chain.text, text));
        }
        chain.text = text;
        chain.steps += 1;
      }
    }
  };
  let isDue = false;
  new MutationObserver(() => {
    if (!isDue) {
      isDue = true;
      requestAnimationFrame(() => {
        isDue = false;
        look();
      });
    }
  }).observe(document, { subtree: true, childList: true, characterData: true });
  window.readAnswers = () => {
    look();
    return chains;
  };
})();
