// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { MIME_TYPE } from '../../src/protocol/address';
import { conversation, flushPromises } from '../fakes';
import {
  FakeOutput,
  PATH,
  answer,
  chatOutput,
  follow,
  notebook,
  page,
  receive,
  settings,
  useOpenNotebook
} from './open-notebook';

useOpenNotebook();

/** The number of copies that were requested. */
const requests = (): number => page.api.calls.filter(({ path }) => path.includes('/copy')).length;

function save(): void {
  notebook.saveState.emit('started');
}

describe('the copy in a notebook', () => {
  it('is what the server has written, from the next save on', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    save();
    expect(output.writes).toBe(0);
    await answer('new');
    expect(output.writes).toBe(0);
    save();
    expect(output.data).toEqual({
      [MIME_TYPE]: { thread: 't' },
      'text/markdown': 'new',
      'text/plain': 'plain new'
    });
  });

  it('is not touched where it is the same, also as the lines of a file', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    await answer('one\ntwo');
    save();
    output.data = { ...output.data, 'text/markdown': ['one\n', 'two'] };
    save();
    expect(output.writes).toBe(1);
  });

  it('is not touched while the thread is unknown or cut off, nor on other occasions', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    save();
    expect(requests()).toBe(0);
    follow();
    await answer('new');
    page.network.socket.drop();
    save();
    notebook.saveState.emit('completed');
    expect(output.writes).toBe(0);
  });

  it('is not requested for a notebook that others write too, or that cannot be written', () => {
    const output = chatOutput();
    notebook.model.collaborative = true;
    notebook.outputs.add(output);
    follow();
    save();
    notebook.model.collaborative = false;
    notebook.model.readOnly = true;
    save();
    expect([requests(), output.writes]).toEqual([0, 0]);
  });

  it('says nothing of the conversation where the setting says none', () => {
    settings.extent = 'none';
    const output = chatOutput();
    notebook.outputs.add(output);
    follow();
    save();
    expect(output.data['text/markdown']).toBe('*(this notebook keeps no copy of the chat)*');
    expect(requests()).toBe(0);
  });

  it('is of the last exchange where the setting says so, and of the run of the output', async () => {
    settings.extent = 'last';
    const output = chatOutput('old', { thread: 't', run: 'r' });
    notebook.outputs.add(output);
    follow();
    await answer('new', 10, 'threads/t/copy?extent=last&run_id=r');
    settings.extent = 'all';
    save();
    expect(output.writes).toBe(0); // what has come is of the older setting
    await answer('whole', 10, 'threads/t/copy?extent=all&run_id=r');
    save();
    expect(output.data['text/markdown']).toBe('whole');
  });

  it('leaves other outputs alone', () => {
    follow();
    const other = new FakeOutput({ 'text/markdown': 'mine' });
    notebook.outputs.add(other);
    save();
    expect([requests(), other.writes]).toEqual([0, 0]);
  });
});

describe('the request for a copy', () => {
  const later = conversation();

  it('is made when a message was added or has ended, and not for each piece of an answer', async () => {
    notebook.outputs.add(chatOutput());
    follow(3);
    expect(requests()).toBe(1);
    await answer('being written', 3);
    for (const piece of later.slice(3, 9)) {
      receive(piece);
    }
    expect(requests()).toBe(1);
    receive(...later.slice(9));
    expect(requests()).toBe(2);
  });

  it('is made once at a time, and once more for all changes meanwhile', async () => {
    notebook.outputs.add(chatOutput());
    follow(2);
    receive(...later.slice(2, 3));
    receive(...later.slice(3));
    expect(requests()).toBe(1);
    await answer('first', 2);
    expect(requests()).toBe(2);
    await answer('second', 10);
    expect(requests()).toBe(2);
  });

  it('brings nothing that is older than the thread on the page', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow(3);
    await answer('being written', 3);
    receive(...later.slice(3));
    save();
    expect(output.writes).toBe(0);
    await answer('still being written', 9);
    save();
    expect(output.writes).toBe(0);
  });

  it('may bring what the page has not heard of yet', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow(3);
    await answer('the end', 10);
    save();
    expect(output.data['text/markdown']).toBe('the end');
  });

  it('that fails leaves the copy, and is repeated at the next save', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow();
    page.api.call('GET', PATH).fail(new Error('gone'));
    await flushPromises();
    expect(requests()).toBe(1);
    save();
    expect([requests(), output.writes]).toEqual([2, 0]);
    await answer('new');
    save();
    expect(output.data['text/markdown']).toBe('new');
  });

  it('waits for the one before it: a notebook may hold a hundred chats', async () => {
    const runs = ['r', 's', 'u'];
    runs.forEach(run => notebook.outputs.add(chatOutput('old', { thread: 't', run })));
    const shown = conversation();
    const replies = runs.map((run, index) => ({
      ...(shown[0] as object),
      seq: 11 + index,
      message: { ...(shown[1] as { message: object }).message, id: run, run_id: run }
    }));
    follow();
    receive(...replies);
    const count = requests();
    await answer('first', 13, `${PATH}&run_id=r`);
    expect([count, requests()]).toEqual([1, 2]);
  });

  it('is made again for an output that came while there was no connection', async () => {
    follow();
    page.network.socket.drop();
    notebook.outputs.add(chatOutput());
    expect(requests()).toBe(0);
    page.network.clock.turn(60_000);
    page.network.socket.open();
    page.network.socket.receive({ op: 'live', thread: 't', seq: 10 });
    page.frame();
    expect(requests()).toBe(1);
  });

  it('that brings something else leaves the copy', async () => {
    const output = chatOutput();
    notebook.outputs.add(output);
    follow();
    page.api.call('GET', PATH).answer({ seq: 10, markdown: null });
    await flushPromises();
    save();
    expect(output.writes).toBe(0);
  });

  it('is one for several outputs of a chat', async () => {
    const outputs = [chatOutput(), chatOutput()];
    outputs.forEach(output => notebook.outputs.add(output));
    follow();
    expect(requests()).toBe(1);
    await answer('new');
    save();
    expect(outputs.map(output => output.data['text/markdown'])).toEqual(['new', 'new']);
  });

  it('is not made for a run that did not change', async () => {
    notebook.outputs.add(chatOutput('old', { thread: 't', run: 'r' }));
    follow();
    const path = `${PATH}&run_id=r`;
    await answer('new', 10, path);
    const question = { ...(later[1] as { message: object }), seq: 11 };
    receive({ ...question, message: { ...question.message, id: 'q2', parent_id: 'a' } });
    expect(requests()).toBe(1);
  });

  it('ends with the notebook, or with the output', async () => {
    notebook.outputs.add(chatOutput());
    follow(3);
    notebook.outputs.clear();
    notebook.cellsChanged.emit();
    expect(page.api.call('GET', PATH).signal?.aborted).toBe(true);
    notebook.outputs.add(chatOutput());
    const second = page.api.call('GET', PATH);
    notebook.disposed.emit();
    expect(second.signal?.aborted).toBe(true);
    receive(...later.slice(3));
    second.fail(new Error('aborted'));
    await flushPromises();
    expect(requests()).toBe(2);
  });
});
