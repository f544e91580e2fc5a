// @vitest-environment node
import { type Contents } from '@jupyterlab/services';
import { describe, expect, it } from 'vitest';

import {
  fileName,
  nameEnds,
  shownName,
  sizeText,
  typeOf,
  unreadText
} from '../../src/composer/files';
import { xsrfToken } from '../../src/connection/server-api';
import { contentsReader } from '../../src/page/contents-files';
import { type Model } from '../../src/protocol/records';
import { ENGLISH } from '../fakes';

describe('a file', () => {
  it.each([
    ['prices.csv', 'application/vnd.ms-excel', 'text/csv'],
    ['module.ts', 'video/mp2t', 'application/octet-stream'],
    ['plot.PNG', 'image/png', 'image/png'],
    ['drawing.svg', 'image/svg+xml', 'application/octet-stream'],
    ['page.html', 'text/html;charset=utf-8', 'text/html'],
    ['nb.ipynb', '', 'application/x-ipynb+json'],
    ['x', 'text/<script>', 'application/octet-stream']
  ])('%s that a browser calls %s is sent as %s', (name, browsers, sent) => {
    expect(typeOf(name, browsers)).toBe(sent);
  });

  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [999, '999 bytes'],
    [1_024, '1 kB'],
    [2_250, '2.2 kB'],
    [1_000_000, '977 kB'],
    [1024 * 1023, '1,023 kB'],
    [20 * 1024 * 1024, '20 MB'],
    [1024 * 1024 - 1, '1 MB']
  ])('of %i bytes has %s', (bytes, text) => expect(sizeText(bytes, 'en-GB')).toBe(text));

  it('has a name that hides and turns nothing, and is never empty', () => {
    expect(shownName('a\u202eb\u0000c\ud800\n')).toBe('a\ufffdb\ufffdc\ufffd\ufffd');
    expect(shownName('  ')).toBe('…');
    expect(shownName('n'.repeat(5_000)).length).toBe(300);
  });

  it('is saved under a name that is no path and not hidden', () => {
    expect(fileName('../../.bashrc')).toBe('_.._.._.bashrc');
    expect(fileName('C:\\a?.csv')).toBe('C__a_.csv');
  });

  it('has a long name whose ending is kept', () => {
    expect(nameEnds('short.csv')).toEqual({ start: 'short.csv', end: '' });
    const long = `${'n'.repeat(40)}-end.csv`;
    expect(nameEnds(long)).toEqual({ start: 'n'.repeat(40), end: '-end.csv' });
    expect(nameEnds('n'.repeat(40)).end).toBe('');
  });

  it('is told to be unread by a model only if that is known', () => {
    const model = { label: 'M', can: ['images'] } as unknown as Model;
    const told = (type: string, by?: Model) => unreadText(type, by, ENGLISH.trans);
    expect(told('application/pdf', model)).toBe('M cannot read PDFs: it gets only the name.');
    expect(told('image/png', model)).toBeNull();
    expect(told('text/html', model)).toBeNull();
    expect(told('application/vnd.apache.parquet', model)).toContain('Parquet');
    expect(told('application/pdf')).toBeNull();
  });
});

describe("a file of JupyterLab's file browser", () => {
  const model = { type: 'file', size: 4, content: 'w6Qx\nMg==' };

  function reader(found: object) {
    const asked: unknown[] = [];
    const contents = {
      get: async (path: string, options?: Contents.IFetchOptions) => {
        asked.push([path, options?.content]);
        return found as Contents.IModel;
      }
    };
    return { asked, read: contentsReader(contents, ENGLISH) };
  }

  it('is read with the bytes that are on the disk', async () => {
    const { read, asked } = reader(model);
    expect((await read('data/a.bin', 4)).size).toBe(4);
    expect(asked).toEqual([
      ['data/a.bin', false],
      ['data/a.bin', true]
    ]);
  });

  it('is not read if it is a folder, or larger than the server takes', async () => {
    const { read, asked } = reader({ ...model, type: 'directory' });
    await expect(read('data', 100)).rejects.toMatchObject({ code: 'folder' });
    expect(asked).toEqual([['data', false]]);
    const large = reader(model);
    await expect(large.read('a.bin', 3)).rejects.toMatchObject({ status: 413 });
    expect(large.asked).toEqual([['a.bin', false]]);
  });
});

describe('the cookie against forged requests', () => {
  it('is the last one of its name, as the server reads it', () => {
    expect(xsrfToken('a=1; _xsrf=old; not_xsrf=x; _xsrf=2|a=b')).toBe('2|a=b');
    expect(xsrfToken('a=1')).toBeNull();
  });
});
