/** The direction of lists, quotes and tables, by their first strong character. Pure. */
import { type Block } from '../../markdown/tree';

const STRONG = /[\p{L}\p{Nl}]/u;
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const CODE = /`[^`]*`/g;
/** Only so many characters of a block are searched for a strong one. */
const SEARCHED_CHARS = 400;

/** The direction of a block's markers, bars and columns. */
export function directionOf(block: Block): 'ltr' | 'rtl' {
  return strongIn(block) ?? 'ltr';
}

function strongIn(block: Block): 'ltr' | 'rtl' | null {
  if (block.kind === 'leaf') {
    const letter = STRONG.exec(block.source.slice(0, SEARCHED_CHARS).replace(CODE, ' '))?.[0];
    return letter === undefined ? null : RIGHT_TO_LEFT.test(letter) ? 'rtl' : 'ltr';
  }
  if (block.kind === 'box') {
    for (const child of block.children.slice(0, 8)) {
      const direction = strongIn(child);
      if (direction !== null) {
        return direction;
      }
    }
  }
  return null;
}
