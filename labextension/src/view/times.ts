/** Times in words, in the reader's own zone and by their clock (12 or 24 hours). Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Language } from '../text/language';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A time nearer than this is told by the minutes or seconds left; a later one by the clock. */
const COUNTED_MS = 60 * MINUTE_MS;
/** A time nearer than this is told by the seconds left. */
const BY_SECOND_MS = 2 * MINUTE_MS;
/** The clocks of server and page may differ by so much: a past time then seems to be ahead. */
const MOST_SKEW_MS = 10 * MINUTE_MS;

/** `14:05`, `tomorrow at 14:05`, `Mon 23 Nov at 14:05`: to stand after "until". */
export function timeText(at: string, now_ms: number, language: Language): string {
  const { trans } = language;
  const at_ms = Date.parse(at);
  const clock = clockText(at_ms, language.locale);
  switch (daysUntil(at_ms, now_ms)) {
    case 0:
      return clock;
    case 1:
      return trans.__('tomorrow at %1', clock);
    default:
      return trans.__('%1 at %2', dateText(at_ms, now_ms, language.locale), clock);
  }
}

/** `today at 14:05`, `tomorrow at 14:05`, `on Mon 23 Nov at 14:05`: to stand after a verb. */
export function whenText(at: string, now_ms: number, language: Language): string {
  const { trans } = language;
  const time = timeText(at, now_ms, language);
  switch (daysUntil(Date.parse(at), now_ms)) {
    case 0:
      return trans.__('today at %1', time);
    case 1:
      return time;
    default:
      return trans.__('on %1', time);
  }
}

/** `in 8 s`, `in 4 min`, `at 14:05`; empty once it is past. */
export function soonText(at: string, now_ms: number, language: Language): string {
  const { trans } = language;
  const remaining = leftText(at, now_ms, trans);
  if (remaining !== '') {
    return trans.__('in %1', remaining);
  }
  if (Date.parse(at) <= now_ms) {
    return '';
  }
  const isToday = daysUntil(Date.parse(at), now_ms) === 0;
  return isToday
    ? trans.__('at %1', timeText(at, now_ms, language))
    : whenText(at, now_ms, language);
}

/** `8 s`, `4 min`; empty once it is past, and while it is too far away to be counted. */
export function leftText(at: string, now_ms: number, trans: TranslationBundle): string {
  const left_ms = Date.parse(at) - now_ms;
  if (!(left_ms > 0 && left_ms < COUNTED_MS)) {
    return '';
  }
  return left_ms < BY_SECOND_MS
    ? secondsText(Math.ceil(left_ms / SECOND_MS), trans)
    : trans.__('%1 min', Math.ceil(left_ms / MINUTE_MS));
}

/** `just now`, `5 min ago`, `14:05`, `yesterday at 14:05`, `Mon 23 Nov at 14:05`; of a past time. */
export function agoText(at: string, now_ms: number, language: Language): string {
  const { trans } = language;
  const at_ms = Date.parse(at);
  if (Number.isNaN(at_ms)) {
    return '';
  }
  const past_ms = now_ms - at_ms;
  if (past_ms < MINUTE_MS && past_ms > -MOST_SKEW_MS) {
    return trans.__('just now');
  }
  if (past_ms < HOUR_MS && past_ms > 0) {
    return trans.__('%1 min ago', Math.floor(past_ms / MINUTE_MS));
  }
  const isYesterday = daysUntil(at_ms, now_ms) === -1;
  return isYesterday
    ? trans.__('yesterday at %1', clockText(at_ms, language.locale))
    : timeText(at, now_ms, language);
}

/** How often `agoText` changes, in ms; null once it changes no more. */
export function agoPaceOf(at: string | null, now_ms: number): number | null {
  const past_ms = at === null ? NaN : now_ms - Date.parse(at);
  if (!(past_ms < 2 * DAY_MS && past_ms > -MOST_SKEW_MS)) {
    return null;
  }
  return past_ms < HOUR_MS ? MINUTE_MS : 15 * MINUTE_MS; // in every zone, midnight is at a full quarter of an hour
}

/** A time with its date and its seconds; empty for none. */
export function exactText(at: string, locale: string): string {
  const at_ms = Date.parse(at);
  const format = { dateStyle: 'medium', timeStyle: 'medium', hourCycle: hourCycleOf() } as const;
  return Number.isNaN(at_ms) ? '' : new Intl.DateTimeFormat(locale, format).format(at_ms);
}

/** `8 s`, `2 min 5 s`, `1 h 3 min`: how long something took; empty below one second. */
export function spanText(span_ms: number, trans: TranslationBundle): string {
  const seconds = Math.floor(span_ms / SECOND_MS);
  if (!(seconds >= 1)) {
    return '';
  }
  if (seconds < 60) {
    return secondsText(seconds, trans);
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? trans.__('%1 min %2 s', minutes, seconds % 60)
    : trans.__('%1 h %2 min', Math.floor(minutes / 60), minutes % 60);
}

/** How often a time since `at` changes, in ms; null if nothing is measured. */
export function secondsPaceOf(at: string | null): number | null {
  return at === null ? null : SECOND_MS;
}

/** How often the text for a time changes, in ms; null once it changes no more. */
export function paceOf(at: string | null, now_ms: number): number | null {
  const left_ms = at === null ? NaN : Date.parse(at) - now_ms;
  if (!(left_ms > 0)) {
    return null;
  }
  // Seconds begin a minute early, so that no minute-long step skips the change to them.
  return left_ms < BY_SECOND_MS + MINUTE_MS ? SECOND_MS : MINUTE_MS;
}

/** A time as the value of a `datetime-local` field: local, to the minute. */
export function fieldText(at_ms: number): string {
  const zone_ms = new Date(at_ms).getTimezoneOffset() * MINUTE_MS;
  return new Date(at_ms - zone_ms).toISOString().slice(0, 16);
}

/** The next full hour that is at least 15 minutes away. */
export function nextHour(now_ms: number): number {
  const hour_ms = 60 * MINUTE_MS;
  const next = new Date(now_ms + hour_ms / 4);
  next.setMinutes(60, 0, 0);
  return next.getTime();
}

function secondsText(seconds: number, trans: TranslationBundle): string {
  return trans.__('%1 s', seconds);
}

function clockText(at_ms: number, locale: string): string {
  const hourCycle = hourCycleOf();
  const hour = hourCycle === 'h12' ? 'numeric' : '2-digit';
  const format = { hour, minute: '2-digit', hourCycle } as const;
  return new Intl.DateTimeFormat(locale, format).format(at_ms);
}

/**
 * The hours of the reader's own clock, in whatever language the page is. `hour12` would not do: some
 * languages begin its day with 0:30 am.
 */
function hourCycleOf(): 'h12' | 'h23' {
  const { hour12 } = new Intl.DateTimeFormat(undefined, { hour: 'numeric' }).resolvedOptions();
  return hour12 === true ? 'h12' : 'h23';
}

function dateText(at_ms: number, now_ms: number, locale: string): string {
  const isThisYear = new Date(at_ms).getFullYear() === new Date(now_ms).getFullYear();
  const day = { weekday: 'short', day: 'numeric', month: 'short' } as const;
  const format = isThisYear ? day : ({ ...day, year: 'numeric' } as const);
  return new Intl.DateTimeFormat(locale, format).format(at_ms).replace(',', '');
}

function daysUntil(at_ms: number, now_ms: number): number {
  return dayOf(at_ms) - dayOf(now_ms);
}

/** The number of a local day. */
function dayOf(at_ms: number): number {
  const at = new Date(at_ms);
  return Math.round(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / DAY_MS);
}
