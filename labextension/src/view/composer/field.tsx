/**
 * The text field of the composer. It grows with its text, and the keys of its text stay its own.
 *
 * Enter sends or begins a line, as it is set; arrow keys at the first and last line bring sent texts
 * back. While an input method composes, no key is taken from it.
 */
import {
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef
} from 'react';

import { isUnfinished } from '../../composer/uploads';
import { type ThreadClient } from '../../thread/model';
import { type EnterKey } from '../../thread/preferences';
import { OWN_KEYS } from '../controls/keys';
import { usePreferences, useTrans } from '../hooks';
import { type ThreadControlProps } from '../thread-props';
import { isOnEdgeLine, replaceRange } from './caret';
import { type Completing, activeId } from './completion';
import { attachPasted } from './dropping';

/** A field in a cell grows to so many lines; then its text scrolls. */
const MAX_LINES = 6;
/** Where the chat has a height of its own, the field grows to this share of it. */
const MAX_SHARE = 0.4;

export interface ComposerFieldProps extends ThreadControlProps {
  readonly field: RefObject<HTMLTextAreaElement>;
  readonly completing: Completing;
  readonly onSend: () => void;
}

export function Field(props: ComposerFieldProps): ReactElement {
  const { client, state, field, completing, isDisabled } = props;
  const trans = useTrans();
  const { enterKey } = usePreferences(client);
  const lastRecall = useRef<LastRecall>({ text: null });
  useGrowth(field, state.draft);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) {
      return;
    }
    if (completing.onKeyDown(event)) {
      event.preventDefault();
    } else if (sends(event, enterKey)) {
      event.preventDefault();
      props.onSend();
    } else if (tryRecall(event, client, lastRecall.current)) {
      event.preventDefault();
    }
  };
  return (
    <textarea
      {...OWN_KEYS}
      ref={field}
      className="jp-ChatStream-field"
      data-testid="field"
      aria-label={trans.__('Message')}
      aria-autocomplete="list"
      aria-haspopup="listbox"
      aria-controls={completing.isOpen ? completing.id : undefined}
      aria-activedescendant={activeId(completing)}
      placeholder={
        isDisabled ? trans.__('This chat accepts no messages') : trans.__('Ask something…')
      }
      rows={1}
      spellCheck
      disabled={isDisabled}
      // While a message waits for its uploads, its text stays what it was when Send was pressed.
      readOnly={state.isSending && state.attachments.some(isUnfinished)}
      value={state.draft}
      onChange={event => {
        client.setDraft(event.target.value);
        completing.onMove();
      }}
      onSelect={completing.onMove}
      onBlur={completing.close}
      onKeyDown={onKeyDown}
      onPaste={event => attachPasted(event, client)}
    />
  );
}

/** Whether the key is an input method's. Safari ends the composition before its Enter arrives. */
export function isComposing(event: KeyboardEvent): boolean {
  return event.nativeEvent.isComposing || event.keyCode === 229;
}

/** Whether a key sends. Enter and Shift+Enter are set by a person; Ctrl+Enter and ⌘+Enter always do. */
export function sends(event: KeyboardEvent, enterKey: EnterKey): boolean {
  if (event.key !== 'Enter' || event.altKey) {
    return false;
  }
  return event.ctrlKey || event.metaKey || event.shiftKey === (enterKey === 'newline');
}

/** What the arrow keys have put into the field last: they may go on from its end at once. */
interface LastRecall {
  text: string | null;
}

/** Put a sent text into the field if the key asks for one. Returns whether it did. */
function tryRecall(event: KeyboardEvent, client: ThreadClient, lastRecall: LastRecall): boolean {
  const field = event.currentTarget;
  const isArrow = event.key === 'ArrowUp' || event.key === 'ArrowDown';
  const isPlain = !(event.shiftKey || event.ctrlKey || event.metaKey || event.altKey);
  if (!isArrow || !isPlain || !(field instanceof HTMLTextAreaElement) || field.readOnly) {
    return false;
  }
  const { value, selectionStart } = field;
  const isUp = event.key === 'ArrowUp';
  const goesOn = value === lastRecall.text && selectionStart === value.length;
  if (!goesOn && !isOnEdgeLine(field, isUp ? 'first' : 'last')) {
    return false;
  }
  const text = client.recall(isUp ? 'older' : 'newer');
  if (text === null) {
    return false;
  }
  lastRecall.text = text;
  replaceRange(field, 0, value.length, text);
  return true;
}

/** Keep the field as high as its text. */
function useGrowth(field: RefObject<HTMLTextAreaElement>, text: string): void {
  useLayoutEffect(() => {
    if (field.current !== null) {
      grow(field.current);
    }
  }, [field, text]);
  useEffect(() => {
    const node = field.current;
    if (node === null) {
      return undefined;
    }
    // The width decides how the text wraps, and a cell may be drawn before it is in the page.
    let width = 0;
    const observer = new ResizeObserver(() => {
      if (node.clientWidth !== width) {
        width = node.clientWidth;
        grow(node);
      }
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, [field]);
}

/** Make a field as high as its text, up to a bound; then it scrolls. */
function grow(field: HTMLTextAreaElement): void {
  const style = getComputedStyle(field);
  const line = parseFloat(style.lineHeight) || 20;
  const padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom) || 0;
  const chatHeight = field.closest('.jp-ChatStream-live.jp-mod-filling')?.clientHeight ?? 0;
  const maxHeight = Math.max(line * MAX_LINES + padding, chatHeight * MAX_SHARE);
  field.style.height = 'auto';
  field.style.height = `${Math.min(field.scrollHeight, maxHeight)}px`;
  field.style.overflowY = field.scrollHeight > maxHeight ? 'auto' : 'hidden';
}
