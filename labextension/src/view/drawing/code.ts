/** A code block. It is shown in chunks while it grows, and coloured once it is complete. */
import { type Env } from 'markdown-it';

import { type Block } from '../../markdown/tree';
import { codeText } from '../../text/texts';
import { SUPPRESS_SHORTCUTS } from '../controls/keys';
import { CodeBar } from './code-actions';
import { type DrawingServices, ownElement } from './nodes';
import { type Work } from './frames';
import { PILED_MARKS, PlainText } from './plain';
import { SidewaysStop } from './sideways';

/** Colouring is a single step, which would take too long for longer code. */
const LONGEST_COLOURED = 20_000;
/** The most characters in one chunk of code. */
const CHUNK = 8_000;
const LONGEST_LINE = 8_000;

export class CodeView {
  readonly node = ownElement('div', 'jp-ChatStream-code');

  constructor(
    private readonly _language: string,
    private readonly _services: DrawingServices
  ) {
    this._code.dir = 'ltr';
    this._block.dir = 'ltr';
    this._block.setAttribute(SUPPRESS_SHORTCUTS, 'true');
    this._block.append(this._code);
    this._bar = new CodeBar(_language, () => this._text, _services);
    this.node.append(this._bar.node, this._block);
    this._plain = new PlainText(this._code, '', CHUNK);
  }

  fits(block: Block): boolean {
    return block.kind === 'code' && block.language === this._language;
  }

  *show(block: Block, _env: Env): Work {
    if (block.kind !== 'code' || block.text === this._text) {
      return;
    }
    this._text = block.text;
    yield* this._plain.show(block.text);
  }

  finish(): void {
    this._bar.complete();
    const { trans } = this._services.language;
    this._stop ??= new SidewaysStop(this._block, this._code, () => codeText(trans));
    const notes = [
      this._language !== '' && this._text.length > LONGEST_COLOURED
        ? trans.__('Shown without colours, because this code has more than 20,000 characters.')
        : '',
      hasLongLine(this._text)
        ? trans.__(
            'Lines of more than 8,000 characters are broken here. The Copy button copies them unbroken.'
          )
        : ''
    ].filter(note => note !== '');
    for (const text of notes) {
      const note = ownElement('p', 'jp-ChatStream-note');
      note.textContent = text;
      this._bar.node.after(note);
    }
    const isPiled = PILED_MARKS.test(this._text);
    if (this._language !== '' && this._text.length <= LONGEST_COLOURED && !isPiled) {
      this._services.colour(this._text, this._language, node => {
        this._code.replaceChildren(...node.childNodes);
      });
    }
  }

  *readAgain(): Work {}

  tail(): HTMLElement {
    return this._plain.tail();
  }

  dispose(): void {
    this._bar.dispose();
    this._stop?.dispose();
  }

  private readonly _bar: CodeBar;
  private readonly _block = document.createElement('pre');
  private readonly _code = document.createElement('code');
  private readonly _plain: PlainText;
  private _stop: SidewaysStop | null = null;
  private _text = '';
}

function hasLongLine(text: string): boolean {
  for (let from = 0; text.length - from > LONGEST_LINE;) {
    const end = text.indexOf('\n', from);
    if (end < 0 || end - from > LONGEST_LINE) {
      return true;
    }
    from = end + 1;
  }
  return false;
}
