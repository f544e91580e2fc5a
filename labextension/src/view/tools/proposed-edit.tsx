/** The edits that a call proposes, in its card: the change of each cell, and the decision about it. */
import { type ReactElement, useEffect, useMemo, useState, useSyncExternalStore } from 'react';

import { type ToolUse } from '../../fold/tool-calls';
import { type CellChange, changesOf } from '../../workspace/cell-changes';
import { type ClosedNotebooks, closedNotebooks } from '../../workspace/closed-notebooks';
import { type Proposal } from '../../workspace/patches';
import { type Choices } from '../../workspace/reviews';
import { Button } from '../controls/button';
import { useNow, useTrans, useWorkspace } from '../hooks';
import { CellChangeView, Misfits, type Verdict, useChoices } from './cell-change';
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
  const subscribe = workspace?.subscribe ?? never;
  const openPath = useSyncExternalStore(subscribe, () => workspace?.openPath(path) ?? null);
  const isClosed = isAsking && openPath === null;
  const isInFront = workspace?.notebooks()[0]?.path === openPath; // the notebook's bar announces misfits
  const inFile = useChangesOfFile(proposal, isClosed);
  const lastChanges = useSyncExternalStore(
    reviews?.subscribe ?? never,
    () => reviews?.changes(requestId) ?? null
  );
  const changes = useMemo(
    () => (isClosed ? inFile : lastChanges) ?? changesOf(edits, null),
    [edits, inFile, isClosed, lastChanges]
  );
  useEffect(() => {
    if (isClosed && inFile !== null) {
      reviews?.show(requestId, inFile);
    }
  }, [inFile, isClosed, requestId, reviews]);
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
        {isClosed ? trans.__('%1, which is not open in this page', path) : (openPath ?? path)}
      </p>
      {isAsking ? <Misfits changes={changes} choices={choices} isSpoken={!isInFront} /> : null}
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

/** How often a visible card checks the file, because another program may write it. */
const LOOK_MS = 5_000;
const everyLook = (at: string | null): number | null => (at === null ? null : LOOK_MS);

/** The changes compared with the file of a notebook that is not open here; null if not known. */
function useChangesOfFile(
  { path, edits }: Proposal,
  isClosed: boolean
): readonly CellChange[] | null {
  const notebooks = useClosedNotebooks();
  const workspace = useWorkspace();
  const isInEditor = useSyncExternalStore(
    workspace?.subscribe ?? never,
    () => isClosed && workspace?.storage.isInEditor(path)
  );
  const looked_ms = useNow(isClosed ? path : null, everyLook);
  const [changes, setChanges] = useState<readonly CellChange[] | null>(null);
  useEffect(() => {
    let isShown = true;
    if (isClosed) {
      notebooks?.check(path).then(
        cells => {
          if (isShown) {
            setChanges(changesOf(edits, cells));
          }
        },
        (reason: unknown) => console.warn('A proposal could not be compared:', reason)
      );
    }
    return () => {
      isShown = false;
    };
  }, [notebooks, edits, isClosed, isInEditor, looked_ms, path]);
  return changes;
}

/** The button that restores a notebook file as it was before the call. */
function UndoEdit({ callId }: { readonly callId: string }): ReactElement | null {
  const trans = useTrans();
  const notebooks = useClosedNotebooks();
  const [notice, setNotice] = useState('');
  const canUndo = useSyncExternalStore(
    notebooks?.subscribe ?? never,
    () => notebooks?.canUndo(callId) === true
  );
  const undo = (): void => {
    notebooks?.undo(callId).then(
      result =>
        setNotice(
          result === 'done'
            ? trans.__('The notebook is as it was before.')
            : result === 'open'
              ? trans.__('The notebook is open. Close it, or undo the change there.')
              : trans.__('The file has changed since, so it was left as it is.')
        ),
      () => setNotice(trans.__('The file could not be written. Try again.'))
    );
  };
  if (!canUndo && notice === '') {
    return null;
  }
  return (
    <p className="jp-ChatStream-toolNote" role="status">
      {canUndo ? (
        <Button testid="undo-edit" then="stay" onClick={undo}>
          {trans.__('Undo this change')}
        </Button>
      ) : null}
      {notice}
    </p>
  );
}

function useClosedNotebooks(): ClosedNotebooks | undefined {
  const storage = useWorkspace()?.storage;
  return storage === undefined ? undefined : closedNotebooks(storage);
}

const never = () => () => undefined;

/** The decision in the log; before the answer, the person's choice in this page. */
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
