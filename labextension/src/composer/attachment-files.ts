/**
 * The bytes of attachments, as this page has received or sent them.
 *
 * Bounds: MAX_PARALLEL requests at once, one for each id, and MAX_KEPT_BYTES; when full, the bytes that
 * were not used for the longest time are forgotten, and requested again on demand.
 */
import { type Api } from '../connection/api';

const MAX_PARALLEL = 3;
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

export class AttachmentFiles {
  constructor(
    private readonly _api: Api,
    private readonly _maxBytes = MAX_KEPT_BYTES
  ) {}

  /** The bytes of an attachment. @throws ApiError if the server does not have it. */
  async load(id: string): Promise<Blob> {
    const blob = this._blobs.get(id);
    if (blob !== undefined) {
      this.keep(id, blob); // it was used last
      return blob;
    }
    let pending = this._pending.get(id);
    if (pending === undefined) {
      pending = this._request(id).finally(() => this._pending.delete(id));
      this._pending.set(id, pending);
    }
    return pending;
  }

  /** Keep bytes that this page has, so that they need not be requested. */
  keep(id: string, blob: Blob): void {
    this._blobs.delete(id);
    if (blob.size > this._maxBytes) {
      return;
    }
    this._blobs.set(id, blob);
    let total = 0;
    for (const [oldId, { size }] of [...this._blobs].reverse()) {
      total += size;
      if (total > this._maxBytes) {
        this._blobs.delete(oldId);
      }
    }
  }

  /** Forget bytes, so that the next reader gets them from the server. */
  forget(id: string): void {
    this._blobs.delete(id);
  }

  private async _request(id: string): Promise<Blob> {
    while (this._active >= MAX_PARALLEL) {
      await new Promise<void>(resolve => this._waiters.push(resolve));
    }
    this._active += 1;
    try {
      const blob = await this._api.download(`attachments/${encodeURIComponent(id)}`);
      this.keep(id, blob);
      return blob;
    } finally {
      this._active -= 1;
      this._waiters.shift()?.();
    }
  }

  /** In the order of their last use. */
  private readonly _blobs = new Map<string, Blob>();
  private readonly _pending = new Map<string, Promise<Blob>>();
  private readonly _waiters: (() => void)[] = [];
  private _active = 0;
}
