const FIELDS = [
  { min: 0, max: 59, of: (at: Date) => at.getUTCMinutes() },
  { min: 0, max: 23, of: (at: Date) => at.getUTCHours() },
  { min: 1, max: 31, of: (at: Date) => at.getUTCDate() },
  { min: 1, max: 12, of: (at: Date) => at.getUTCMonth() + 1 },
  // The platform counts weekdays from Sunday = 1.
  { min: 1, max: 7, of: (at: Date) => at.getUTCDay() + 1 },
] as const;

/** Whether a five-field cron schedule (numbers, ranges, steps, lists; UTC) falls due in the minute of `at`. Throws on any other. */
export function cronDue(schedule: string, at: Date): boolean {
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== FIELDS.length) throw new Error(`cron schedule ${JSON.stringify(schedule)} needs five fields`);
  return FIELDS.every(({ min, max, of }, index) => {
    const value = of(at);
    return (fields[index] ?? "").split(",").some((part) => {
      const [, from, to, step] = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part) ?? unknownPart(schedule);
      const first = from === undefined ? min : Number(from);
      const last = to !== undefined ? Number(to) : from === undefined || step !== undefined ? max : first;
      return value >= first && value <= last && (value - first) % Number(step ?? 1) === 0;
    });
  });
}

function unknownPart(schedule: string): never {
  throw new Error(`cron schedule ${JSON.stringify(schedule)} is not understood`);
}

/** At each full minute, for as long as the process lives for other reasons, calls `run` for every schedule that is due. */
export function everyMinute(schedules: readonly string[], run: (schedule: string, at: Date) => Promise<void>): void {
  if (schedules.length === 0) return;
  // A little past it: a timer that fired early would find the minute before.
  const untilNextMinute = 60_020 - (Date.now() % 60_000);
  setTimeout(() => {
    const now = new Date();
    for (const schedule of schedules.filter((each) => cronDue(each, now))) void run(schedule, now);
    everyMinute(schedules, run);
  }, untilNextMinute).unref();
}
