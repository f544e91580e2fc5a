/** Where the caret of a text field is, and how its text is replaced so that Undo takes it back. */

/** The styles that decide where a text wraps. */
const WRAPPING = [
  'boxSizing',
  'width',
  'paddingTop',
  'paddingRight',
  'paddingBottom',
  'paddingLeft',
  'borderTopWidth',
  'borderRightWidth',
  'borderBottomWidth',
  'borderLeftWidth',
  'fontFamily',
  'fontSize',
  'fontStyle',
  'fontWeight',
  'letterSpacing',
  'lineHeight',
  'tabSize',
  'textIndent',
  'wordSpacing',
  'direction'
] as const;

/** Whether the caret is on the first or last line as it is drawn; false while text is selected. */
export function isOnEdgeLine(field: HTMLTextAreaElement, edge: 'first' | 'last'): boolean {
  const { value, selectionStart, selectionEnd } = field;
  if (selectionStart !== selectionEnd) {
    return false;
  }
  const beyond = edge === 'first' ? value.slice(0, selectionStart) : value.slice(selectionStart);
  if (beyond === '') {
    return true;
  }
  return (
    !beyond.includes('\n') &&
    lineTop(field, selectionStart) === lineTop(field, edge === 'first' ? 0 : value.length)
  );
}

/** The top of a place in the text, in px: of a copy of the field that wraps as the field does. */
function lineTop(field: HTMLTextAreaElement, index: number): number {
  const copy = document.createElement('div');
  const style = getComputedStyle(field);
  for (const name of WRAPPING) {
    copy.style[name] = style[name];
  }
  copy.style.cssText +=
    ';position:absolute;visibility:hidden;white-space:pre-wrap;overflow-wrap:break-word';
  const mark = document.createElement('span');
  mark.textContent = '\u200b';
  copy.append(field.value.slice(0, index), mark, field.value.slice(index));
  field.after(copy);
  const top = mark.offsetTop;
  copy.remove();
  return top;
}

/** Replace a range of the field's text as typing does. The caret stands behind the new text. */
export function replaceRange(
  field: HTMLTextAreaElement,
  from: number,
  to: number,
  text: string
): void {
  field.focus({ preventScroll: true });
  field.setSelectionRange(from, to);
  if ((from < to || text !== '') && !edits(text)) {
    field.setRangeText(text, from, to, 'end');
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }
}

/** Replace the selection by the browser's own command: the only one that Undo takes back. */
function edits(text: string): boolean {
  if (typeof document.execCommand !== 'function') {
    return false;
  }
  return text === ''
    ? document.execCommand('delete')
    : document.execCommand('insertText', false, text);
}
