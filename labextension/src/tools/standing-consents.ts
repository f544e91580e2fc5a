/**
 * The list of a person's standing consents to tools, which all chats of the page share.
 *
 * A page that revokes a consent tells the other pages of the browser, which then load their lists again.
 * The server checks the consents at every call, so an outdated list in a page allows nothing.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api } from '../connection/api';
import { explain } from '../connection/thread-ends';
import { asObject, listOf, textOf, textOrNull } from '../protocol/parse';
import { type StandingConsent } from '../protocol/records';
import { Store } from '../state/store';

/** Immutable. */
interface ConsentsState {
  /** Newest first; null until the first list has arrived. */
  readonly list: readonly StandingConsent[] | null;
  /** Why the last request failed. */
  readonly problem: string | null;
}

/** The other pages of this browser; a message has no content. */
export interface OtherPages {
  postMessage(message: null): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

export const CHANNEL = 'jupyter-chat-stream:consents';

export class StandingConsents extends Store<ConsentsState> {
  constructor(
    private readonly _api: Api,
    private readonly _trans: TranslationBundle,
    private readonly _others: OtherPages | null = null
  ) {
    super({ list: null, problem: null });
    if (_others !== null) {
      _others.onmessage = () => this.refresh();
    }
  }

  async load(): Promise<void> {
    try {
      const list = parseConsents(await this._api.request({ method: 'GET', path: 'consents' }));
      this._set({ list, problem: null });
    } catch (error) {
      this._set({ problem: explain(error, this._trans) });
    }
  }

  /** Load the list again if it is shown. */
  refresh(): void {
    if (this._listeners.size > 0) {
      void this.load();
    }
  }

  /** Revoke a consent, so that the tool asks again, and load the list again. */
  async revoke(id: string): Promise<void> {
    try {
      await this._api.request({ method: 'DELETE', path: `consents/${encodeURIComponent(id)}` });
    } catch (error) {
      await this.load(); // another page may have revoked the consent already
      if (this._state.list?.some(consent => consent.id === id) !== false) {
        this._set({ problem: explain(error, this._trans) });
      }
      return;
    }
    this._others?.postMessage(null);
    await this.load();
  }
}

/** Read the response to GET consents; rows that this page cannot show are left out. */
function parseConsents(value: unknown): readonly StandingConsent[] {
  const { consents } = asObject(value, 'The consents');
  return listOf(consents)
    .filter(({ id, tool }) => typeof id === 'string' && typeof tool === 'string')
    .map(wire => ({
      id: textOf(wire, 'id', ''),
      tool: textOf(wire, 'tool', ''),
      operation: textOrNull(wire, 'operation'),
      thread_id: textOrNull(wire, 'thread_id'),
      at: textOf(wire, 'at', '')
    }))
    .sort((a, b) => b.at.localeCompare(a.at));
}
