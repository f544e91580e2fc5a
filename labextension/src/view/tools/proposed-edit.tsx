/** The edits that a call proposes, in its card: what changes in each cell, and what became of that. */
import { type ReactElement, useEffect, useState, useSyncExternalStore } from 'react';

import { type ToolUse } from '../../fold/tool-calls';
import { type CellChange, type PresentCell, changesOf } from '../../workspace/cell-changes';
import { type ClosedNotebooks, closedNotebooks } from '../../workspace/closed-notebooks';
import { fileCells } from '../../workspace/notebook-validity';
import { type Proposal } from '../../workspace/patches';
import { sourceOf } from '../../workspace/proposals';
import { type Choices } from '../../workspace/reviews';
import { Button } from '../controls/button';
import { useTrans, useWorkspace } from '../hooks';
import { CellChangeView, type Verdict, useChoices } from './cell-change';
import { type ConsentScope, keepFocus } from './consent';

interface ProposedEditsProps {
  readonly use: ToolUse;
  readonly proposal: Proposal;
  /** Whether this page may answer the question now. */
  readonly mayAnswer: boolean;
  readonly scope: ConsentScope;
}

export function ProposedEdits(props: ProposedEditsProps): ReactElement {
  const { use, proposal, mayAnswer, scope } = props;
  const trans = useTrans();
  const workspace = useWorkspace();
  const { path, edits } = proposal;
  const requestId = use.consent?.request_id ?? '';
  const reviews = workspace?.reviews;
  const choices = useChoices(requestId);
  const isAsking = use.consent !== null && use.consent.by === null && use.result === null;
  const isOpen = workspace?.notebooks().some(notebook => notebook.path === path) === true;
  const inFile = useFileCells(isAsking && !isOpen ? path : null);
  const find = (cell: string): PresentCell | null =>
    isOpen ? (workspace?.cell({ path, cellId: cell }) ?? null) : (inFile?.get(cell) ?? null);
  const changes = isAsking
    ? changesOf(edits, find)
    : (reviews?.shown(requestId) ?? changesOf(edits, () => null));
  useEffect(() => {
    if (isAsking && (isOpen || inFile !== null)) {
      reviews?.show(requestId, changes);
    }
  });
  const isPartial = use.consent?.choices?.includes('some') === true;
  const cells = changes.map(({ cell }) => cell);
  const choose = (cell: string, isAccepted: boolean, node: HTMLElement): void => {
    const answer = reviews?.choose(requestId, cell, isAccepted, cells) ?? null;
    if (answer !== null) {
      keepFocus(node);
      void scope.client.answer(scope.runId, requestId, answer);
    }
  };
  return (
    <div className="jp-ChatStream-cellChanges" data-testid="proposed-edits">
      <p className="jp-ChatStream-toolPart" dir="auto">
        {isAsking && !isOpen ? trans.__('%1, which is not open in this page', path) : path}
      </p>
      {changes.map(change => (
        <CellChangeView
          key={change.cell}
          change={change}
          verdict={verdictOf(change, use, choices)}
          isDisabled={scope.isActing}
          onChoose={
            mayAnswer && isPartial && cells.length > 1
              ? (isAccepted, node) => choose(change.cell, isAccepted, node)
              : undefined
          }
        />
      ))}
      <UndoEdit callId={use.call?.tool_call_id ?? ''} />
    </div>
  );
}

/** The cells of a notebook that this page has not open, by id, as its file has them; null if not known. */
function useFileCells(path: string | null): ReadonlyMap<string, PresentCell> | null {
  const closed = useClosedNotebooks();
  const [found, setFound] = useState<ReadonlyMap<string, PresentCell> | null>(null);
  useEffect(() => {
    if (path === null || closed === undefined) {
      return undefined;
    }
    let isShown = true;
    closed.read(path).then(
      content => {
        if (isShown) {
          const entries = fileCells(content).map(
            (cell, index) => [cell.id, { index, source: sourceOf(cell) }] as const
          );
          setFound(new Map(entries));
        }
      },
      () => undefined // the edits are shown without what they replace
    );
    return () => {
      isShown = false;
    };
  }, [closed, path]);
  return path === null ? null : found;
}

/** The button that writes back a notebook file as it was before the call. */
function UndoEdit({ callId }: { readonly callId: string }): ReactElement | null {
  const trans = useTrans();
  const closed = useClosedNotebooks();
  const [told, setTold] = useState('');
  const canUndo = useSyncExternalStore(
    closed?.subscribe ?? never,
    () => closed?.canUndo(callId) === true
  );
  const undo = (): void => {
    closed?.undo(callId).then(
      result =>
        setTold(
          result === 'done'
            ? trans.__('The notebook is as it was before.')
            : result === 'open'
              ? trans.__('The notebook is open. Close it, or undo the change there.')
              : trans.__('The file has changed since, so it was left as it is.')
        ),
      () => setTold(trans.__('The file could not be written. Try again.'))
    );
  };
  if (!canUndo && told === '') {
    return null;
  }
  return (
    <p className="jp-ChatStream-toolNote" role="status">
      {canUndo ? (
        <Button testid="undo-edit" then="stay" onClick={undo}>
          {trans.__('Undo this change')}
        </Button>
      ) : null}
      {told}
    </p>
  );
}

function useClosedNotebooks(): ClosedNotebooks | undefined {
  const storage = useWorkspace()?.storage;
  return storage === undefined ? undefined : closedNotebooks(storage);
}

const never = () => () => undefined;

/** What stands in the log; before that, what the person has chosen in this page. */
function verdictOf(
  { cell }: CellChange,
  { call, consent, result }: ToolUse,
  choices: Choices
): Verdict {
  const isAsking = consent !== null && consent.by === null && result === null;
  if (isAsking) {
    const choice = choices.get(cell);
    return choice === undefined ? null : choice ? 'accepted' : 'refused';
  }
  const accepted = call?.allowed?.accepted;
  if (accepted === undefined) {
    return null;
  }
  return accepted.includes(cell) ? 'accepted' : 'refused';
}
