/**
 * The attachments of a message that is being written: each is uploaded at once.
 *
 * ```
 *              a slot is free            201
 *   waiting ──────────────────► uploading ───► attached
 *      │ too large                  │ refused, or no response twice
 *      └────────────► failed ◄──────┘   (`retry`: waiting again)
 * ```
 *
 * An upload that the network cuts is sent again by itself, once, after AGAIN_AFTER_MS.
 *
 * At most MAX_PARALLEL uploads of a thread are under way, and at most MAX_ATTACHMENTS are kept.
 * A file that was not attached when its page was left cannot be read again: `failed` tells so.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api, ApiError, newKey } from '../connection/api';
import { uploadAttachment } from '../connection/attachments';
import { type AttachmentFiles } from './attachment-files';
import { type DraftAttachment } from './drafts';
import { shownName, sizeText, typeOf } from './files';

/** The server refuses a message with more. */
export const MAX_ATTACHMENTS = 20;
/** More uploads at once would not be faster, and would take all of a browser's connections. */
const MAX_PARALLEL = 2;
/** A network that was cut for a moment is back by then. */
export const AGAIN_AFTER_MS = 2000;
/** No server takes a larger file, so its bytes are not read. */
const MOST_READ = 64 * 1024 * 1024;
/** Refusals that end: with a new login, a sent or removed file, or a second upload. */
const PASSING: ReadonlySet<string> = new Set(['login_ended', 'too_much_unsent', 'upload_lost']);

/** One attachment of the message that is being written. Immutable. */
export interface DraftFile {
  readonly key: string;
  /** Cleaned by `shownName`. */
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly state: 'waiting' | 'uploading' | 'attached' | 'failed';
  /** The share of the bytes that were sent, from 0 to 1. */
  readonly progress: number;
  /** The server's id; null until the file is attached. */
  readonly id: string | null;
  /** Why the upload failed. */
  readonly error: string | null;
  /** Whether the same upload may succeed later. */
  readonly mayRetry: boolean;
}

/** A file to attach: from the clipboard, a drop, or the file dialog; or one that is read later. */
export interface NamedBlob {
  readonly name: string;
  /** @throws ApiError if the file cannot be read; `maxBytes` is null if no bound is known. */
  readonly blob: Blob | ((maxBytes: number | null) => Promise<Blob>);
}

export interface UploadOptions {
  readonly api: Api;
  readonly files: AttachmentFiles;
  readonly trans: TranslationBundle;
  readonly locale: string;
  /** The largest attachment that the server takes, in bytes; null if that is not known. */
  readonly maxBytes: () => Promise<number | null>;
  /** Called after each change of `items`. */
  readonly onChange: () => void;
}

export class UploadQueue {
  constructor(options: UploadOptions, attachments: readonly DraftAttachment[]) {
    this._options = options;
    this._items = attachments.map(attachment => restoreItem(attachment, options.trans));
  }

  get items(): readonly DraftFile[] {
    return this._items;
  }

  /** What a draft keeps of the attachments; see `restoreItem` for what a reload makes of it. */
  get draftItems(): readonly DraftAttachment[] {
    return this._items.map(({ id, name, type, size }) => ({ id, name, type, size }));
  }

  /** Add files and begin to upload them. Returns how many were too many. */
  add(files: readonly NamedBlob[]): number {
    const newFiles = files.slice(0, Math.max(0, MAX_ATTACHMENTS - this._items.length));
    for (const { name, blob } of newFiles) {
      const key = newKey();
      const [size, type] = typeof blob === 'function' ? [0, ''] : [blob.size, blob.type];
      this._blobs.set(key, blob);
      const item = newItem({ key, name: shownName(name), type: typeOf(name, type), size });
      this._items = [...this._items, item];
    }
    if (newFiles.length > 0) {
      this._options.onChange();
      this._fill();
    }
    return files.length - newFiles.length;
  }

  /** Remove an attachment: its upload ends, or the server may delete it. */
  remove(key: string): void {
    const id = this._items.find(item => item.key === key)?.id ?? null;
    this._drop(new Set([key]));
    if (id !== null) {
      const path = `attachments/${encodeURIComponent(id)}`;
      // The server deletes by itself what no message holds, so a failure costs nothing.
      void this._options.api.request({ method: 'DELETE', path }).catch(() => undefined);
    }
  }

  /** Remove attachments that were sent. */
  removeSent(items: readonly DraftFile[]): void {
    this._drop(new Set(items.map(item => item.key)));
  }

  retry(key: string): void {
    const item = this._items.find(each => each.key === key);
    if (item?.mayRetry === true) {
      this._change(key, { state: 'waiting', progress: 0, error: null, mayRetry: false });
      this._fill();
    }
  }

  /** Mark an attachment that the server does not have any more; it can be uploaded again. */
  markLost(id: string): void {
    for (const item of this._items) {
      if (item.id === id) {
        const { trans } = this._options;
        this._fail(item.key, trans.__('The server no longer has this file.'), true);
      }
    }
  }

  /** The bytes of an attachment, if this page has read them. */
  blob(key: string): Blob | null {
    const blob = this._blobs.get(key);
    return blob instanceof Blob ? blob : null;
  }

  /** Wait until none of these uploads is under way, or the queue is disposed. */
  async untilSettled(keys: ReadonlySet<string>): Promise<void> {
    while (this._items.some(item => keys.has(item.key) && isUnfinished(item))) {
      await new Promise<void>(resolve => this._waiters.push(resolve));
    }
  }

  dispose(): void {
    this._aborts.forEach(abort => abort.abort());
    this._aborts.clear();
    this._blobs.clear();
    this._items = [];
    this._tell();
  }

  private _drop(keys: ReadonlySet<string>): void {
    for (const key of keys) {
      this._aborts.get(key)?.abort();
      this._aborts.delete(key);
      this._blobs.delete(key);
    }
    this._items = this._items.filter(item => !keys.has(item.key));
    this._options.onChange();
    this._fill();
    this._tell();
  }

  /** Begin as many uploads as may be under way. */
  private _fill(): void {
    for (const { key, state } of this._items) {
      if (this._aborts.size >= MAX_PARALLEL) {
        return;
      }
      if (state === 'waiting') {
        void this._upload(key);
      }
    }
  }

  private async _upload(key: string): Promise<void> {
    const abort = new AbortController();
    this._aborts.set(key, abort);
    this._change(key, { state: 'uploading' });
    try {
      await this._sendTwice(key, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) {
        const { trans } = this._options;
        const isOurs = error instanceof ApiError;
        const text = isOurs ? error.message : trans.__('The browser could not read this file.');
        this._fail(key, text, isOurs && mayPass(error));
      }
    }
    // A removed upload has given its place away.
    if (this._aborts.get(key) === abort) {
      this._aborts.delete(key);
    }
    this._fill();
    this._tell();
  }

  /** Send a file, and once more if no response came. */
  private async _sendTwice(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this._send(key, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || error.status !== 0) {
        throw error;
      }
      this._change(key, { progress: 0 });
      await pause(AGAIN_AFTER_MS, signal);
      await this._send(key, signal);
    }
  }

  private async _send(key: string, signal: AbortSignal): Promise<void> {
    const { api, files, maxBytes } = this._options;
    const blob = await this._read(key, await maxBytes());
    const item = this._items.find(each => each.key === key);
    if (item === undefined || signal.aborted) {
      return;
    }
    const onProgress = (sentBytes: number): void =>
      this._change(key, { progress: Math.min(1, sentBytes / Math.max(1, blob.size)) });
    const { name, type: givenType } = item;
    const attachment = await uploadAttachment(api, {
      name,
      type: givenType,
      blob,
      onProgress,
      signal
    });
    if (!signal.aborted) {
      const { id, size, type } = attachment;
      files.keep(id, blob);
      this._change(key, { state: 'attached', progress: 1, id, size, type });
    }
  }

  /** Read a file's bytes. @throws ApiError if the server would not take them. */
  private async _read(key: string, maxBytes: number | null): Promise<Blob> {
    const { trans, locale } = this._options;
    const source = this._blobs.get(key);
    const blob = typeof source === 'function' ? await source(maxBytes) : (source ?? new Blob());
    if (maxBytes !== null && blob.size > maxBytes) {
      this._change(key, { size: blob.size });
      throw new ApiError(
        413,
        'attachment_too_large',
        tooLargeText(blob.size, maxBytes, locale, trans)
      );
    }
    const bytes = await bytesOf(blob);
    if (this._blobs.has(key)) {
      this._blobs.set(key, bytes);
      this._change(key, { size: bytes.size });
    }
    return bytes;
  }

  private _fail(key: string, error: string, mayRetry: boolean): void {
    const isHere = this._blobs.has(key);
    this._change(key, { state: 'failed', id: null, error, mayRetry: mayRetry && isHere });
  }

  private _change(key: string, change: Partial<DraftFile>): void {
    if (this._items.some(item => item.key === key)) {
      this._items = this._items.map(item => (item.key === key ? { ...item, ...change } : item));
      this._options.onChange();
    }
  }

  /** Wake the callers of `untilSettled`. */
  private _tell(): void {
    this._waiters.splice(0).forEach(resolve => resolve());
  }

  private readonly _options: UploadOptions;
  private _items: readonly DraftFile[];
  private readonly _blobs = new Map<string, NamedBlob['blob']>();
  /** Of the uploads that are under way. */
  private readonly _aborts = new Map<string, AbortController>();
  private readonly _waiters: (() => void)[] = [];
}

/** Whether an attachment is neither attached nor failed. */
export function isUnfinished(item: DraftFile): boolean {
  return item.state === 'waiting' || item.state === 'uploading';
}

function newItem(file: Pick<DraftFile, 'key' | 'name' | 'type' | 'size'>): DraftFile {
  return { ...file, state: 'waiting', progress: 0, id: null, error: null, mayRetry: false };
}

/** An attachment of a draft of before: its bytes are on the server, or lost with the page. */
function restoreItem(attachment: DraftAttachment, trans: TranslationBundle): DraftFile {
  const item = newItem({ ...attachment, key: newKey() });
  return attachment.id === null
    ? {
        ...item,
        state: 'failed',
        error: trans.__('This file was not uploaded before the chat was closed. Attach it again.')
      }
    : { ...item, state: 'attached', progress: 1, id: attachment.id };
}

export function tooLargeText(
  size: number,
  maxBytes: number,
  locale: string,
  trans: TranslationBundle
): string {
  const texts = [1, 2, 3, 4, 5, 6].map(
    digits => [sizeText(size, locale, digits), sizeText(maxBytes, locale, digits)] as const
  );
  // Two sizes that are almost equal get as many digits as it takes to differ.
  const [sizeLabel, limitLabel] = texts.find(([first, second]) => first !== second) ?? ['', ''];
  return trans.__('Too large: %1. This server takes files of up to %2.', sizeLabel, limitLabel);
}

/** The bytes of a file as they are now: the disk's may change. @throws if they cannot be read. */
async function bytesOf(blob: Blob): Promise<Blob> {
  return blob instanceof File && blob.size <= MOST_READ
    ? new Blob([await blob.arrayBuffer()], { type: blob.type })
    : blob;
}

/** Wait; an abort ends it at once. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** Whether a failed upload may succeed if it is repeated. */
function mayPass({ status, code }: ApiError): boolean {
  return status === 0 || status === 429 || status >= 500 || PASSING.has(code);
}
