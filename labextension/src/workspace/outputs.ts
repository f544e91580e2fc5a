/** Turns the outputs of a cell into text for a model: bounded, without escape sequences and images. Pure. */
import { MIME_TYPE } from '../protocol/address';
import { type Fields, isFields } from '../protocol/fields';
import { type CellError, type CellOutput } from './values';

/** The most characters of all outputs of a cell. */
export const LONGEST_OUTPUTS = 20_000;
/** If fewer characters than this are left, the remaining outputs are omitted. */
const SHORTEST_CUT = 100;
const LONGEST_NAME = 200;
const LONGEST_MESSAGE = 2_000;
/** The MIME types that are text, the best type for a model first. */
const TEXTS = ['text/plain', 'text/markdown', 'text/latex', 'application/json', 'text/html'];
/** Control sequences of terminals: CSI (colours, cursor), OSC (titles, links), and single ones. */
const ESCAPES =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-_]/g;
/** Characters that are not text: all controls but tab and line feed. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Read outputs in the format of notebook files. If a text exceeds the bound, its middle is omitted. */
export function outputTexts(outputs: readonly unknown[]): readonly CellOutput[] {
  let remaining = LONGEST_OUTPUTS;
  const texts: CellOutput[] = [];
  for (const output of joinedStreams(outputs.filter(isFields))) {
    const cellOutput = outputText(output);
    if (cellOutput.text !== '') {
      texts.push({ ...cellOutput, text: middleCut(cellOutput.text, remaining) });
    }
    remaining -= cellOutput.text.length;
    if (remaining < SHORTEST_CUT) {
      break;
    }
  }
  return texts;
}

/** The last error among the outputs; null if there is none. */
export function errorOf(outputs: readonly unknown[]): CellError | null {
  const errors = outputs.filter(isFields).filter(output => output['output_type'] === 'error');
  const last = errors.at(-1);
  return last === undefined
    ? null
    : {
        name: plainText(last['ename']).slice(0, LONGEST_NAME),
        message: plainText(last['evalue']).slice(0, LONGEST_MESSAGE),
        traceback: middleCut(tracebackOf(last), LONGEST_OUTPUTS)
      };
}

/** A text as a terminal would show it in the end, without colours. */
export function plainText(value: unknown): string {
  const text = textOf(value).replace(ESCAPES, '').replace(/\r\n/g, '\n');
  const lines = text.split('\n').map(line => {
    // Progress bars use a carriage return to overwrite the line.
    const parts = line.split('\r').filter(part => part !== '');
    return steppedBack(parts.at(-1) ?? '');
  });
  return lines.join('\n').replace(CONTROLS, '');
}

/** A line without backspaces and the characters that they delete. */
function steppedBack(line: string): string {
  if (!line.includes('\b')) {
    return line;
  }
  const chars: string[] = [];
  for (const char of line) {
    if (char === '\b') {
      chars.pop();
    } else {
      chars.push(char);
    }
  }
  return chars.join('');
}

/** The beginning and the end of a text, with a note of how much is omitted. */
export function middleCut(text: string, longest: number): string {
  if (text.length <= longest) {
    return text;
  }
  const note = `\n… ${text.length - longest} characters are left out …\n`;
  const keptChars = Math.max(0, longest - note.length);
  const head = Math.ceil(keptChars * 0.4);
  return wholeText(text.slice(0, head) + note + text.slice(text.length - (keptChars - head)));
}

/** A text without half characters (lone surrogates) at its cuts. */
function wholeText(text: string): string {
  return text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    ''
  );
}

function outputText(output: Fields): CellOutput {
  if (output['output_type'] === 'stream') {
    return { kind: 'text', text: plainText(output['text']) };
  }
  if (output['output_type'] === 'error') {
    return { kind: 'error', text: tracebackOf(output) };
  }
  const { data } = output;
  return isFields(data) ? bundleText(data) : { kind: 'other', text: '' };
}

function bundleText(data: Fields): CellOutput {
  const types = Object.keys(data);
  if (MIME_TYPE in data) {
    return { kind: 'chat', text: '[chat]' };
  }
  const image = types.find(type => type.startsWith('image/'));
  if (image !== undefined) {
    return { kind: 'image', text: `[${image}]` };
  }
  const best = TEXTS.find(type => type in data);
  if (best === undefined) {
    return { kind: 'other', text: types[0] === undefined ? '' : `[${types[0].slice(0, 80)}]` };
  }
  const value = data[best];
  const isText = typeof value === 'string' || Array.isArray(value);
  return { kind: 'text', text: isText ? plainText(value) : JSON.stringify(value) };
}

function tracebackOf(output: Fields): string {
  const { ename, evalue, traceback } = output;
  const lines = Array.isArray(traceback) ? traceback.map(plainText).join('\n') : '';
  return lines.trim() === '' ? `${plainText(ename)}: ${plainText(evalue)}` : lines;
}

/** Kernels send a stream in pieces, and a progress bar overwrites the piece before. */
function joinedStreams(outputs: readonly Fields[]): readonly Fields[] {
  const merged: Fields[] = [];
  for (const output of outputs) {
    const before = merged.at(-1);
    const isMore =
      output['output_type'] === 'stream' &&
      before?.['output_type'] === 'stream' &&
      before['name'] === output['name'];
    if (isMore) {
      merged[merged.length - 1] = {
        ...before,
        text: textOf(before['text']) + textOf(output['text'])
      };
    } else {
      merged.push(output);
    }
  }
  return merged;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.filter(line => typeof line === 'string').join('');
  }
  return typeof value === 'string' ? value : '';
}
