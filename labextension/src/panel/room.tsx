/** An open thread in the panel or a tab: its title, its menu, and the chat. */
import { type ReactElement, useEffect, useLayoutEffect, useRef, useState } from 'react';

import { type IChatPage } from '../page/tokens';
import { type Thread, type ThreadRow } from '../protocol/records';
import { type ThreadClient } from '../thread/model';
import { type ThreadList } from '../threads/list';
import { rowTitle } from '../threads/rows';
import { Button } from '../view/controls/button';
import { useStore, useThread, useTrans } from '../view/hooks';
import { type MountedChat, mountChat } from '../view/mount';
import { type OpenTarget } from './opened';
import { type RowActions } from './row-actions';

interface RoomProps {
  readonly page: IChatPage;
  readonly list: ThreadList;
  readonly actions: RowActions;
  readonly target: OpenTarget;
  readonly place: 'panel' | 'tab';
  /** Goes back to the list; null in a place without a list. */
  readonly onBack: (() => void) | null;
  /** Opens another thread. */
  readonly onOpen: (target: OpenTarget) => void;
  /** Opens the thread in the other place; null if there is no other place. */
  readonly onMove: (() => void) | null;
  readonly onTitle?: (title: string) => void;
}

export function Room(props: RoomProps): ReactElement | null {
  const client = useClient(props.page, props.target.threadId);
  return client === null ? null : <Shown {...props} client={client} />;
}

function Shown(props: RoomProps & { readonly client: ThreadClient }): ReactElement {
  const { client, list, actions, place, onTitle } = props;
  const trans = useTrans();
  const { transcript } = useThread(client);
  const { rows, asking } = useStore(list);
  const waiting = asking.find(({ id }) => id !== client.threadId);
  const row = rows.find(({ id }) => id === client.threadId) ?? rowOf(transcript.thread);
  const title = row === null ? '' : rowTitle(row, trans);
  useEffect(() => {
    if (title !== '') {
      onTitle?.(title);
    }
  }, [title, onTitle]);
  return (
    <div className="jp-ChatStream-room" data-testid="room">
      <div className="jp-ChatStream-roomHead">
        {props.onBack === null ? null : (
          <Button
            testid="back"
            className="jp-mod-quiet jp-ChatStream-back"
            label={trans.__('Back to the list of chats')}
            onClick={props.onBack}
          >
            <span className="jp-ChatStream-arrow">‹</span>
          </Button>
        )}
        <h2 className="jp-ChatStream-roomTitle" dir="auto" title={title} data-testid="room-title">
          {title}
        </h2>
        {waiting === undefined ? null : (
          <Button
            testid="open-asking"
            className="jp-mod-quiet"
            label={trans.__('Open “%1”, which waits for your answer', rowTitle(waiting, trans))}
            onClick={() => props.onOpen({ threadId: waiting.id, messageId: null })}
          >
            <span className="jp-ChatStream-mark jp-mod-asks">?</span>
          </Button>
        )}
        {props.onMove === null ? null : (
          <Button
            testid="move"
            className="jp-mod-quiet"
            label={
              place === 'panel' ? trans.__('Open in a tab') : trans.__('Open in the side panel')
            }
            onClick={props.onMove}
          >
            {place === 'panel' ? '↗' : '↘'}
          </Button>
        )}
        {row === null ? null : <RoomMenu onOpen={at => actions.openMenu(row, at, null)} />}
      </div>
      <MountedThread {...props} />
    </div>
  );
}

function RoomMenu(props: {
  readonly onOpen: (at: { x: number; y: number }) => void;
}): ReactElement {
  const trans = useTrans();
  return (
    <Button
      testid="room-menu"
      className="jp-mod-quiet"
      label={trans.__('Actions for this chat')}
      onClick={event => {
        const { left, bottom } = event.currentTarget.getBoundingClientRect();
        props.onOpen({ x: left, y: bottom });
      }}
    >
      ⋯
    </Button>
  );
}

/** The chat itself, which has its own React root. */
function MountedThread({ page, target, place }: RoomProps): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  const chat = useRef<MountedChat | null>(null);
  useLayoutEffect(() => {
    const node = host.current;
    if (node === null) {
      return undefined;
    }
    const inner = document.createElement('div');
    node.append(inner);
    const mountedChat = mountChat(inner, page);
    chat.current = mountedChat;
    return () => {
      chat.current = null;
      mountedChat.dispose();
      inner.remove();
    };
  }, [page]);
  useLayoutEffect(() => {
    const { threadId, messageId } = target;
    chat.current?.show({
      threadId,
      runId: null,
      savedCopy: null,
      isDisabled: false,
      height: null,
      place,
      target: messageId === null ? null : { messageId }
    });
  }, [page, target, place]);
  return <div ref={host} className="jp-ChatStream-roomChat" />;
}

/** The thread's client, as long as the component is drawn. */
function useClient(page: IChatPage, threadId: string): ThreadClient | null {
  const [client, setClient] = useState<ThreadClient | null>(null);
  useEffect(() => {
    const newClient = page.threads.acquire(threadId);
    // Each `acquire` needs a release, so only an effect may acquire the client.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setClient(newClient);
    return () => {
      setClient(null);
      page.threads.release(newClient);
    };
  }, [page, threadId]);
  return client;
}

/** A row from the log of a thread, for a thread that the list does not show. */
function rowOf(thread: Thread | null): ThreadRow | null {
  return thread === null
    ? null
    : {
        ...thread,
        project: '',
        archived: false,
        created_at: thread.updated_at,
        seq: 0,
        unread: 0,
        busy: false,
        asks: false,
        pinned: false
      };
}
