// @vitest-environment node
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

/** Texts of Python too, of the wire, for a console, or for a model: see `language.ts`. */
const UNTRANSLATED =
  /^(fold\/(endings|transcript)|protocol\/parse|connection\/subscription|tools\/call-executor|workspace\/(cell-edits|closed-notebooks|live-context|notebook-\w+|patches|proposals))\.ts$/;
const SHOWN_ATTRIBUTES = /^(aria-label|title|placeholder|alt|label)$/;
const SENTENCE = /^[A-Z][a-z]*( .*)?[.!?…]$|^[A-Z][a-z]+ [a-z]+ [a-z]+/s;

/** Whether a string is an argument of the translator, of `console`, or of a thrown error. */
function isNotShown(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isBinaryExpression(parent) || ts.isConditionalExpression(parent)) {
    return isNotShown(parent);
  }
  const isArgument = ts.isCallExpression(parent) || ts.isNewExpression(parent);
  const callee = isArgument ? parent.expression.getText() : '';
  return /(trans\.(__|_n|_p|_np)|^console\.\w+|^(\w*Error|Token|asObject))$/.test(callee);
}

/** Where a text of the page bypasses the translator, as far as its form shows. */
function untranslated(tree: ts.SourceFile): readonly string[] {
  const found: string[] = [];
  visit(tree, node => {
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isJsxText(node);
    if (!isText || !/\p{L}/u.test(node.text)) {
      return;
    }
    const { parent } = node;
    const isAttribute =
      ts.isJsxAttribute(parent) && SHOWN_ATTRIBUTES.test(parent.name.getText(tree));
    const isSentence = SENTENCE.test(node.text) && !ts.isPropertyAssignment(parent);
    if (ts.isJsxText(node) || isAttribute || (isSentence && !isNotShown(node))) {
      found.push(node.text);
    }
  });
  return found;
}

it.each(FILES.filter(({ file }) => !UNTRANSLATED.test(file)))(
  '$file shows no text that bypasses the translator',
  ({ tree }) => expect(untranslated(tree)).toEqual([])
);

it('finds a text that bypasses the translator', () => {
  const source = `
    const one = <p title="Close">Nothing here yet</p>;
    const note = isOld ? 'This text is shown as it is.' : trans.__('This one is translated.');
    throw new Error('This one is for a console.');`;
  const tree = ts.createSourceFile('a.tsx', source, ts.ScriptTarget.ES2022, true);
  expect(untranslated(tree)).toEqual(['Close', 'Nothing here yet', 'This text is shown as it is.']);
});

it('writes each text that is translated in one place, in a form that extractors know', () => {
  const texts: string[] = [];
  FILES.forEach(({ tree }) =>
    visit(tree, node => {
      if (ts.isCallExpression(node) && /trans\._\w+$/.test(node.expression.getText())) {
        expect(node.expression.getText()).toMatch(/^(trans|this\._trans)\.(__|_n)$/);
        const [text] = node.arguments;
        texts.push(text !== undefined && ts.isStringLiteralLike(text) ? text.text : '');
      }
    })
  );
  expect(texts.length).toBeGreaterThan(90);
  expect(texts.filter((text, at) => texts.indexOf(text) !== at)).toEqual([]);
});

/** Whether a declaration is a type of its own: `type Name = Module.Name` shows another module's. */
function isType(node: ts.Node): node is ts.DeclarationStatement {
  if (ts.isTypeAliasDeclaration(node)) {
    const { name, type } = node;
    const isOther = ts.isTypeReferenceNode(type) && ts.isQualifiedName(type.typeName);
    return !(isOther && type.typeName.right.text === name.text);
  }
  return ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node);
}

it('gives no two types of the page the same name', () => {
  const where = new Map<string, string[]>();
  FILES.forEach(({ file, tree }) =>
    visit(tree, node => {
      if (isType(node)) {
        const name = node.name?.getText() ?? '';
        where.set(name, [...(where.get(name) ?? []), file]);
      }
    })
  );
  expect(where.size).toBeGreaterThan(300);
  expect([...where].filter(([, files]) => files.length > 1)).toEqual([]);
});

// The browser restyles all that is in such an element when its place changes: a list of 1 MB, when
// a block comes after it.
it('selects nothing inside of an element by the place of that element', () => {
  const style = readFileSync(join(SRC, '..', 'style', 'base.css'), 'utf8');
  const withoutComments = style.replace(/\/\*[\s\S]*?\*\//g, '');
  expect(withoutComments).toContain(':last-child');
  expect(
    withoutComments.match(/:(first|last|nth|only)-[\w-]+(\([^)]*\))?[ >+~]+[^{, >+~].*/g)
  ).toBeNull();
});
