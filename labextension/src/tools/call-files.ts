/** The files of a tool result of this page. They are uploaded before the result, which names them. */
import { type Api } from '../connection/api';
import { uploadAttachment } from '../connection/attachments';

/** A file of a result. Its name is plain: letters, digits, `-`, `_` and `.`. */
export interface ResultFile {
  readonly name: string;
  readonly blob: Blob;
}

/** Upload files one by one. Returns the files' ids, without the files that the server refuses. */
export async function uploadFiles(
  api: Pick<Api, 'upload'>,
  files: readonly ResultFile[]
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const { name, blob } of files) {
    try {
      ids.push((await uploadAttachment(api, { name, type: blob.type, blob })).id);
    } catch (error) {
      console.warn(`A file of a tool's result was not uploaded:`, error);
    }
  }
  return ids;
}
