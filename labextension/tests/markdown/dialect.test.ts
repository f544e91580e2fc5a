// @vitest-environment node
// The shared vectors of the dialect: what the page reads is what Python reads.
import { type Env } from 'markdown-it';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { type Inline, inlineNodes } from '../../src/markdown/inline';
import { blocksOf, newEnv, noDefinitions } from '../../src/markdown/parser';
import { type Block, placedBlocks } from '../../src/markdown/tree';

const FOLDER = join(__dirname, '..', '..', '..', 'tests', 'vectors', 'markdown');

type Node = string | [string, Record<string, unknown>, Node[]];

interface Vector {
  readonly name: string;
  readonly source: string;
  readonly html: Node[];
}

function treeOf(source: string): Node[] {
  const env = newEnv(noDefinitions(), false);
  const placed = placedBlocks(blocksOf(source, env));
  return placed.flatMap(({ block }) => (block === null ? [] : joined(block, env)));
}

function joined(block: Block, env: Env): Node[] {
  switch (block.kind) {
    case 'rule':
      return [['hr', {}, []]];
    case 'undecided':
      return [];
    case 'code': {
      const language = block.language === '' ? {} : { language: block.language };
      return [['pre', {}, [['code', language, texts([block.text])]]]];
    }
    case 'math':
      return [['math', { display: true }, [texOf(block.source)]]];
    case 'leaf': {
      const { task, ...rest } = block.attributes;
      const box: Node[] = task === undefined ? [] : [['input', { checked: task === 'done' }, []]];
      const inner = [...box, ...texts(inlineNodes(block.source, env).map(inlineOf))];
      return block.tag === 'tight' ? inner : [[block.tag, numbered(rest), inner]];
    }
    case 'box':
      return [
        [
          block.tag,
          numbered(block.attributes),
          texts(block.children.flatMap(child => joined(child, env)))
        ]
      ];
  }
}

function inlineOf(inline: Inline): Node {
  switch (inline.kind) {
    case 'text':
      return inline.text;
    case 'code':
      return ['code', {}, texts([inline.text])];
    case 'math':
      return ['math', { display: inline.isDisplay }, [texOf(inline.source)]];
    case 'image':
      return [
        'img',
        { src: inline.address, ...(inline.text === '' ? {} : { alt: inline.text }) },
        []
      ];
    case 'element': {
      const { role: _role, ...rest } = inline.attributes;
      return [inline.tag, rest, texts(inline.children.map(inlineOf))];
    }
  }
}

function texOf(source: string): string {
  const marks = source.startsWith('$') && !source.startsWith('$$') ? 1 : 2;
  return source.slice(marks, -marks).trim();
}

function numbered(attributes: Readonly<Record<string, string>>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'open') {
      kept[name] = true;
    } else if (name === 'start' || name.endsWith('span')) {
      kept[name] = Number(value);
    } else {
      kept[name] = value;
    }
  }
  return kept;
}

function texts(nodes: readonly Node[]): Node[] {
  const result: Node[] = [];
  for (const node of nodes) {
    const before = result.at(-1);
    if (typeof node === 'string' && typeof before === 'string') {
      result[result.length - 1] = before + node;
    } else if (node !== '') {
      result.push(node);
    }
  }
  return result;
}

const FILES = readdirSync(FOLDER).filter(file => file.endsWith('.json'));

describe('the dialect', () => {
  it('has vectors', () => {
    expect(FILES.length).toBeGreaterThan(4);
  });

  for (const file of FILES) {
    const vectors = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Vector[];
    for (const { name, source, html } of vectors) {
      it(`${file}: ${name}`, () => {
        expect(treeOf(source)).toEqual(html);
      });
    }
  }
});
