/** The repeating messages of a chat: to look at, to pause, to delete. */
import { type ReactElement, useEffect, useState, useSyncExternalStore } from 'react';

import { type Schedule, type ScheduleList } from '../schedules';
import { Button } from './button';
import { useNow } from './hooks';
import { timeText } from './times';

export function Schedules({ list }: { readonly list: ScheduleList }): ReactElement | null {
  const { schedules, acting, problem } = useSyncExternalStore(list.subscribe, list.getState);
  useEffect(() => void list.load(), [list]);
  const isEmpty = schedules !== null && schedules.length === 0;
  return (
    <section
      className="jp-ChatStream-schedules"
      data-testid="schedules"
      aria-label="Repeating messages"
    >
      {problem === null ? null : (
        <p className="jp-ChatStream-schedulesNote" role="alert">
          {problem}
        </p>
      )}
      {isEmpty ? (
        <p className="jp-ChatStream-schedulesNote">
          This chat has no repeating messages. To add one from code: <code>chat.schedule(…)</code>
        </p>
      ) : null}
      {schedules === null || isEmpty ? null : (
        <>
          <p className="jp-ChatStream-schedulesNote">Repeating messages:</p>
          <ul aria-label="Repeating messages">
            {schedules.map(schedule => (
              <ScheduleView
                key={schedule.id}
                schedule={schedule}
                list={list}
                isActing={acting.has(schedule.id)}
              />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function ScheduleView(props: {
  readonly schedule: Schedule;
  readonly list: ScheduleList;
  readonly isActing: boolean;
}): ReactElement {
  const { schedule, list, isActing } = props;
  const { id, content, paused } = schedule;
  const [isAsked, setAsked] = useState(false);
  const now_ms = useNow(paused ? null : schedule.next_at);
  const next =
    schedule.next_at === null ? 'no next time' : `next ${timeText(schedule.next_at, now_ms)}`;
  return (
    <li
      className={`jp-ChatStream-schedule${paused ? ' jp-mod-paused' : ''}`}
      data-testid="schedule"
      data-state={paused ? 'paused' : 'active'}
      onBlur={() => setAsked(false)}
    >
      <span className="jp-ChatStream-scheduleText" title={content}>
        {content}
      </span>
      <span className="jp-ChatStream-scheduleTime" title={schedule.timezone}>
        <code>{schedule.cron}</code> {paused ? 'paused' : next}
      </span>
      <span className="jp-ChatStream-scheduleButtons">
        <Button
          testid="pause"
          look="jp-mod-quiet"
          label={`${paused ? 'Resume' : 'Pause'}: ${content}`}
          then="stay"
          isDisabled={isActing}
          onClick={() => void list.pause(id, !paused)}
        >
          {paused ? 'Resume' : 'Pause'}
        </Button>
        <Button
          testid="delete"
          look={isAsked ? 'jp-mod-danger' : 'jp-mod-quiet'}
          label={`${isAsked ? 'Confirm to delete' : 'Delete'}: ${content}`}
          then="stay"
          isDisabled={isActing}
          onClick={() => (isAsked ? void list.remove(id) : setAsked(true))}
        >
          {isAsked ? 'Confirm' : 'Delete'}
        </Button>
      </span>
    </li>
  );
}
