import { describe, expect, it } from 'vitest';

import { addCopyButtons } from '../src/view/code';
import { IncrementalMarkdown, type MarkdownTools } from '../src/view/markdown';
import { RenderQueue } from '../src/view/queue';
import { SUPPRESS_SHORTCUTS, harden, withoutRemote } from '../src/view/safe';
import { steady } from '../src/view/splitter';
import { settle } from './fakes';

/** A renderer that writes what it was given, and frames that are drawn when the test says so. */
class FakeTools implements MarkdownTools {
  readonly rendered: string[] = [];
  cost_ms = 0;
  private _frames: (() => void)[] = [];
  private _now = 0;
  readonly onFrame = (action: () => void): void => void this._frames.push(action);
  readonly now = (): number => this._now;
  readonly queue = new RenderQueue(this.onFrame, this.now);

  readonly render = async (host: HTMLElement, source: string): Promise<void> => {
    await Promise.resolve();
    this._now += this.cost_ms;
    this.rendered.push(source);
    host.textContent = source;
  };

  async frame(): Promise<void> {
    await settle();
    this._now += 16;
    const actions = this._frames;
    this._frames = [];
    actions.forEach(action => action());
    await settle();
  }

  async frames(count: number): Promise<void> {
    for (let drawn = 0; drawn < count; drawn += 1) {
      await this.frame();
    }
  }
}

function shown() {
  const host = document.createElement('div');
  const tools = new FakeTools();
  return { host, tools, markdown: new IncrementalMarkdown(host, tools) };
}

describe('incremental Markdown', () => {
  it('renders a settled block once, and only the open one again', async () => {
    const { host, tools, markdown } = shown();
    let text = '';
    for (const word of 'One two.\n\nThree four.\n\nFive six.\n\nSeven'.split(/(?<= |\n\n)/)) {
      text += word;
      markdown.update(text, false);
      await tools.frames(2);
    }
    markdown.update(text, true);
    await tools.frames(3);
    expect(host.textContent).toBe(text);
    expect(tools.rendered.filter(source => source.startsWith('One two.')).length).toBe(1);
    expect(tools.rendered.length).toBeLessThanOrEqual(8);
  });

  it('renders the open block at most once per frame, with the newest text', async () => {
    const { host, tools, markdown } = shown();
    for (let length = 1; length <= 50; length += 1) {
      markdown.update('x'.repeat(length), false);
    }
    await tools.frames(4);
    expect(tools.rendered.length).toBe(2);
    expect(host.textContent).toBe('x'.repeat(50));
  });

  it('shows no text twice and leaves none out while a slow block is being settled', async () => {
    const { host, tools, markdown } = shown();
    const bare = (text: string | null): string => (text ?? '').replace(/\s/g, '');
    const text = Array.from({ length: 200 }, (_, word) => `w${word}`)
      .join(' ')
      .replace(/(\d3|\d8) /g, '$1\n\n');
    tools.cost_ms = 30;
    for (let length = 1; length <= text.length; length += 7) {
      markdown.update(text.slice(0, length), false);
      await tools.frame();
      expect(bare(text).startsWith(bare(host.textContent)), host.textContent ?? '').toBe(true);
    }
    markdown.update(text, true);
    await tools.frames(30);
    expect(bare(host.textContent)).toBe(bare(text));
  });

  it('renders a slow block less often', async () => {
    const { tools, markdown } = shown();
    tools.cost_ms = 100;
    for (let length = 1; length <= 60; length += 1) {
      markdown.update('x'.repeat(length), false);
      await tools.frame();
    }
    expect(tools.rendered.length).toBeLessThan(10);
  });

  it('appends to an open fence without rendering it, and renders it when it closes', async () => {
    const { host, tools, markdown } = shown();
    const code = Array.from({ length: 30 }, (_, line) => `line ${line}\n`).join('');
    for (let length = 6; length <= code.length; length += 1) {
      markdown.update('```py\n' + code.slice(0, length), false);
    }
    await tools.frames(2);
    expect(tools.rendered).toEqual([]);
    expect(host.querySelector('pre')?.textContent).toBe(code);
    markdown.update('```py\n' + code + '```\n\nThat', false);
    await tools.frames(2);
    expect(tools.rendered[0]).toBe('```py\n' + code + '```\n\n');
  });

  it('is not overtaken by a rendering that was under way when a fence opened', async () => {
    const { host, tools, markdown } = shown();
    markdown.update('```p', false);
    markdown.update('```py\nx = 1', false);
    await tools.frames(3);
    expect(host.querySelector('pre')?.textContent).toBe('x = 1');
  });

  it('draws an old text in pieces, one after the other', async () => {
    const { host, tools, markdown } = shown();
    const text = Array.from({ length: 40 }, (_, index) => `Word ${index} `.repeat(40)).join('\n\n');
    tools.cost_ms = 6;
    markdown.update(text, true);
    await tools.frames(20);
    expect(host.textContent).toBe(text);
    expect(tools.rendered.every(source => source.length <= 3_000)).toBe(true);
  });

  it('renders all once more where a reference is defined after its use', async () => {
    const { host, tools, markdown } = shown();
    const text = 'See [it][1].\n\nMore.\n\n[1]: https://example.org\n';
    markdown.update(text.slice(0, 20), false);
    await tools.frames(2);
    markdown.update(text, true);
    await tools.frames(4);
    expect(tools.rendered.at(-1)).toBe(text);
    expect(host.textContent).toBe(text);
  });

  it('stops when it is disposed', async () => {
    const { host, tools, markdown } = shown();
    markdown.update('some text', false);
    markdown.dispose();
    await tools.frames(3);
    expect(host.childNodes.length).toBe(0);
    expect(tools.rendered.length).toBeLessThanOrEqual(1);
  });

  it('does not show the head of a table before it is one', () => {
    expect(steady('Text\n\n| a | b |\n|--')).toBe('Text\n');
    expect(steady('| a')).toBe('');
    expect(steady('| a |\n|---|\n| 1')).toBe('| a |\n|---|\n| 1'.replace(/\n\| 1$/, ''));
    expect(steady('a | b')).toBe('a | b');
  });
});

describe('a render queue', () => {
  it('draws the newest owner first, and spreads work over frames', async () => {
    const tools = new FakeTools();
    const order: string[] = [];
    const job = (name: string) => async () => {
      await tools.render(document.createElement('div'), name);
      order.push(name);
    };
    tools.cost_ms = 5;
    const first = tools.queue.lane();
    const second = tools.queue.lane();
    ['a1', 'a2'].forEach(name => first.add(job(name)));
    ['b1', 'b2'].forEach(name => second.add(job(name)));
    await tools.frame();
    expect(order).toEqual(['b1', 'b2']);
    first.dispose();
    await tools.frames(3);
    expect(order).toEqual(['b1', 'b2']);
  });
});

describe('what a model wrote', () => {
  it('loads no image: a link that names it stands in its place', () => {
    const html = withoutRemote('<p><img src="https://evil.example/x.png?q=1" alt="chart"></p>');
    expect(html).not.toContain('<img');
    expect(html).toContain('href="https://evil.example/x.png?q=1"');
    expect(html).toContain('chart');
  });

  it('loads nothing by any other way', () => {
    const html = withoutRemote(
      '<img src="//evil.example/a.png"><img src="/files/b.png"><img srcset="c.png 2x">' +
        '<video src="d.mp4"></video><div style="background: url(e.png)">x</div>' +
        '<a href="https://f.example" ping="https://evil.example">f</a><iframe src="g"></iframe>'
    );
    for (const trace of ['<img', '<video', '<iframe', 'url(', 'srcset', 'ping=']) {
      expect(html).not.toContain(trace);
    }
  });

  it('keeps images that are in the text itself', () => {
    expect(withoutRemote('<img src="data:image/png;base64,AAAA">')).toContain('<img');
    expect(withoutRemote('<img src="data:text/html,x">')).not.toContain('<img');
  });

  it('opens links elsewhere, and only those that lead to the web or to mail', () => {
    const html = withoutRemote(
      '<a href="https://a.example">a</a><a href="javascript:x">b</a><a href="../lab?reset">c</a>'
    );
    expect(html).toContain('target="_blank" rel="noopener noreferrer"');
    expect(html).not.toContain('javascript');
    expect(html).not.toContain('reset');
  });

  it('keeps the notebook from its keys: on every element that takes the focus', () => {
    const host = document.createElement('div');
    host.innerHTML =
      '<h1 id="x">T<a class="jp-InternalAnchorLink" href="#x">¶</a></h1>' +
      '<a href="https://a.example">a</a><details><summary>s</summary></details>' +
      '<pre>code</pre><input type="checkbox"><span tabindex="0">m</span>';
    addCopyButtons(host);
    addCopyButtons(host);
    harden(host);
    expect(host.querySelectorAll('.jp-ChatStream-copy').length).toBe(1);
    expect(host.querySelector('.jp-InternalAnchorLink')).toBeNull();
    const focusable = host.querySelectorAll('a, button, summary, input, pre, [tabindex]');
    expect(focusable.length).toBe(6);
    focusable.forEach(node => expect(node.hasAttribute(SUPPRESS_SHORTCUTS)).toBe(true));
  });
});
