/** The list of a chat's repeating messages, with buttons to pause and delete them. */
import { type ReactElement, useEffect, useState } from 'react';

import { type Schedule, type ScheduleList } from '../../thread/schedules';
import { Button } from '../controls/button';
import { useLanguage, useNow, useStore, useTrans } from '../hooks';
import { timeText } from '../times';

/** How a notebook adds a repeating message. */
const EXAMPLE = 'chat.schedule(…)';

export function Schedules({ list }: { readonly list: ScheduleList }): ReactElement | null {
  const { schedules, acting, problem } = useStore(list);
  useEffect(() => void list.load(), [list]);
  const trans = useTrans();
  const label = trans.__('Repeating messages');
  const isEmpty = schedules !== null && schedules.length === 0;
  return (
    <section className="jp-ChatStream-schedules" data-testid="schedules" aria-label={label}>
      {problem === null ? null : (
        <p className="jp-ChatStream-schedulesNote" role="alert">
          {problem}
        </p>
      )}
      {isEmpty ? (
        <p className="jp-ChatStream-schedulesNote">
          {trans.__('This chat has no repeating messages. Add one from code:')}{' '}
          <code>{EXAMPLE}</code>
        </p>
      ) : null}
      {schedules === null || isEmpty ? null : (
        <>
          <p className="jp-ChatStream-schedulesNote">{label}</p>
          <ul aria-label={label}>
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
  const language = useLanguage();
  const { trans } = language;
  const next =
    schedule.next_at === null
      ? trans.__('no next time')
      : trans.__('next %1', timeText(schedule.next_at, now_ms, language));
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
        <code>{schedule.cron}</code> {paused ? trans.__('paused') : next}
      </span>
      <span className="jp-ChatStream-scheduleButtons">
        <Button
          testid="pause"
          className="jp-mod-quiet"
          label={paused ? trans.__('Resume: %1', content) : trans.__('Pause: %1', content)}
          isDisabled={isActing}
          onClick={() => void list.pause(id, !paused)}
        >
          {paused ? trans.__('Resume') : trans.__('Pause')}
        </Button>
        <Button
          testid="delete"
          className={isAsked ? 'jp-mod-danger' : 'jp-mod-quiet'}
          label={
            isAsked ? trans.__('Confirm deletion: %1', content) : trans.__('Delete: %1', content)
          }
          isDisabled={isActing}
          onClick={() => (isAsked ? void list.remove(id) : setAsked(true))}
        >
          {isAsked ? trans.__('Confirm') : trans.__('Delete')}
        </Button>
      </span>
    </li>
  );
}
