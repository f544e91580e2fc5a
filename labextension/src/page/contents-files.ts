/**
 * Reads files that a person drags from JupyterLab's file browser.
 *
 * The contents API reads them, so only files below the server's root can be attached.
 */
import { type Contents, ServerConnection } from '@jupyterlab/services';

import { tooLargeText } from '../composer/uploads';
import { ApiError } from '../connection/api';
import { type Language } from '../text/language';

/** Make the function that reads a file. It checks the size first, and refuses a file that is too large. */
export function contentsReader(
  contents: Pick<Contents.IManager, 'get'>,
  { trans, locale }: Language
): (path: string, maxBytes: number | null) => Promise<Blob> {
  return async (path, maxBytes) => {
    try {
      const { type, size } = await contents.get(path, { content: false });
      if (type === 'directory') {
        throw new ApiError(400, 'folder', trans.__('A folder cannot be attached.'));
      }
      if (maxBytes !== null && typeof size === 'number' && size > maxBytes) {
        const text = tooLargeText(size, maxBytes, locale, trans);
        throw new ApiError(413, 'attachment_too_large', text);
      }
      // With type `file`, the server sends a notebook as its bytes on the disk.
      const file = await contents.get(path, { content: true, type: 'file', format: 'base64' });
      return bytesOf(file.content);
    } catch (error) {
      throw error instanceof ApiError ? error : unreadable(error, trans);
    }
  };
}

function bytesOf(content: unknown): Blob {
  const text = atob(String(content).replace(/\s/g, ''));
  return new Blob([Uint8Array.from(text, letter => letter.charCodeAt(0))]);
}

function unreadable(error: unknown, trans: Language['trans']): ApiError {
  const isResponse = error instanceof ServerConnection.ResponseError;
  const text = trans.__('JupyterLab could not read this file from the server.');
  return new ApiError(isResponse ? error.response.status : 0, 'unreadable_file', text);
}
