// Cron expressions as the platform writes them (spec services 2.3): checked here and rewritten in the
// narrower syntax of croner, which finds the matching times. Everything is UTC.

import { Cron } from "croner";

interface Field {
  readonly min: number;
  readonly max: number;
  /** Names of the values from `min`, upper case. */
  readonly names?: readonly string[];
}

const MINUTE: Field = { min: 0, max: 59 };
const HOUR: Field = { min: 0, max: 23 };
const DAY: Field = { min: 1, max: 31 };
const MONTH: Field = {
  min: 1,
  max: 12,
  names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const WEEKDAY: Field = {
  min: 0,
  max: 6,
  names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

const DAY_MS = 24 * 3600_000;
/** `L-3` exists in every month, so a year holds all months that an expression names. */
const MONTHS_SEARCHED = 13;
const SATURDAY = 6;
const SUNDAY = 0;

/** `L-3` and `L-3W`: days that croner does not know. */
interface DayBeforeLast {
  readonly daysBefore: number;
  readonly nearestWeekday: boolean;
}

/** A checked expression. */
export class CronExpression {
  readonly #minuteAndHour: string;
  readonly #month: string;
  readonly #dayBeforeLast: DayBeforeLast | null;
  /** Matches without `#dayBeforeLast`; null if only that one says which days. */
  readonly #pattern: Cron | null;

  /** @throws SyntaxError */
  constructor(expression: string) {
    const parts = expression.split(/[ \t]+/);
    if (parts.length !== 5) throw new SyntaxError("a cron expression has five fields");
    const [minute, hour, day, month, weekday] = parts as [string, string, string, string, string];
    this.#minuteAndHour = `${values(minute, MINUTE)} ${values(hour, HOUR)}`;
    this.#month = values(month, MONTH);
    this.#dayBeforeLast = dayBeforeLast(day);
    const weekdays = weekdayValues(weekday);
    const days = this.#dayBeforeLast === null ? dayValues(day) : "*";
    this.#pattern = this.#dayBeforeLast !== null && weekdays === "*"
      ? null
      : cron(`${this.#minuteAndHour} ${days} ${this.#month} ${weekdays}`);
  }

  /** The first match after the given time, both in milliseconds; null if there is none ever. */
  next(afterMs: number): number | null {
    const times = [nextOf(this.#pattern, afterMs), this.#nextDayBeforeLast(afterMs)]
      .filter((time) => time !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  #nextDayBeforeLast(afterMs: number): number | null {
    if (this.#dayBeforeLast === null) return null;
    const times = cron(`${this.#minuteAndHour} * ${this.#month} *`);
    const start = new Date(afterMs);
    for (let month = 0; month <= MONTHS_SEARCHED; month++) {
      const day = dayOf(this.#dayBeforeLast, start.getUTCFullYear(), start.getUTCMonth() + month);
      const time = nextOf(times, Math.max(afterMs, day - 1));
      if (time !== null && time >= day && time < day + DAY_MS) return time;
    }
    return null;
  }
}

function cron(pattern: string): Cron {
  return new Cron(pattern, { paused: true, mode: "5-part", timezone: "UTC" });
}

function nextOf(times: Cron | null, afterMs: number): number | null {
  return times?.nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** Midnight of the day that a month has for `L-n` or `L-nW`. */
function dayOf({ daysBefore, nearestWeekday }: DayBeforeLast, year: number, month: number): number {
  const last = new Date(Date.UTC(year, month + 1, 0));
  const date = Math.max(1, last.getUTCDate() - daysBefore);
  const day = new Date(Date.UTC(year, month, date));
  if (!nearestWeekday) return day.getTime();
  const weekday = day.getUTCDay();
  // The nearest weekday stays within the month.
  if (weekday === SATURDAY) return day.getTime() + (date === 1 ? 2 : -1) * DAY_MS;
  if (weekday === SUNDAY) return day.getTime() + (date === last.getUTCDate() ? -2 : 1) * DAY_MS;
  return day.getTime();
}

function dayBeforeLast(text: string): DayBeforeLast | null {
  const match = /^L-(\d{1,2})(W?)$/i.exec(text);
  if (match === null) return null;
  const daysBefore = Number(match[1]);
  if (daysBefore < 1 || daysBefore > 30) throw new SyntaxError(`no month has a day ${text}`);
  return { daysBefore, nearestWeekday: match[2] !== "" };
}

function dayValues(text: string): string {
  if (/^LW?$/i.test(text)) return text.toUpperCase();
  const weekday = /^(\d{1,2})W$/i.exec(text);
  return weekday === null ? values(text, DAY) : `${value(weekday[1]!, DAY)}W`;
}

function weekdayValues(text: string): string {
  if (/^L$/i.test(text)) return String(SATURDAY);
  const last = /^(\w+)L$/i.exec(text);
  if (last !== null) return `${value(last[1]!, WEEKDAY)}L`;
  const nth = /^(\w+)#([1-5])$/.exec(text);
  return nth === null ? values(text, WEEKDAY) : `${value(nth[1]!, WEEKDAY)}#${nth[2]}`;
}

/** A field's values as croner reads them: ranges that wrap around are spelled out. */
function values(text: string, field: Field): string {
  if (text === "*") return text;
  const numbers = new Set<number>();
  for (const item of text.split(",")) {
    const isWhole = item === text;
    for (const number of itemValues(item, field, isWhole)) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b).join(",");
}

function itemValues(item: string, field: Field, isWhole: boolean): number[] {
  const match = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(item);
  if (match === null) throw new SyntaxError(`unreadable: ${item}`);
  const [, from, to, step] = match;
  if (from === "*" && (!isWhole || to !== undefined)) throw new SyntaxError(`unreadable: ${item}`);
  const { min, max } = field;
  const first = from === "*" ? min : value(from!, field);
  const isSingle = from !== "*" && to === undefined && step === undefined;
  const last = to !== undefined ? value(to, field) : isSingle ? first : max;
  const stride = step === undefined ? 1 : Number(step);
  if (step !== undefined && (stride < 1 || stride > max - min)) {
    throw new SyntaxError(`a step from 1 to ${max - min} is needed: ${item}`);
  }
  const size = max - min + 1;
  const distance = (last - first + size) % size;
  const numbers: number[] = [];
  for (let i = 0; i <= distance; i += stride) numbers.push(min + (first - min + i) % size);
  return numbers;
}

function value(text: string, { min, max, names = [] }: Field): number {
  const named = names.indexOf(text.toUpperCase());
  if (named >= 0) return min + named;
  const number = /^\d{1,2}$/.test(text) ? Number(text) : NaN;
  if (!(number >= min && number <= max)) {
    throw new SyntaxError(`not from ${min} to ${max}: ${text}`);
  }
  return number;
}
