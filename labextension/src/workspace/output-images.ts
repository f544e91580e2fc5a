/** Makes files of a tool result from the images in the outputs of cells. Bounded. Pure. */
import { fieldsOf } from '../protocol/fields';
import { type ResultFile } from '../tools/call-files';
import { type FileCell } from './proposals';

/** By the MIME type of an image that models can read: the ending of its file name. */
const ENDINGS: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpg' };
const MOST_IMAGES = 8;
/** The most characters of base64 of all images of one call. */
const MOST_CHARS = 4_000_000;

/** The images of some cells, by the id of the cell; images beyond the bound are left out. */
export function outputImages(
  cells: readonly FileCell[]
): ReadonlyMap<string, readonly ResultFile[]> {
  const imagesOf = new Map<string, readonly ResultFile[]>();
  let [count, chars] = [0, 0];
  for (const { id, outputs } of cells) {
    const files: ResultFile[] = [];
    for (const output of Array.isArray(outputs) ? (outputs as readonly unknown[]) : []) {
      const image = imageOf(output);
      if (image === null || count >= MOST_IMAGES || chars + image.base64.length > MOST_CHARS) {
        continue;
      }
      const blob = blobOf(image.base64, image.type);
      if (blob !== null) {
        [count, chars] = [count + 1, chars + image.base64.length];
        files.push({ name: `${id}-${files.length + 1}.${ENDINGS[image.type] ?? 'png'}`, blob });
      }
    }
    if (files.length > 0) {
      imagesOf.set(id, files);
    }
  }
  return imagesOf;
}

function imageOf(output: unknown): { readonly type: string; readonly base64: string } | null {
  const data = fieldsOf(fieldsOf(output)['data']);
  for (const type of Object.keys(ENDINGS)) {
    const value = data[type];
    const text = Array.isArray(value) ? value.join('') : value;
    if (typeof text === 'string') {
      return { type, base64: text.replace(/\s/g, '') };
    }
  }
  return null;
}

/** The decoded bytes; null if the text is no base64. */
function blobOf(base64: string, type: string): Blob | null {
  try {
    return new Blob([Uint8Array.from(atob(base64), letter => letter.charCodeAt(0))], { type });
  } catch {
    return null;
  }
}
