/** The change of one cell as a diff with buttons, for the card of the call and for the notebook. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type MouseEvent, type ReactElement, type ReactNode, useSyncExternalStore } from 'react';

import { revealHidden } from '../../text/hidden-characters';
import { type CellChange } from '../../workspace/cell-changes';
import { type DiffLine } from '../../workspace/line-diff';
import { type Choices, NO_CHOICES } from '../../workspace/reviews';
import { Button } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { useTrans, useWorkspace } from '../hooks';

/** A person's decision about the change of a cell; null before it. */
export type Verdict = 'accepted' | 'refused' | null;

interface CellChangeProps {
  readonly change: CellChange;
  readonly verdict: Verdict;
  /** Absent if the person cannot choose. */
  readonly onChoose?: ((isAccepted: boolean, node: HTMLElement) => void) | undefined;
  readonly isDisabled?: boolean;
  /** More buttons, shown beside Accept and Reject. */
  readonly children?: ReactNode;
}

export function CellChangeView(props: CellChangeProps): ReactElement {
  const { change, verdict } = props;
  const trans = useTrans();
  const title = changeTitle(change, trans);
  return (
    <section
      className="jp-ChatStream-cellChange"
      data-testid="cell-change"
      data-cell={change.cell}
      data-verdict={verdict ?? 'open'}
      aria-label={title}
    >
      <header className="jp-ChatStream-cellChangeHead">
        <span className="jp-ChatStream-cellChangeTitle">{title}</span>
        <Counts lines={change.lines} />
        {verdict === null ? null : (
          <span className={`jp-ChatStream-tag jp-mod-${verdict}`}>
            {verdict === 'accepted' ? trans.__('accepted') : trans.__('rejected')}
          </span>
        )}
        <Choice {...props} />
      </header>
      {change.misfit === null || verdict !== null ? null : (
        <p className="jp-ChatStream-toolNote" data-testid="misfit">
          {misfitText(change, trans)}
        </p>
      )}
      {change.lines.length === 0 ? null : <Diff lines={change.lines} />}
    </section>
  );
}

/** Why no edit will be made, if a change does not fit. With `isSpoken`, screen readers announce it. */
export function Misfits(props: {
  readonly changes: readonly CellChange[];
  readonly choices: Choices;
  readonly isSpoken: boolean;
}): ReactElement {
  const trans = useTrans();
  const misfits = props.changes.filter(
    // A running cell prevents nothing if the person has rejected its change.
    ({ misfit, cell }) =>
      misfit !== null && (misfit !== 'running' || props.choices.get(cell) !== false)
  );
  const reasons = new Set(misfits.map(change => misfitText(change, trans)));
  return (
    <p
      className="jp-ChatStream-misfits"
      data-testid="misfits"
      role={props.isSpoken ? 'status' : undefined}
    >
      {reasons.size === 0
        ? ''
        : trans.__('Accepting will change nothing: %1.', [...reasons].join('; '))}
    </p>
  );
}

function misfitText({ misfit, number }: CellChange, trans: TranslationBundle): string {
  const cell = number === null ? trans.__('a cell') : trans.__('cell %1', number);
  switch (misfit) {
    case 'changed':
      return trans.__('%1 has changed since the model read it', cell);
    case 'running':
      return trans.__('%1 is running', cell);
    case 'there':
      return trans.__('%1 has the id of a new cell', cell);
    case 'gone':
      return trans.__('a cell is gone');
    case 'readonly':
      return trans.__('the notebook is read-only');
    case 'editor':
      return trans.__('the notebook is open in a text editor, which would save over the edit');
    case 'unreadable':
      return trans.__('the notebook is not open, and its file could not be read');
    default:
      return trans.__('%1 is protected', cell);
  }
}

function Choice(props: CellChangeProps): ReactElement | null {
  const { onChoose, verdict } = props;
  const trans = useTrans();
  if (onChoose === undefined) {
    return null;
  }
  const button = (isAccepted: boolean, text: string): ReactElement => (
    <Button
      testid={isAccepted ? 'accept-cell' : 'reject-cell'}
      className={isAccepted ? 'jp-mod-accept' : 'jp-mod-reject'}
      isPressed={verdict === (isAccepted ? 'accepted' : 'refused')}
      isDisabled={props.isDisabled === true}
      then="stay"
      onClick={(event: MouseEvent<HTMLButtonElement>) => onChoose(isAccepted, event.currentTarget)}
    >
      {text}
    </Button>
  );
  return (
    <span className="jp-ChatStream-cellChoice">
      {button(true, trans.__('Accept'))}
      {button(false, trans.__('Reject'))}
      {props.children}
    </span>
  );
}

/** How many lines a change adds and removes: `+2 −1`. */
function Counts({ lines }: { readonly lines: readonly DiffLine[] }): ReactElement | null {
  const trans = useTrans();
  const count = (kind: DiffLine['kind']): number => lines.filter(line => line.kind === kind).length;
  const [addedCount, removedCount] = [count('added'), count('removed')];
  if (addedCount + removedCount === 0) {
    return null;
  }
  return (
    <span
      className="jp-ChatStream-diffCounts"
      role="img"
      aria-label={trans.__('%1 lines added, %2 removed', addedCount, removedCount)}
    >
      {addedCount === 0 ? null : <span className="jp-mod-added">{`+${addedCount}`}</span>}
      {removedCount === 0 ? null : <span className="jp-mod-removed">{`−${removedCount}`}</span>}
    </span>
  );
}

const SIGNS: Readonly<Record<DiffLine['kind'], string>> = { same: ' ', added: '+', removed: '−' };
const TAGS = { same: 'div', added: 'ins', removed: 'del' } as const;

/** The lines, each with its sign. Long lines wrap, so no text is hidden beyond the right edge. */
function Diff({ lines }: { readonly lines: readonly DiffLine[] }): ReactElement {
  const trans = useTrans();
  return (
    <div
      {...OWN_KEYS}
      className="jp-ChatStream-diff"
      data-testid="diff"
      dir="ltr"
      role="group"
      aria-label={trans.__('Changed lines')}
      tabIndex={0}
    >
      {lines.map((line, index) => {
        const Line = TAGS[line.kind];
        return (
          <Line key={index} className={`jp-ChatStream-diffLine jp-mod-${line.kind}`}>
            <span className="jp-ChatStream-diffSign">{SIGNS[line.kind]}</span>
            <code>
              {line.pieces.map((piece, at) =>
                piece.isChanged ? (
                  <mark key={at}>{revealHidden(piece.text)}</mark>
                ) : (
                  <span key={at}>{revealHidden(piece.text)}</span>
                )
              )}
            </code>
          </Line>
        );
      })}
    </div>
  );
}

/** The text of the button for all cells; after the first choice, for the cells without a choice. */
export function acceptAllText({ size }: Choices, trans: TranslationBundle): string {
  return size > 0 ? trans.__('Accept the rest') : trans.__('Accept all');
}

export function rejectAllText({ size }: Choices, trans: TranslationBundle): string {
  return size > 0 ? trans.__('Reject the rest') : trans.__('Reject all');
}

/** The person's choices so far for the cells of a question. */
export function useChoices(requestId: string): Choices {
  const reviews = useWorkspace()?.reviews;
  return useSyncExternalStore(reviews?.subscribe ?? never, () =>
    reviews === undefined ? NO_CHOICES : reviews.of(requestId)
  );
}

const never = () => () => undefined;

/** The title of a change, such as `Change cell 3`. */
export function changeTitle(change: CellChange, trans: TranslationBundle): string {
  const { kind, number, place } = change;
  const placeLabel = place === null ? '' : placeText(change, trans);
  switch (kind) {
    case 'insert':
      return change.type === 'code'
        ? trans.__('New code cell, %1', placeLabel)
        : trans.__('New text cell, %1', placeLabel);
    case 'delete':
      return number === null ? trans.__('Delete a cell') : trans.__('Delete cell %1', number);
    case 'move':
      return number === null
        ? trans.__('Move a cell: %1', placeLabel)
        : trans.__('Move cell %1: %2', number, placeLabel);
    case 'change':
      break;
  }
  const title = number === null ? trans.__('Change a cell') : trans.__('Change cell %1', number);
  return placeLabel === '' ? title : trans.__('%1, and move it: %2', title, placeLabel);
}

function placeText(
  { place, besideNumber, isBesideNew }: CellChange,
  trans: TranslationBundle
): string {
  if (place?.side !== 'after' && place?.side !== 'before') {
    return place?.side === 'end' ? trans.__('at the end') : trans.__('at the beginning');
  }
  const isBelow = place.side === 'after';
  if (besideNumber !== null) {
    return isBelow
      ? trans.__('below cell %1', besideNumber)
      : trans.__('above cell %1', besideNumber);
  }
  if (isBesideNew) {
    return isBelow ? trans.__('below a new cell') : trans.__('above a new cell');
  }
  return isBelow ? trans.__('below another cell') : trans.__('above another cell');
}
