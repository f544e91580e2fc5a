/** Uploads one attachment: the body of the request has the bytes, the headers have name and type. */
import { parseAttachment } from '../protocol/parse';
import { type Attachment } from '../protocol/records';
import { type Api, type Upload } from './api';

interface NewAttachment extends Partial<Pick<Upload, 'onProgress' | 'signal'>> {
  readonly name: string;
  /** Its media type. */
  readonly type: string;
  readonly blob: Blob;
}

/** Upload a file. @throws ApiError as `Api.upload`. */
export async function uploadAttachment(
  api: Pick<Api, 'upload'>,
  { name, type, blob, onProgress = () => undefined, signal }: NewAttachment
): Promise<Attachment> {
  const value = await api.upload({
    path: 'attachments',
    body: blob,
    headers: {
      'Content-Type': type,
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeExtended(name)}`
    },
    onProgress,
    signal: signal ?? new AbortController().signal
  });
  return parseAttachment(value);
}

/** Encode a text for a header by RFC 8187. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  );
}
