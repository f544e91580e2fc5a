import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const SRC = join(__dirname, '..', 'src');

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter(file => /\.tsx?$/.test(file))
  .map(file => {
    const text = readFileSync(join(SRC, file), 'utf8');
    return { file, text, tree: ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true) };
  });

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, child => visit(child, see));
}

function linesOf(node: ts.Node): number {
  const file = node.getSourceFile();
  const from = file.getLineAndCharacterOfPosition(node.getStart());
  return file.getLineAndCharacterOfPosition(node.getEnd()).line - from.line + 1;
}

describe.each(FILES)('$file', ({ file, text, tree }) => {
  it('uses neither `any` nor `!`', () => {
    visit(tree, node => {
      expect(node.kind === ts.SyntaxKind.AnyKeyword, node.parent?.getText()).toBe(false);
      expect(ts.isNonNullExpression(node), node.getText().slice(0, 80)).toBe(false);
    });
  });

  it('has 400 lines at most, and functions of 40 (components, being markup, of 60)', () => {
    expect(text.split('\n').length).toBeLessThanOrEqual(400);
    visit(tree, node => {
      if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
        const most = file.endsWith('.tsx') ? 60 : 40;
        expect(linesOf(node), node.getText().slice(0, 80)).toBeLessThanOrEqual(most);
      }
    });
  });
});

it('gives no two classes or interfaces of the page the same name', () => {
  const names: string[] = [];
  FILES.forEach(({ tree }) =>
    visit(tree, node => {
      if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
        names.push(node.name?.text ?? '');
      }
    })
  );
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});
