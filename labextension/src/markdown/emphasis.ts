/**
 * Emphasis beside Chinese, Japanese and Korean text: `**重要：**请` is bold.
 *
 * CommonMark requires a blank or punctuation on the other side of a mark that touches punctuation.
 * These scripts write no blanks, so each of their characters counts as punctuation here.
 */
import { type MarkdownIt, type StateInline } from 'markdown-it';

/** Characters of scripts without blanks between words, and their punctuation and full-width forms. */
const CJK =
  /[\u1100-\u11ff\u2e80-\u303f\u3040-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{20000}-\u{3ffff}]/u;

export function withCjk(md: MarkdownIt): void {
  const { isMdAsciiPunct, isPunctCharCode, isWhiteSpace } = md.utils;
  const isPunctuation = (code: number): boolean => isMdAsciiPunct(code) || isPunctCharCode(code);

  class State extends md.inline.State {
    override scanDelims(
      start: number,
      canSplitWord: boolean
    ): ReturnType<StateInline['scanDelims']> {
      const { length } = super.scanDelims(start, canSplitWord);
      const last = before(this.src, start);
      const next = start + length < this.posMax ? (this.src.codePointAt(start + length) ?? 32) : 32;
      const isLastWide = CJK.test(String.fromCodePoint(last));
      const isNextWide = CJK.test(String.fromCodePoint(next));
      const isLeft =
        !isWhiteSpace(next) &&
        (!isPunctuation(next) || isWhiteSpace(last) || isPunctuation(last) || isLastWide);
      const isRight =
        !isWhiteSpace(last) &&
        (!isPunctuation(last) || isWhiteSpace(next) || isPunctuation(next) || isNextWide);
      return {
        can_open: isLeft && (canSplitWord || !isRight || isPunctuation(last)),
        can_close: isRight && (canSplitWord || !isLeft || isPunctuation(next)),
        length
      };
    }
  }
  md.inline.State = State;
}

/** The code point that ends before `at`; a blank if there is none. */
function before(text: string, at: number): number {
  if (at === 0) {
    return 32;
  }
  const unit = text.charCodeAt(at - 1);
  const isLow = (unit & 0xfc00) === 0xdc00 && at > 1;
  return (isLow ? text.codePointAt(at - 2) : unit) ?? 32;
}
