import { act } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { conversation, flushPromises, flushReads } from '../fakes';
import { arrive, click, has, host, page, part, press, show, type, useStage } from '../stage';

useStage();

const URLS = new Map<string, Blob>();

beforeEach(async () => {
  URLS.clear();
  // The page that is not there has neither object URLs nor modal dialogs.
  URL.createObjectURL = blob => {
    const url = `blob:${URLS.size}`;
    URLS.set(url, blob as Blob);
    return url;
  };
  URL.revokeObjectURL = url => void URLS.delete(url);
  HTMLDialogElement.prototype.showModal = function () {
    this.setAttribute('open', '');
  };
  HTMLDialogElement.prototype.close = function () {
    this.removeAttribute('open');
  };
  await show();
});

afterEach(() => vi.restoreAllMocks());

const PNG = { kind: 'attachment', name: 'plot.png', text: '', attachment_id: '1' };
const IMAGE = { ...PNG, type: 'image/png', size: 2.5 * 1_024 * 1_024 };

/** A conversation whose question has these parts before its text. */
function asked(parts: readonly object[], text = 'Why?'): object[] {
  return conversation().map(event => {
    const { message } = event as { message?: { role: string } };
    const said = text === '' ? [] : [{ kind: 'text', text }];
    return message?.role === 'user'
      ? { ...event, message: { ...message, parts: [...parts, ...said] } }
      : event;
  });
}

async function open(node: HTMLElement): Promise<void> {
  await act(async () => {
    const details = node as HTMLDetailsElement;
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    await flushPromises();
  });
}

describe('an attachment of a message', () => {
  it('is a thumbnail with the size of its box from the start, and opens larger', async () => {
    page.api.bytes.set('attachments/1', new Blob(['png'], { type: 'text/html' }));
    await arrive(asked([IMAGE]));
    expect(part('picture').dataset['state']).toBe('ready');
    const image = part('thumbnail').querySelector('img');
    const blob = URLS.get(image?.getAttribute('src') ?? '');
    expect(blob?.type).toBe('image/png'); // never what the response calls itself
    expect(part('thumbnail').getAttribute('aria-label')).toBe('Show image: plot.png');
    await click('thumbnail');
    expect(part('lightbox').hasAttribute('open')).toBe(true);
    expect(part('lightbox').textContent).toContain('image/png · 2.5 MB');
    await act(async () => {
      part('lightbox').dispatchEvent(new Event('cancel'));
      await flushPromises();
    });
    expect(has('lightbox')).toBe(false);
  });

  it('is a chip that tells so where the server no longer has it', async () => {
    await arrive(asked([IMAGE, { ...PNG, attachment_id: '2', type: 'application/pdf', size: 9 }]));
    expect(part('picture').textContent).toContain('No longer on this server');
    await click('download');
    expect(part('file-missing').textContent).toBe('No longer on this server');
  });

  it('can be loaded again after a break of the connection', async () => {
    const failing = vi.spyOn(page.api, 'download').mockRejectedValueOnce(new Error('broken'));
    await arrive(asked([IMAGE]));
    page.api.bytes.set('attachments/1', new Blob(['png']));
    await click('load-again');
    expect(failing).toHaveBeenCalledTimes(2);
    expect(part('picture').dataset['state']).toBe('ready');
  });

  it('can be loaded again where the browser cannot draw its bytes', async () => {
    page.api.bytes.set('attachments/1', new Blob(['broken']));
    await arrive(asked([IMAGE]));
    await act(async () => {
      part('thumbnail').querySelector('img')?.dispatchEvent(new Event('error'));
      await flushPromises();
    });
    expect(part('picture').dataset['state']).toBe('failed');
    await click('load-again');
    expect(page.api.downloads).toEqual(['attachments/1', 'attachments/1']);
    expect(part('picture').dataset['state']).toBe('ready');
  });

  it('is never an image where its type may hold a script', async () => {
    await arrive(asked([{ ...PNG, name: 'a.svg', type: 'image/svg+xml', size: 3 }]));
    expect(has('picture')).toBe(false);
    expect(host.querySelector('img, iframe, object, embed')).toBeNull();
    expect(part('file').textContent).toContain('a.svg');
  });

  it('is saved under a harmless name, as bytes that no browser opens as a page', async () => {
    page.api.bytes.set('attachments/1', new Blob(['<script>'], { type: 'text/html' }));
    const name = '../a\u202e<b>.html';
    await arrive(asked([{ ...PNG, name, type: 'text/html', size: 8 }]));
    const saved: (readonly [string, string])[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
      this: HTMLAnchorElement
    ) {
      saved.push([this.download, URLS.get(this.href)?.type ?? '']);
    });
    await click('download');
    expect(saved).toEqual([['_.._a\ufffd_b_.html', 'application/octet-stream']]);
  });

  it('is a table with its summary, and its exact data', async () => {
    const summary = 'rows: 3\n  a  b\n0 1  2';
    const table = { ...PNG, name: 'df', type: 'application/vnd.apache.parquet', text: summary };
    await arrive(asked([{ ...table, size: 1_234 }]));
    expect(part('attachment').textContent).toBe('tabledf');
    await open(part('attachment'));
    expect(part('attachment').textContent).toContain(summary);
    expect(part('download').textContent).toBe('Download data');
  });

  it('stays the text that it was where it has no bytes', async () => {
    await arrive(asked([{ kind: 'attachment', name: 'notes', text: 'some context' }]));
    expect(part('attachment').textContent).toBe('contextnotes');
    await open(part('attachment'));
    expect(part('attachment').textContent).toContain('some context');
    expect(has('download')).toBe(false);
  });

  it('stands alone in a message without a text', async () => {
    await arrive(asked([IMAGE], ''));
    expect(part('message-user').querySelector('.jp-ChatStream-bubble')).toBeNull();
    expect(has('picture')).toBe(true);
  });
});

describe('a note', () => {
  it('is a line of plain text in an answer', async () => {
    const text = 'Left out: <b>a.png</b>. See *this*.';
    const note = {
      seq: 9,
      type: 'note',
      thread_id: 't',
      at: 'x',
      run_id: 'r',
      message_id: 'a',
      text
    };
    await arrive([...conversation().slice(0, 8), note]);
    expect(part('note').textContent).toBe(text);
    expect(part('note').querySelector('b, em')).toBeNull();
  });
});

describe('the composer', () => {
  const file = (name: string, kind = 'text/plain'): File => new File(['x'], name, { type: kind });
  const record = { id: '1', name: 'n', type: 'text/plain', size: 1, sha256: 'h' };

  /** A pasted or dropped list of files, of which the page that is not there has no class. */
  async function happen(name: string, node: HTMLElement, data: object): Promise<Event> {
    const event = new Event(name, { bubbles: true, cancelable: true });
    Object.assign(event, data);
    await act(async () => {
      node.dispatchEvent(event);
      await flushPromises();
      page.api.calls
        .filter(call => call.path === 'status')
        .forEach(call => call.answer({ max_attachment_bytes: 20_000_000 }));
      await flushReads();
    });
    return event;
  }

  const paste = (files: readonly File[], types = ['Files']): Promise<Event> =>
    happen('paste', part('field'), { clipboardData: { files, types } });

  async function answer(index: number, value: object = record): Promise<void> {
    await act(async () => {
      page.api.uploads[index]?.answer(value);
      await flushPromises();
    });
  }

  beforeEach(async () => arrive(conversation().slice(0, 1)));

  it('attaches pasted files at once, and sends them with the text', async () => {
    expect((await paste([file('a.txt'), file('b.txt')])).defaultPrevented).toBe(true);
    expect(part('attach-status').textContent).toBe('Uploading 2 files.');
    await answer(0);
    await answer(1, { ...record, id: '2' });
    expect(part('attach-status').textContent).toBe('2 files attached.');
    await type('Why?');
    await click('send');
    expect(page.api.call('POST', 'threads/t/messages').body).toEqual({
      content: 'Why?',
      attachments: ['1', '2']
    });
    await act(async () => {
      page.api.call('POST', 'threads/t/messages').answer({});
      await flushPromises();
    });
    expect(has('chip')).toBe(false);
  });

  it('pastes the text that was copied together with a picture of it', async () => {
    const event = await paste(
      [file('image.png', 'image/png')],
      ['text/plain', 'text/html', 'Files']
    );
    expect(event.defaultPrevented).toBe(false);
    expect(has('chip')).toBe(false);
  });

  it('sends attachments without a text, and waits for their uploads', async () => {
    expect((part('send') as HTMLButtonElement).disabled).toBe(true);
    await paste([file('a.txt')]);
    await click('send');
    expect(part('send').textContent).toBe('Uploading…');
    expect((part('field') as HTMLTextAreaElement).readOnly).toBe(true);
    expect(page.api.calls.some(call => call.method === 'POST')).toBe(false);
    await answer(0);
    expect((part('field') as HTMLTextAreaElement).readOnly).toBe(false);
    expect(page.api.call('POST', 'threads/t/messages').body).toEqual({
      content: '',
      attachments: ['1']
    });
  });

  it('sends nothing while a file is not attached, and says so', async () => {
    await paste([file('a.txt')]);
    await type('Why?');
    await click('send');
    await act(async () => {
      page.api.uploads[0]?.fail(new Error('bug'));
      await flushPromises();
    });
    expect(page.api.calls.some(call => call.method === 'POST')).toBe(false);
    expect(part('problem').textContent).toContain('A file is not attached.');
    await click('chip-remove');
    await click('send');
    expect(page.api.call('POST', 'threads/t/messages').body).toEqual({ content: 'Why?' });
  });

  it('takes dropped files anywhere on the chat, and leaves a dropped text to the field', async () => {
    const data = (types: readonly string[], files: readonly File[]) => ({
      dataTransfer: { types, files, dropEffect: 'none' }
    });
    const text = data(['text/plain'], []);
    expect((await happen('dragover', part('log'), text)).defaultPrevented).toBe(false);
    await happen('dragover', part('log'), data(['Files'], []));
    expect(has('drop-hint')).toBe(true);
    const drop = await happen('drop', part('log'), data(['Files'], [file('a.csv', 'text/csv')]));
    expect(drop.defaultPrevented).toBe(true);
    expect(has('drop-hint')).toBe(false);
    expect(part('chip').textContent).toContain('a.csv');
  });

  it("takes what is dragged from JupyterLab's file browser", async () => {
    const paths = ['data/a.csv', 'b.png'];
    const getData = (kind: string) =>
      kind === 'application/x-jupyter-icontents' ? paths : undefined;
    const drag = { mimeData: { getData }, proposedAction: 'move', dropAction: 'none' };
    const over = await happen('lm-dragover', part('field'), drag);
    expect(over.defaultPrevented).toBe(true);
    expect((over as Event & { dropAction: string }).dropAction).toBe('move');
    await happen('lm-drop', part('field'), drag);
    expect(page.api.uploads.map(one => one.body.size)).toEqual([23, 18]);
    const cells = { ...drag, mimeData: { getData: () => undefined } };
    expect((await happen('lm-drop', part('field'), cells)).defaultPrevented).toBe(false);
  });

  it('tells before sending what the model will not read, and does not stop it', async () => {
    await act(async () => {
      page.api.call('GET', 'models').answer({
        models: [{ id: 'demo/tour', label: 'Tour', can: ['images'] }],
        default: null
      });
      await flushPromises();
    });
    await paste([file('a.png', 'image/png'), file('b.pdf', 'application/pdf')]);
    const notes = [...host.querySelectorAll('[data-testid=chip-note]')].map(one => one.textContent);
    expect(notes).toEqual(['Tour cannot read PDFs: it gets only the name.']);
    expect(part('attach-status').textContent).toBe(
      'Uploading 2 files. Tour cannot read PDFs: it gets only the name.'
    );
    expect((part('send') as HTMLButtonElement).disabled).toBe(false);
  });

  it('removes a chip by the keyboard, and keeps the focus in the chat', async () => {
    await paste([file('a.txt')]);
    part('chip-remove').focus();
    expect((await press(part('chip-remove'), { key: 'Enter' })).defaultPrevented).toBe(false);
    await click('chip-remove');
    expect(has('chip')).toBe(false);
    expect(document.activeElement).toBe(part('field'));
  });

  it('takes no files while it is disabled', async () => {
    await show({ isDisabled: true });
    const data = { dataTransfer: { types: ['Files'], files: [file('a.txt')], dropEffect: 'none' } };
    await happen('drop', part('log'), data);
    expect(has('chip')).toBe(false);
    expect((part('attach') as HTMLButtonElement).disabled).toBe(true);
  });
});
