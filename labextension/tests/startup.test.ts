// @vitest-environment node
// What starts with JupyterLab stays small: no view, no React, no Markdown, no ipywidgets.
import { readFileSync, existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { expect, it } from 'vitest';

const SRC = join(__dirname, '..', 'src');
/** `import … from 'x'` and `export … from 'x'`, without those of types alone. */
const STATIC = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const INLINE_TYPES = /^\{\s*(?:type\s+[\w\s]+,?\s*)+\}$/;
const LATE = /^(?:react|react-dom|markdown-it|@jupyter-widgets)\b/;

/** The modules that are loaded with this one, with the path that leads to each. */
function loadedWith(file: string, path: readonly string[], found: Map<string, readonly string[]>) {
  if (found.has(file)) {
    return found;
  }
  const here = [...path, relative(SRC, file)];
  found.set(file, here);
  for (const [statement, name] of readFileSync(file, 'utf-8').matchAll(STATIC)) {
    const names = /^(?:import|export)\s+([^'";]*?)\s+from/.exec(statement)?.[1] ?? '';
    if (name === undefined || INLINE_TYPES.test(names)) {
      continue; // types alone
    }
    if (name.startsWith('.')) {
      const base = join(dirname(file), name);
      const target = [`${base}.ts`, `${base}.tsx`, join(base, 'index.ts')].find(existsSync);
      if (target === undefined) {
        throw new Error(`${here.join(' → ')} imports ${name}, which is not there.`);
      }
      loadedWith(target, here, found);
    } else if (!found.has(name)) {
      found.set(name, [...here, name]);
    }
  }
  return found;
}

it('imports no view, no React, no Markdown and no ipywidgets before the first chat is drawn', () => {
  const found = loadedWith(join(SRC, 'index.ts'), [], new Map());
  expect(found.has(join(SRC, 'page', 'mounting.ts'))).toBe(true);
  const late = [...found].filter(([name]) => name.endsWith('.tsx') || LATE.test(name));
  expect(late.map(([, path]) => path.join(' → '))).toEqual([]);
});
