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

/** From the lowest floor to the highest; `packages` are those that a floor may import. */
const FLOORS = [
  { names: ['markdown'], packages: ['markdown-it'] },
  {
    // Values: pure, no network, no page.
    names: [
      'language',
      'texts',
      'digest',
      'model-values',
      'tool-values',
      'protocol',
      'endings',
      'reply-times',
      'turns',
      'files',
      'transcript',
      'questions',
      'hidden-characters',
      'tool-calls',
      'builds',
      'unsent',
      'branch',
      'boundaries',
      'subscription',
      'follower',
      'parse',
      'address',
      'snapshot',
      'find',
      'queue',
      'offer'
    ],
    packages: ['@jupyterlab/translation']
  },
  {
    // The server, as this page reaches it.
    names: [
      'folders',
      'api',
      'silence',
      'connection',
      'call-executor',
      'call-files',
      'polling',
      'server-api',
      'ticker'
    ],
    packages: ['@jupyterlab/coreutils', '@jupyterlab/services', '@jupyterlab/translation']
  },
  {
    names: [
      'preferences',
      'drafts',
      'context-items',
      'live-context',
      'history',
      'attachment-files',
      'uploads',
      'composition',
      'sending',
      'schedules',
      'thread-ends',
      'usage',
      'recent-models',
      'model-choices',
      'thread-settings',
      'thread-tools',
      'standing-consents',
      'thread-state',
      'page-options',
      'branching',
      'read-mark',
      'model'
    ],
    packages: ['@jupyterlab/translation']
  },
  {
    // The notebooks of the page, in the values and verbs of a chat.
    names: ['workspace'],
    packages: ['@jupyterlab/notebook', '@jupyterlab/translation']
  },
  {
    // What can be typed in the composer beside plain text.
    names: ['slash', 'mentions'],
    packages: ['@jupyterlab/translation']
  },
  { names: ['threads'], packages: ['@jupyterlab/translation'] },
  {
    names: ['view'],
    packages: [
      'markdown-it',
      'react',
      'react-dom',
      '@jupyterlab/codemirror',
      '@jupyterlab/rendermime',
      '@jupyterlab/rendermime-interfaces',
      '@jupyterlab/translation'
    ]
  },
  {
    names: [
      'contents-files',
      'mounting',
      'page',
      'tokens',
      'mime',
      'widget',
      'widget-registry',
      'notebook-copies'
    ],
    packages: null
  },
  { names: ['panel'], packages: null },
  { names: ['cells'], packages: null },
  { names: ['index'], packages: null }
];

const PACKAGES = '^(?![.])';

/** The rule of one floor: nothing from above, and only its own packages. */
function floor({ names, packages }, index) {
  const above = FLOORS.slice(index + 1).flatMap(other => other.names);
  return names.map(name => {
    const isFolder = entries.some(entry => entry.isDirectory() && entry.name === name);
    const here = isFolder ? '\\.\\.' : '\\.';
    const patterns = [];
    if (above.length > 0) {
      patterns.push({
        regex: `^${here}/(${above.join('|')})(/|$)`,
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
      files: [isFolder ? `src/${name}/**` : `src/${name}.{ts,tsx}`],
      rules: patterns.length > 0 ? { 'no-restricted-imports': ['error', { patterns }] } : {}
    };
  });
}

const entries = readdirSync(new URL('./src', import.meta.url), { withFileTypes: true });
const known = FLOORS.flatMap(({ names }) => names);
const homeless = entries.filter(entry => !known.includes(entry.name.replace(/\.tsx?$/, '')));
if (homeless.length > 0) {
  throw new Error(`On no floor: ${homeless.map(entry => entry.name).join(', ')}`);
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
  ...FLOORS.flatMap(floor)
]);
