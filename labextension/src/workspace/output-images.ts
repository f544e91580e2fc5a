/** The images among the outputs of cells, as files of a result. Bounded. Pure. */
import { type ResultFile } from '../tools/call-files';
import { type FileCell } from './proposals';

/** By the type of an image that models see: how its file's name ends. */
const ENDINGS: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpg' };
const MOST_IMAGES = 8;
/** Of all images of one read, as base64. */
const MOST_CHARS = 4_000_000;

/** The images of some cells, by the id of the cell; later ones that are too many are left out. */
export function outputImages(
  cells: readonly FileCell[]
): ReadonlyMap<string, readonly ResultFile[]> {
  const found = new Map<string, readonly ResultFile[]>();
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
      found.set(id, files);
    }
  }
  return found;
}

function imageOf(output: unknown): { readonly type: string; readonly base64: string } | null {
  const data: unknown =
    typeof output === 'object' && output !== null && 'data' in output ? output.data : null;
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  for (const type of Object.keys(ENDINGS)) {
    const value = (data as Readonly<Record<string, unknown>>)[type];
    const text = Array.isArray(value) ? value.join('') : value;
    if (typeof text === 'string') {
      return { type, base64: text.replace(/\s/g, '') };
    }
  }
  return null;
}

/** The bytes; null for a text that is no base64. */
function blobOf(base64: string, type: string): Blob | null {
  try {
    return new Blob([Uint8Array.from(atob(base64), letter => letter.charCodeAt(0))], { type });
  } catch {
    return null;
  }
}
