/**
 * The schedules of a thread: its repeating messages.
 *
 * The log does not contain schedules, so the page requests them when their list opens and after each command.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api, ApiError } from '../connection/api';
import { asObject, listOf, textOf, textOrNull } from '../protocol/parse';
import { Store } from '../state/store';

/** How many schedules the server returns at a time. */
const PAGE = 50;

export interface Schedule {
  readonly id: string;
  readonly content: string;
  readonly cron: string;
  readonly timezone: string;
  readonly paused: boolean;
  readonly next_at: string | null;
}

interface ScheduleState {
  /** Null until they are loaded. */
  readonly schedules: readonly Schedule[] | null;
  /** Ids of the schedules for which this page is sending a command. */
  readonly acting: ReadonlySet<string>;
  readonly problem: string | null;
}

export class ScheduleList extends Store<ScheduleState> {
  constructor(
    private readonly _threadId: string,
    private readonly _api: Api,
    private readonly _trans: TranslationBundle
  ) {
    super({ schedules: null, acting: new Set(), problem: null });
  }

  /** Load the schedules. */
  async load(): Promise<void> {
    try {
      this._set({ schedules: await this._loadAll(), problem: null });
    } catch (error) {
      this._set({ problem: this._explain(error) });
    }
  }

  /** Load all pages. The newest page comes first; within a page, the oldest schedule comes first. */
  private async _loadAll(): Promise<readonly Schedule[]> {
    const path = `schedules?thread_id=${encodeURIComponent(this._threadId)}`;
    let schedules: readonly Schedule[] = [];
    let before = '';
    for (;;) {
      const page = parseSchedules(await this._api.request({ method: 'GET', path: path + before }));
      schedules = [...page, ...schedules];
      const oldest = page[0];
      if (oldest === undefined || page.length < PAGE) {
        return schedules;
      }
      before = `&before=${encodeURIComponent(oldest.id)}`;
    }
  }

  /** Pause a schedule, or resume it from its next time on. */
  pause(id: string, paused: boolean): Promise<void> {
    return this._command(id, { method: 'PATCH', body: { paused } });
  }

  /** Delete a schedule. Its sent messages stay. */
  remove(id: string): Promise<void> {
    return this._command(id, { method: 'DELETE' });
  }

  private async _command(
    id: string,
    request: { readonly method: 'PATCH' | 'DELETE'; readonly body?: object }
  ): Promise<void> {
    if (this._state.acting.has(id)) {
      return;
    }
    this._set({ acting: new Set([...this._state.acting, id]) });
    try {
      await this._api.request({ ...request, path: `schedules/${encodeURIComponent(id)}` });
      await this.load();
    } catch (error) {
      this._set({ problem: this._explain(error) });
    } finally {
      this._set({ acting: new Set([...this._state.acting].filter(other => other !== id)) });
    }
  }

  private _explain(error: unknown): string {
    return error instanceof ApiError
      ? error.message
      : this._trans.__('The repeating messages could not be loaded.');
  }
}

/** Read the response to GET schedules. */
function parseSchedules(value: unknown): readonly Schedule[] {
  const { schedules } = asObject(value, 'The list of schedules');
  return listOf(schedules).map(wire => ({
    id: textOf(wire, 'id', ''),
    content: textOf(wire, 'content', ''),
    cron: textOf(wire, 'cron', ''),
    timezone: textOf(wire, 'timezone', ''),
    paused: wire['paused'] === true,
    next_at: textOrNull(wire, 'next_at')
  }));
}
