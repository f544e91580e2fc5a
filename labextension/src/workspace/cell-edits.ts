/** Edits of cells that are named by id, as `patches.ts` reads them from a proposal. Pure. */
import { digestOf } from '../text/digest';
import { type CellKind } from './values';

/** Where a cell is put. `cell` may be new, or the same proposal may delete it. */
export type CellPlace =
  { readonly side: 'start' | 'end' } | { readonly side: 'before' | 'after'; readonly cell: string };

export type CellEdit =
  | {
      readonly op: 'replace';
      readonly cell: string;
      readonly version: string;
      readonly source: string;
    }
  | { readonly op: 'delete'; readonly cell: string; readonly version: string }
  | { readonly op: 'move'; readonly cell: string; readonly place: CellPlace }
  | {
      readonly op: 'insert';
      /** The id of the new cell. */
      readonly cell: string;
      readonly type: CellKind;
      readonly source: string;
      readonly place: CellPlace;
    };

/** A proposal cannot be made; the message is a sentence for the model. */
export class MisfitError extends Error {
  override readonly name = 'MisfitError';
}

/** The version of a source: a digest, which differs for different sources. */
export const versionOf = digestOf;

/** The cells that a proposal touches, in the order of its first edit of each. */
export function cellsOf(edits: readonly CellEdit[]): readonly string[] {
  return [...new Set(edits.map(edit => edit.cell))];
}

/**
 * The edits of the accepted cells. If an edit puts a cell beside a rejected new cell, it gets the place
 * of the rejected cell.
 */
export function acceptedEdits(
  edits: readonly CellEdit[],
  accepted: ReadonlySet<string>
): readonly CellEdit[] {
  const rejectedPlaces = new Map<string, CellPlace>();
  const result: CellEdit[] = [];
  for (const edit of edits) {
    const isPlaced = edit.op === 'move' || edit.op === 'insert';
    const place = isPlaced ? nearest(edit.place, rejectedPlaces) : null;
    if (accepted.has(edit.cell)) {
      result.push(isPlaced && place !== null ? { ...edit, place } : edit);
    } else if (edit.op === 'insert' && place !== null) {
      rejectedPlaces.set(edit.cell, place);
    }
  }
  return result;
}

/** The place of a new cell names only earlier cells, so one replacement finds an existing cell. */
function nearest(place: CellPlace, leftOut: ReadonlyMap<string, CellPlace>): CellPlace {
  return 'cell' in place ? (leftOut.get(place.cell) ?? place) : place;
}
