// @vitest-environment node
// A class has one meaning: two rooms of the page that share a name also share its styles.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SOURCES = join(__dirname, '..', 'src');
/** Classes of elements that every room may draw. */
const SHARED = ['jp-ChatStream-button', 'jp-ChatStream-unseen'];

function classesIn(folder: string): ReadonlySet<string> {
  const names = readdirSync(join(SOURCES, folder), { recursive: true, encoding: 'utf8' });
  const files = names.filter(name => /\.tsx?$/.test(name));
  const texts = files.map(name => readFileSync(join(SOURCES, folder, name), 'utf8'));
  return new Set(texts.flatMap(text => text.match(/jp-ChatStream-\w+/g) ?? []));
}

it.each([
  ['panel', 'view'],
  ['panel', 'cells'],
  ['cells', 'view'],
  ['view/drawing', 'view/models']
])('gives no class of %s to an element of %s', (one, other) => {
  const theirs = classesIn(other);
  const both = [...classesIn(one)].filter(name => theirs.has(name) && !SHARED.includes(name));
  expect(both).toEqual([]);
});
