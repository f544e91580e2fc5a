/**
 * The models of the page: their list, which all chats share, and the keys of their endpoints.
 *
 * What is known stays while the list is requested again. A key goes to the server and is not kept.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api, type ApiRequest } from '../connection/api';
import { explain } from '../connection/thread-ends';
import { parseModels } from '../protocol/parse';
import { type ModelList } from '../protocol/records';
import { Store } from '../state/store';
import { type RecentModels } from './recent-models';

/** Immutable: a change makes a new object. */
export interface ModelsState {
  /** Null until the first list has arrived. */
  readonly list: ModelList | null;
  readonly isLoading: boolean;
  /** Why the last request failed. */
  readonly problem: string | null;
  /** Ids, newest first. */
  readonly recent: readonly string[];
}

interface ModelChoicesOptions {
  readonly api: Api;
  readonly trans: TranslationBundle;
  readonly recentModels: RecentModels;
}

export class ModelChoices extends Store<ModelsState> {
  constructor(private readonly _options: ModelChoicesOptions) {
    super({ list: null, isLoading: false, problem: null, recent: _options.recentModels.load() });
  }

  /**
   * Request the list; calls at the same time share one request.
   *
   * @param isForced the server asks the endpoints again, however new their lists are.
   */
  async load(isForced = false): Promise<void> {
    if (this._request !== null && isForced) {
      await this._request; // its lists may be older than the reason for this call
    }
    this._request ??= this._load(isForced).finally(() => (this._request = null));
    await this._request;
  }

  /** Keep a key on the server, and load the list again. Returns why it failed; null if it did not. */
  async setKey(endpoint: string, key: string): Promise<string | null> {
    return this._changeKey(endpoint, { method: 'PUT', body: { key } });
  }

  /** Remove a key from the server; the rest as for `setKey`. */
  async removeKey(endpoint: string): Promise<string | null> {
    return this._changeKey(endpoint, { method: 'DELETE' });
  }

  /** Remember that a model was chosen. */
  noteUse(id: string): void {
    const { recentModels } = this._options;
    recentModels.add(id);
    this._set({ recent: recentModels.load() });
  }

  private async _changeKey(
    endpoint: string,
    request: Pick<ApiRequest, 'method' | 'body'>
  ): Promise<string | null> {
    const { api, trans } = this._options;
    try {
      await api.request({ ...request, path: `endpoints/${encodeURIComponent(endpoint)}/key` });
    } catch (error) {
      return explain(error, trans);
    }
    await this.load(true);
    return null;
  }

  private async _load(isForced: boolean): Promise<void> {
    const { api, trans } = this._options;
    this._set({ isLoading: true });
    try {
      const path = isForced ? 'models?refresh=1' : 'models';
      const list = parseModels(await api.request({ method: 'GET', path }));
      this._set({ list, isLoading: false, problem: null });
    } catch (error) {
      this._set({ isLoading: false, problem: explain(error, trans) });
    }
  }

  private _request: Promise<void> | null = null;
}
