/**
 * The saved copy of one chat in a notebook, as the server has written it last.
 *
 * The copy is requested after each change that it shows, one request at a time. During the request, and
 * after one that failed, there is no current copy, and the notebook keeps the copy that it has.
 */
import { type Api } from '../connection/api';
import { exchange } from '../fold/branch';
import { type Transcript } from '../fold/transcript';
import { type Address } from '../protocol/address';
import { parseSavedCopy } from '../protocol/parse';
import { type SavedCopy, isEnd } from '../protocol/records';

/** How much of a conversation a copy holds: the setting `snapshot`. */
export type CopyExtent = 'none' | 'last' | 'all';

const NOTHING = '*(this notebook keeps no copy of the chat)*';

/** Sends the requests of a page one after the other: a notebook may show a hundred chats. */
export class CopyRequests {
  constructor(private readonly _api: Api) {}

  async get(path: string, signal: AbortSignal): Promise<SavedCopy> {
    const send = (): Promise<unknown> => this._api.request({ method: 'GET', path, signal });
    const response = this._last === null ? send() : this._last.then(send);
    const end: Promise<void> = response.then(
      () => this._end(end),
      () => this._end(end)
    );
    this._last = end;
    return parseSavedCopy(await response);
  }

  private _end(request: Promise<void>): void {
    if (this._last === request) {
      this._last = null;
    }
  }

  /** The end of the newest request. */
  private _last: Promise<void> | null = null;
}

export class ChatCopy {
  constructor(
    readonly address: Address,
    private readonly _requests: CopyRequests
  ) {}

  /** Request the copy if what it shows has changed. Returns it, or null until it has come. */
  refresh(transcript: Transcript, extent: CopyExtent): Omit<SavedCopy, 'seq'> | null {
    if (extent === 'none') {
      return { markdown: NOTHING, plain: NOTHING };
    }
    const path = pathOf(this.address, extent);
    const shown = shownState(transcript, this.address.runId);
    if (path !== this._path || shown !== this._shown) {
      this._path = path;
      this._shown = shown;
      this._changedSeq = transcript.seq;
      this._fetch();
    }
    const copy = this._copy;
    const isCurrent = copy?.path === path && copy.seq >= this._changedSeq;
    return isCurrent ? copy : null;
  }

  /** Request the copy again, if the last request failed. */
  retry(): void {
    if (this._hasFailed) {
      this._fetch();
    }
  }

  dispose(): void {
    this._isOutdated = false;
    this._abort.abort();
  }

  /** Request the copy, after the request that is under way. */
  private _fetch(): void {
    this._isOutdated = true;
    if (!this._isFetching) {
      void this._fetchAll();
    }
  }

  private async _fetchAll(): Promise<void> {
    this._isFetching = true;
    while (this._isOutdated) {
      this._isOutdated = false;
      const path = this._path;
      try {
        this._copy = { ...(await this._requests.get(path, this._abort.signal)), path };
        this._hasFailed = false;
      } catch {
        this._hasFailed = true;
      }
    }
    this._isFetching = false;
  }

  private readonly _abort = new AbortController();
  private _copy: (SavedCopy & { readonly path: string }) | null = null;
  private _path = '';
  private _shown = '';
  private _changedSeq = 0;
  private _isOutdated = false;
  private _isFetching = false;
  private _hasFailed = false;
}

function pathOf({ threadId, runId }: Address, extent: CopyExtent): string {
  const ofRun = runId === null ? '' : `&run_id=${encodeURIComponent(runId)}`;
  return `threads/${encodeURIComponent(threadId)}/copy?extent=${extent}${ofRun}`;
}

/**
 * A value that changes with each change that a copy of the thread, or of one run, shows. Of an answer that is
 * being written, a copy shows no text.
 */
export function shownState(transcript: Transcript, runId: string | null): string {
  const { messages } = transcript;
  const shown = runId === null ? [...messages.values()] : exchange(transcript, runId);
  const seqs = shown
    .filter(({ role, status }) => role === 'user' || isEnd(status))
    .map(({ seq }) => seq);
  return `${shown.length} ${shown.at(-1)?.id} ${seqs.reduce((a, b) => Math.max(a, b), 0)}`;
}
