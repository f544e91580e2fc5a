/** What a chat draws of a long thread until all of it is here: its newest messages, if they fit. */
import { useMemo } from 'react';

import { exchange } from '../../fold/branch';
import { type Transcript } from '../../fold/transcript';
import { type ThreadState } from '../../thread/thread-state';
import { type ChatProps } from '../chat';
import { storedPlace } from './places';

/** The state with the preview as its transcript; null if there is no preview, or not what is read. */
export function usePreview(props: ChatProps, state: ThreadState): ThreadState | null {
  const { client, runId, place, target = null } = props;
  const { preview } = state;
  return useMemo(() => {
    const view = runId ?? place;
    const savedPlace = storedPlace(() => window.sessionStorage, client.threadId, view).load();
    const messageId = target?.messageId ?? savedPlace?.messageId ?? null;
    return preview !== null && isEnough(preview, runId, messageId)
      ? { ...state, transcript: preview }
      : null;
  }, [client, runId, place, target, preview, state]);
}

/** Whether a preview holds the end of the branch that is shown, or the run, and the wanted message. */
function isEnough(preview: Transcript, runId: string | null, messageId: string | null): boolean {
  const head = preview.thread?.head ?? null;
  const isThere = (id: string | null): boolean => id === null || preview.messages.has(id);
  return runId === null
    ? isThere(head) && isThere(messageId)
    : exchange(preview, runId).length === 2;
}
