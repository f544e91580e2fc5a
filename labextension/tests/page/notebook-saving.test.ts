// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { flushPromises } from '../fakes';
import {
  FakeOutput,
  FakeOutputs,
  answer,
  chatOutput,
  follow,
  notebook,
  page,
  settings,
  useOpenNotebook
} from './open-notebook';

useOpenNotebook();

async function passes(ms: number): Promise<void> {
  page.network.clock.turn(ms);
  await flushPromises();
}

describe('a fresh chat output', () => {
  it('is saved soon, once for several', async () => {
    notebook.outputs.add(chatOutput());
    notebook.outputs.add(chatOutput());
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

  it('is saved with its copy, if that has come', async () => {
    follow();
    const output = chatOutput();
    notebook.outputs.add(output);
    await answer('new');
    await passes(5_000);
    expect(output.data['text/markdown']).toBe('new');
  });

  const reasons: Readonly<Record<string, () => void>> = {
    'autosave is off': () => (settings.autosave = false),
    'nothing changed': () => (notebook.model.dirty = false),
    'the notebook is read-only': () => (notebook.model.readOnly = true),
    'the file cannot be written': () => (notebook.context.contentsModel.writable = false),
    'others write it too': () => (notebook.model.collaborative = true),
    'it changed on disk': () => (notebook.onDisk = { last_modified: '2', writable: true }),
    'it became read-only on disk': () =>
      (notebook.onDisk = { last_modified: '1', writable: false }),
    'it is gone from disk': () => (notebook.onDisk = null)
  };
  for (const [reason, make] of Object.entries(reasons)) {
    it(`is not saved where ${reason}: no dialog may open`, async () => {
      make();
      notebook.outputs.add(chatOutput());
      await passes(5_000);
      expect(notebook.saves).toBe(0);
    });
  }

  it('is saved after a save that is under way: two at once can open a dialog', async () => {
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await passes(5_000);
    expect(notebook.saves).toBe(0);
    notebook.saveState.emit('completed');
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

  it('is not saved twice, if the save under way has written it', async () => {
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await passes(5_000);
    notebook.model.dirty = false;
    notebook.saveState.emit('completed');
    await passes(5_000);
    expect(notebook.saves).toBe(0);
  });

  it('is saved after a save that tells no end, because a person cancelled its dialog', async () => {
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await passes(60_000);
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });

  it('leaves no timer behind when the notebook is closed during the delay', async () => {
    const before = page.network.clock.pending;
    notebook.outputs.add(chatOutput());
    notebook.saveState.emit('started');
    await flushPromises();
    expect(page.network.clock.pending).toBe(before + 2);
    notebook.close();
    expect(page.network.clock.pending).toBe(before);
  });

  it('is not saved if the notebook is closed during the request for its file', async () => {
    notebook.outputs.add(chatOutput());
    page.network.clock.turn(1_000); // the request has begun, and its answer comes later
    notebook.close();
    await flushPromises();
    expect(notebook.saves).toBe(0);
  });

  it('of another kind is not our business', async () => {
    notebook.outputs.add(new FakeOutput({ 'text/plain': '2' }));
    await passes(5_000);
    expect(notebook.saves).toBe(0);
  });

  it('of a cell that was added later is saved too', async () => {
    const outputs = new FakeOutputs();
    notebook.model.cells.push({ outputs });
    notebook.cellsChanged.emit();
    outputs.add(chatOutput());
    await passes(5_000);
    expect(notebook.saves).toBe(1);
  });
});
