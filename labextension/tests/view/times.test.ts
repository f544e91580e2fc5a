// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { Ticker } from '../../src/view/ticker';
import {
  fieldText,
  leftText,
  nextHour,
  paceOf,
  soonText,
  timeText,
  whenText
} from '../../src/view/times';
import { ENGLISH, FakeClock } from '../fakes';

/** A local time in November 2026, on the wire and as a number. */
const wire = (day: number, hour: number, minute = 0) =>
  new Date(2026, 10, day, hour, minute).toISOString();
const NOW = Date.parse(wire(20, 9, 30));
/** 24 or 12 hours, as this machine has it. */
const clock = (text: string) => text.replace('2:05 pm', '14:05').replace('12:30 am', '00:30');

describe('a time in words', () => {
  it('names the day where it is another', () => {
    expect(clock(timeText(wire(20, 14, 5), NOW, ENGLISH))).toBe('14:05');
    expect(clock(timeText(wire(21, 0, 30), NOW, ENGLISH))).toBe('tomorrow at 00:30');
    expect(clock(timeText(wire(23, 14, 5), NOW, ENGLISH))).toBe('Mon 23 Nov at 14:05');
    const nextYear = new Date(2027, 0, 4, 14, 5).toISOString();
    expect(clock(timeText(nextYear, NOW, ENGLISH))).toBe('Mon 4 Jan 2027 at 14:05');
  });

  it('is written in the language of the page', () => {
    const french = { ...ENGLISH, locale: 'fr' };
    expect(timeText(wire(23, 14, 5), NOW, french)).toMatch(/^lun\. 23 nov\. at /);
  });

  it('says when something will be', () => {
    expect(clock(whenText(wire(20, 14, 5), NOW, ENGLISH))).toBe('today at 14:05');
    expect(clock(whenText(wire(21, 14, 5), NOW, ENGLISH))).toBe('tomorrow at 14:05');
    expect(clock(whenText(wire(23, 14, 5), NOW, ENGLISH))).toBe('on Mon 23 Nov at 14:05');
  });

  it('counts what is near, in minutes and at last in seconds', () => {
    const at = wire(20, 9, 40);
    expect(leftText(at, NOW, ENGLISH.trans)).toBe('10 min');
    expect(leftText(at, Date.parse(at) - 61_000, ENGLISH.trans)).toBe('61 s');
    expect(soonText(at, Date.parse(at) - 7_400, ENGLISH)).toBe('in 8 s');
    expect(soonText(at, Date.parse(at), ENGLISH)).toBe('');
    expect(clock(soonText(wire(20, 14, 5), NOW, ENGLISH))).toBe('at 14:05');
    expect(leftText(wire(20, 14, 5), NOW, ENGLISH.trans)).toBe('');
  });

  it('changes each second when near, each minute before, and not when past', () => {
    const at = wire(20, 14, 5);
    expect(paceOf(at, NOW)).toBe(60_000);
    expect(paceOf(at, Date.parse(at) - 179_000)).toBe(1_000);
    expect(paceOf(at, Date.parse(at))).toBeNull();
    expect(paceOf(null, NOW)).toBeNull();
  });

  it('goes into a field and back, to the minute', () => {
    expect(fieldText(NOW)).toBe('2026-11-20T09:30');
    expect(new Date(fieldText(NOW)).getTime()).toBe(NOW);
    expect(fieldText(nextHour(NOW))).toBe('2026-11-20T10:00');
    expect(fieldText(nextHour(Date.parse(wire(20, 9, 50))))).toBe('2026-11-20T11:00');
  });
});

describe('the ticker', () => {
  it('has one timer for all, and none for nobody', () => {
    const clock = new FakeClock();
    const ticker = new Ticker(clock);
    const heard: string[] = [];
    clock.turn(400);
    const ends = [
      ticker.listen(1_000, now => heard.push(`second ${now}`)),
      ticker.listen(60_000, now => heard.push(`minute ${now}`))
    ];
    expect(clock.pending).toBe(1);
    clock.turn(1_700);
    expect(heard).toEqual(['second 1000', 'second 2000']);
    ends[0]?.();
    clock.turn(60_000);
    expect(heard.slice(2)).toEqual(['minute 60000']);
    ends[1]?.();
    expect(clock.pending).toBe(0);
  });

  it('tells each step once, however late it comes', () => {
    const clock = new FakeClock();
    const ticker = new Ticker({ now: () => clock.now() * 100, later: clock.later.bind(clock) });
    const heard: number[] = [];
    ticker.listen(1_000, now => heard.push(now));
    clock.turn(1_000);
    clock.turn(1_000);
    expect(heard).toEqual([100_000, 200_000]);
  });
});
