/**
 * The one region of a chat that screen readers announce by themselves.
 *
 * It is polite and not seen. Of several views that show a reply, one speaks: the first that is on the
 * screen.
 */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useEffect, useRef, useState } from 'react';

import { shownName } from '../composer/files';
import { type Stages, announcement, stagesOf } from '../fold/boundaries';
import { runOf } from '../fold/branch';
import { type Message, type ToolCallPart } from '../protocol/records';
import { type ThreadClient, type ThreadState } from '../thread/model';
import { cellsOf } from '../workspace/cell-edits';
import { proposalOf } from '../workspace/proposal-calls';
import { type Workspace } from '../workspace/values';
import { useTrans, useVisibility, useWorkspace } from './hooks';
import { type Visibility } from './visibility';

/** The views of a thread, and by reply the last stage that one of them has announced. */
interface Speakers {
  readonly views: Set<Visibility>;
  readonly lastStages: Map<string, string>;
}

const speakers = new WeakMap<ThreadClient, Speakers>();

export function Announcer(props: {
  readonly client: ThreadClient;
  readonly state: ThreadState;
  readonly messages: readonly Message[];
}): ReactElement {
  const { client, state, messages } = props;
  const trans = useTrans();
  const visibility = useVisibility();
  const workspace = useWorkspace();
  const previous = useRef<Stages | null>(null);
  const [speech, setSpeech] = useState({ count: 0, text: '' });
  useEffect(() => addView(client, visibility), [client, visibility]);
  useEffect(() => {
    if (previous.current === null && state.link !== 'live') {
      return; // what the thread already holds is no news
    }
    const run = (message: Message) => runOf(state.transcript, message);
    const before = previous.current;
    const stages = stagesOf(messages, run);
    previous.current = new Map([...(before ?? []), ...stages]);
    const { views, lastStages } = speakersOf(client);
    if (before === null || !maySpeak(views, visibility)) {
      return;
    }
    const isNew = (id: string, stage: string) =>
      before.get(id) !== stage && lastStages.get(id) !== stage;
    const describe = (call: ToolCallPart) => proposedText(call, workspace, trans);
    const text = announcement(isNew, messages, run, trans, describe);
    if (text !== null) {
      stages.forEach((stage, id) => lastStages.set(id, stage));
      setSpeech(({ count }) => ({ count: count + 1, text }));
    }
  }, [client, visibility, state.link, state.transcript, messages, trans, workspace]);
  return (
    <div
      className="jp-ChatStream-unseen"
      data-testid="announcer"
      role="status"
      aria-live="polite"
      aria-atomic="true"
    >
      <span key={speech.count}>{speech.text}</span>
    </div>
  );
}

/**
 * What is said of a call that proposes edits, and the keys that lead to them if the notebook is open
 * here; null for another call.
 */
function proposedText(
  call: ToolCallPart,
  workspace: Workspace | null,
  trans: TranslationBundle
): string | null {
  const proposal = proposalOf(call);
  if (proposal === null) {
    return null;
  }
  const count = cellsOf(proposal.edits).length;
  const name = shownName(proposal.path.split('/').at(-1) ?? '');
  const text = trans._n(
    'An edit of %1 cell is proposed in notebook %2.',
    'An edit of %1 cells is proposed in notebook %2.',
    count,
    name
  );
  const isOpen = workspace !== null && workspace.openPath(proposal.path) !== null;
  return isOpen ? `${text} ${trans.__('Alt+Shift+Down leads there and back.')}` : text;
}

function speakersOf(client: ThreadClient): Speakers {
  const entry = speakers.get(client) ?? { views: new Set(), lastStages: new Map() };
  speakers.set(client, entry);
  return entry;
}

function addView(client: ThreadClient, view: Visibility): () => void {
  const { views } = speakersOf(client);
  views.add(view);
  return () => void views.delete(view);
}

/** Whether a view may speak: it is on the screen, or none is. */
function maySpeak(views: ReadonlySet<Visibility>, view: Visibility): boolean {
  return view.getState() || ![...views].some(other => other.getState());
}
