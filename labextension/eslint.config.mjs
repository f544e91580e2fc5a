/**
 * What TypeScript does not see: mistakes with promises and hooks, Jupyter's own contracts, and the
 * floors. A module imports from its own floor and from those below, never from above.
 */
import { readdirSync } from 'node:fs';

import js from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import { defineConfig, globalIgnores } from 'eslint/config';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const TRANSLATION = '@jupyterlab/translation';

/**
 * From the lowest floor to the highest; `packages` are those that a floor may import. What each
 * folder is for, is said in docs/architecture.md ("In the browser").
 */
const FLOORS = [
  // Pure: no network, no page.
  { names: ['markdown'], packages: ['markdown-it'] },
  { names: ['text', 'state'], packages: [TRANSLATION] },
  { names: ['protocol'], packages: [] },
  { names: ['fold'], packages: [TRANSLATION] },
  // The server, as this page reaches it, and what the page knows of a chat.
  {
    names: ['connection'],
    packages: ['@jupyterlab/coreutils', '@jupyterlab/services', TRANSLATION]
  },
  { names: ['models', 'tools', 'composer', 'threads'], packages: [TRANSLATION] },
  { names: ['thread'], packages: [TRANSLATION] },
  { names: ['workspace'], packages: ['@jupyterlab/notebook', TRANSLATION] },
  { names: ['mentions'], packages: [TRANSLATION] },
  {
    names: ['view'],
    packages: [
      'markdown-it',
      'react',
      'react-dom',
      '@jupyterlab/codemirror',
      '@jupyterlab/rendermime',
      '@jupyterlab/rendermime-interfaces',
      TRANSLATION
    ]
  },
  // JupyterLab: any package.
  { names: ['page'], packages: null },
  { names: ['panel'], packages: null },
  { names: ['cells'], packages: null },
  { names: ['index'], packages: null }
];

const PACKAGES = '^(?![.])';

/** The rule of one floor: nothing from above, and only its own packages. */
function floor({ names, packages }, index) {
  const above = FLOORS.slice(index + 1).flatMap(other => other.names);
  const patterns = [];
  if (above.length > 0) {
    patterns.push({
      regex: `^(\\.\\./)+(${above.join('|')})/`,
      message: 'This is on a floor above: imports go down only (eslint.config.mjs).'
    });
  }
  if (packages !== null) {
    const allowed = packages.map(known => `(?!${known}(/|$))`).join('');
    patterns.push({
      regex: `${PACKAGES}${allowed}`,
      message: 'This floor imports no such package (eslint.config.mjs).'
    });
  }
  return {
    files: names.map(name => `src/${name}{/**,.ts}`),
    rules: patterns.length > 0 ? { 'no-restricted-imports': ['error', { patterns }] } : {}
  };
}

const entries = readdirSync(new URL('./src', import.meta.url));
const known = FLOORS.flatMap(({ names }) => names);
const homeless = entries.filter(entry => !known.includes(entry.replace(/\.ts$/, '')));
if (homeless.length > 0) {
  throw new Error(`On no floor: ${homeless.join(', ')}`);
}

export default defineConfig([
  globalIgnores(['lib', 'node_modules', '.yarn']),
  js.configs.recommended,
  {
    rules: {
      // Answers may hold control characters, and it is these patterns that find them.
      'no-control-regex': 'off',
      'no-useless-escape': ['error', { allowRegexCharacters: ['['] }]
    }
  },
  { files: ['eslint.config.mjs'], languageOptions: { globals: { URL: 'readonly' } } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }
    },
    rules: {
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }
      ],
      // What an interface wants as a promise may have nothing to wait for.
      '@typescript-eslint/require-await': 'off'
    }
  },
  {
    // The rules of hooks, and those of React's compiler: a component's function is pure.
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': reactHooks },
    rules: { ...reactHooks.configs.recommended.rules, 'react-hooks/exhaustive-deps': 'error' }
  },
  jupyter.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}'],
    rules: {
      // `index.ts` registers what the other modules make, as soon as a notebook is opened.
      'jupyter/prefer-lazy-imports': 'off'
    }
  },
  {
    files: ['tests/**'],
    rules: {
      '@typescript-eslint/unbound-method': 'off',
      'jupyter/no-untranslated-string': 'off'
    }
  },
  ...FLOORS.map(floor)
]);
