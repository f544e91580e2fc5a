/** Lists folders of the contents API, for the completion of file names. */
import { type Contents } from '@jupyterlab/services';

import { fieldsOf } from '../protocol/fields';

export interface FolderEntry {
  readonly name: string;
  readonly path: string;
  readonly isFolder: boolean;
}

/** Make the function that lists a folder: folders first, then files, by name. */
export function folderLister(
  contents: Pick<Contents.IManager, 'get'>
): (path: string) => Promise<readonly FolderEntry[]> {
  return async path => {
    const folder = await contents.get(path, { type: 'directory', content: true });
    const children: readonly unknown[] = Array.isArray(folder.content) ? folder.content : [];
    const entries = children.flatMap(entryOf).sort((a, b) => a.name.localeCompare(b.name));
    return [
      ...entries.filter(entry => entry.isFolder),
      ...entries.filter(entry => !entry.isFolder)
    ];
  };
}

function entryOf(value: unknown): readonly FolderEntry[] {
  const { name, path, type } = fieldsOf(value);
  return typeof name === 'string' && typeof path === 'string'
    ? [{ name, path, isFolder: type === 'directory' }]
    : [];
}
