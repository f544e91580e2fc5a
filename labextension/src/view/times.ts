/** Times in words, in the reader's own zone and by their clock (12 or 24 hours). Pure. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Below this, what is left is counted in minutes or seconds; above, the time itself is said. */
const COUNTED_MS = 60 * MINUTE_MS;
/** Below this, it is counted in seconds. */
const BY_SECOND_MS = 2 * MINUTE_MS;

/** `14:05`, `tomorrow at 14:05`, `Mon 23 Nov at 14:05`: what comes after "until". */
export function timeText(at: string, now_ms: number): string {
  const at_ms = Date.parse(at);
  const days = dayOf(at_ms) - dayOf(now_ms);
  if (days === 0) {
    return clockText(at_ms);
  }
  return `${days === 1 ? 'tomorrow' : dateText(at_ms, now_ms)} at ${clockText(at_ms)}`;
}

/** `today at 14:05`, `tomorrow at 14:05`, `on Mon 23 Nov at 14:05`: what comes after a verb. */
export function whenText(at: string, now_ms: number): string {
  const days = dayOf(Date.parse(at)) - dayOf(now_ms);
  const time = timeText(at, now_ms);
  return days === 0 ? `today at ${time}` : days === 1 ? time : `on ${time}`;
}

/** `in 8 s`, `in 4 min`, `at 14:05`; empty where it is past. */
export function soonText(at: string, now_ms: number): string {
  const left = leftText(at, now_ms);
  if (left !== '') {
    return `in ${left}`;
  }
  const days = dayOf(Date.parse(at)) - dayOf(now_ms);
  const time = timeText(at, now_ms);
  return Date.parse(at) <= now_ms
    ? ''
    : days === 0
      ? `at ${time}`
      : days === 1
        ? time
        : `on ${time}`;
}

/** `8 s`, `4 min`; empty where it is past, or too far away to be counted. */
export function leftText(at: string, now_ms: number): string {
  const left_ms = Date.parse(at) - now_ms;
  if (!(left_ms > 0 && left_ms < COUNTED_MS)) {
    return '';
  }
  return left_ms < BY_SECOND_MS
    ? `${Math.ceil(left_ms / SECOND_MS)} s`
    : `${Math.ceil(left_ms / MINUTE_MS)} min`;
}

/** How often the words for a time change, in ms; null: no more. */
export function paceOf(at: string | null, now_ms: number): number | null {
  const left_ms = at === null ? NaN : Date.parse(at) - now_ms;
  if (!(left_ms > 0)) {
    return null;
  }
  // A minute early: the step to seconds must not be slept through.
  return left_ms < BY_SECOND_MS + MINUTE_MS ? SECOND_MS : MINUTE_MS;
}

/** A time as a `datetime-local` field has it: local, to the minute. */
export function fieldText(at_ms: number): string {
  const zone_ms = new Date(at_ms).getTimezoneOffset() * MINUTE_MS;
  return new Date(at_ms - zone_ms).toISOString().slice(0, 16);
}

/** The next full hour that is not too near to be meant. */
export function nextHour(now_ms: number): number {
  const hour_ms = 60 * MINUTE_MS;
  const next = new Date(now_ms + hour_ms / 4);
  next.setMinutes(60, 0, 0);
  return next.getTime();
}

function clockText(at_ms: number): string {
  const { hour12 } = new Intl.DateTimeFormat(undefined, { hour: 'numeric' }).resolvedOptions();
  const format = {
    hour: hour12 === true ? 'numeric' : '2-digit',
    minute: '2-digit',
    hour12: hour12 === true
  } as const;
  return new Intl.DateTimeFormat('en-GB', format).format(at_ms);
}

function dateText(at_ms: number, now_ms: number): string {
  const isThisYear = new Date(at_ms).getFullYear() === new Date(now_ms).getFullYear();
  const day = { weekday: 'short', day: 'numeric', month: 'short' } as const;
  const format = isThisYear ? day : ({ ...day, year: 'numeric' } as const);
  return new Intl.DateTimeFormat('en-GB', format).format(at_ms).replace(',', '');
}

/** The number of a local day. */
function dayOf(at_ms: number): number {
  const at = new Date(at_ms);
  return Math.round(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / DAY_MS);
}
