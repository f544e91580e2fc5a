/**
 * The one region of a chat that screen readers announce by themselves.
 *
 * It is polite and not seen. If several views show the same thread, one of them speaks: the first
 * that is on the screen.
 */
import { type ReactElement, useEffect, useRef, useState } from 'react';

import { type Stages, announcement, stagesOf } from '../boundaries';
import { runOf } from '../branch';
import { type ThreadClient, type ThreadState } from '../model';
import { type Message } from '../protocol';
import { useTrans, useVisibility } from './hooks';
import { type Visibility } from './visibility';

/** The views of each thread, in the order in which they were drawn. */
const views = new WeakMap<ThreadClient, Set<Visibility>>();

export function Announcer(props: {
  readonly client: ThreadClient;
  readonly state: ThreadState;
  readonly messages: readonly Message[];
}): ReactElement {
  const { client, state, messages } = props;
  const trans = useTrans();
  const visibility = useVisibility();
  const known = useRef<Stages | null>(null);
  const [said, setSaid] = useState({ count: 0, text: '' });
  useEffect(() => enter(client, visibility), [client, visibility]);
  useEffect(() => {
    if (known.current === null && state.link !== 'live') {
      return; // what the thread already holds is no news
    }
    const run = (message: Message) => runOf(state.transcript, message);
    const before = known.current;
    known.current = new Map([...(before ?? []), ...stagesOf(messages, run)]);
    const text = before === null ? null : announcement(before, messages, run, trans);
    if (text !== null && speaks(client, visibility)) {
      setSaid(({ count }) => ({ count: count + 1, text }));
    }
  }, [client, visibility, state.link, state.transcript, messages, trans]);
  return (
    <div
      className="jp-ChatStream-unseen"
      data-testid="announcer"
      role="status"
      aria-live="polite"
      aria-atomic="true"
    >
      <span key={said.count}>{said.text}</span>
    </div>
  );
}

function enter(client: ThreadClient, view: Visibility): () => void {
  const all = views.get(client) ?? new Set();
  views.set(client, all.add(view));
  return () => void all.delete(view);
}

function speaks(client: ThreadClient, view: Visibility): boolean {
  const all = [...(views.get(client) ?? [])];
  return (all.find(one => one.get()) ?? all[0]) === view;
}
