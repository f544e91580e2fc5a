import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { EMPTY, type Transcript, fold } from '../src/fold/transcript';
import { asObject, parseEvent } from '../src/protocol/parse';

const VECTORS = join(__dirname, '..', '..', 'tests', 'vectors');

/** The state of a vector after its first `count` events. */
export function vector(name: string, count?: number): Transcript {
  const wire = JSON.parse(readFileSync(join(VECTORS, `${name}.json`), 'utf8')) as unknown;
  const { events } = asObject(wire, name) as { readonly events: readonly unknown[] };
  return fold(EMPTY, events.slice(0, count).map(parseEvent));
}

/** The cases of a folder of vectors. */
export function readCases(folder: string): unknown {
  return JSON.parse(readFileSync(join(VECTORS, folder, 'cases.json'), 'utf8'));
}
