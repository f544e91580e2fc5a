/**
 * The list that opens behind an `@` or a `/` in the composer.
 *
 * The focus stays in the field. Screen readers hear the active option by `aria-activedescendant`, so
 * nothing else is announced. The list is in the browser's top layer: no cell output cuts it.
 */
import {
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
  useEffect,
  useId,
  useMemo,
  useRef
} from 'react';
import { type TranslationBundle } from '@jupyterlab/translation';

import { type SlashCommand } from '../../composer/slash';
import { attachChosen, textFor } from '../../mentions/accept';
import { Completion, type CompletionOption, type CompletionState } from '../../mentions/completion';
import { type ThreadClient } from '../../thread/model';
import { usePlace } from '../controls/popover';
import { useShownIf, useStore, useTrans, useWorkspace } from '../hooks';
import { replaceRange } from './caret';
import { detailText, obstacleText, optionText } from './option-texts';

export interface Completing {
  readonly id: string;
  readonly state: CompletionState;
  /** Whether the list is shown. */
  readonly isOpen: boolean;
  /** The text or the caret of the field has moved. */
  readonly onMove: () => void;
  readonly close: () => void;
  /** Handle a key. Returns whether the list has used it. */
  readonly onKeyDown: (event: KeyboardEvent) => boolean;
  readonly choose: (option: CompletionOption) => void;
}

export function useCompletion(
  client: ThreadClient,
  draft: string,
  field: RefObject<HTMLTextAreaElement>,
  onCommand: (command: SlashCommand) => void
): Completing {
  const id = useId();
  const workspace = useWorkspace();
  const completion = useMemo(
    () => new Completion({ workspace, listFolder: client.page.listFolder }),
    [client, workspace]
  );
  useEffect(() => () => completion.close(), [completion]);
  const state = useStore(completion);
  // A text that came from elsewhere, such as an older message, has no list.
  const isOpen = state.text === draft && (state.options.length > 0 || state.obstacle !== null);
  const choose = (option: CompletionOption): void => {
    const node = field.current;
    if (option.kind === 'command') {
      completion.close();
      onCommand(option.command);
    } else if (node !== null && state.query !== null) {
      const { start, end } = state.query;
      const text = textFor(option, state.query);
      const isSpaced = text.endsWith(' ') && node.value.slice(end).startsWith(' ');
      replaceRange(node, start, end, isSpaced ? text.trimEnd() : text);
      attachChosen(option, client, workspace, completion.place);
    }
  };
  return {
    id,
    state,
    isOpen,
    onMove: () => {
      const node = field.current;
      if (node !== null && node.selectionStart === node.selectionEnd) {
        completion.update(node.value, node.selectionStart, node);
      } else {
        completion.close();
      }
    },
    close: () => completion.close(),
    onKeyDown: event => isOpen && usesKey(event, completion, choose),
    choose
  };
}

/** Handle a key of the open list. Returns whether the list has used it. */
function usesKey(
  event: KeyboardEvent,
  completion: Completion,
  choose: (option: CompletionOption) => void
): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) {
    return false;
  }
  if (event.key === 'Escape') {
    event.stopPropagation();
    completion.dismiss();
    return true;
  }
  const { options, active } = completion.getState();
  const option = options[active];
  if (option === undefined) {
    return false;
  }
  switch (event.key) {
    case 'ArrowDown':
      completion.step(1);
      return true;
    case 'ArrowUp':
      completion.step(-1);
      return true;
    case 'Tab':
    case 'Enter':
      choose(option);
      return true;
    default:
      return false;
  }
}

/** The id of an option's node, for `aria-activedescendant`. */
export function activeId({ id, state, isOpen }: Completing): string | undefined {
  return isOpen && state.options.length > 0 ? `${id}-${state.active}` : undefined;
}

export function CompletionList(props: {
  readonly completing: Completing;
  readonly field: RefObject<HTMLTextAreaElement>;
}): ReactElement {
  const { completing, field } = props;
  const { id, state } = completing;
  const trans = useTrans();
  const box = useRef<HTMLDivElement>(null);
  usePlace(box, field, completing.close);
  return (
    <div ref={box} className="jp-ChatStream-popover jp-ChatStream-completion">
      <div id={id} data-testid="completion" role="listbox" aria-label={listText(state, trans)}>
        {state.options.map((option, index) => (
          <OptionView
            key={index}
            id={`${id}-${index}`}
            option={option}
            isActive={index === state.active}
            onChoose={() => completing.choose(option)}
          />
        ))}
      </div>
      {state.obstacle === null ? null : (
        <p className="jp-ChatStream-hint" data-testid="completion-note">
          {obstacleText(state.obstacle, trans)}
        </p>
      )}
    </div>
  );
}

function listText({ query }: CompletionState, trans: TranslationBundle): string {
  return query === null ? trans.__('Commands') : trans.__('Things to mention');
}

function OptionView(props: {
  readonly id: string;
  readonly option: CompletionOption;
  readonly isActive: boolean;
  readonly onChoose: () => void;
}): ReactElement {
  const { id, option, isActive } = props;
  const trans = useTrans();
  const node = useShownIf(isActive);
  return (
    <div
      ref={node}
      id={id}
      className={`jp-ChatStream-choice${isActive ? ' jp-mod-active' : ''}`}
      data-testid="completion-option"
      data-kind={option.kind}
      role="option"
      aria-selected={isActive}
      // The field keeps the focus, and with it its caret.
      onMouseDown={event => event.preventDefault()}
      onClick={props.onChoose}
    >
      <bdi className="jp-ChatStream-choiceName">{optionText(option, trans)}</bdi>
      <bdi className="jp-ChatStream-choiceDetail jp-mod-muted">{detailText(option, trans)}</bdi>
    </div>
  );
}
