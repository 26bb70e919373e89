/** Calendar parts of a duration. Months are months of the calendar, not thirty days. */
export type Duration = { months: number; ms: number };

const ISO =
  /^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?$/;
const SHORT = /^(\d{1,8})([smhd])$/;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads an ISO 8601 duration of whole parts (`P1M`, `PT5M`) or the short form `90s`, `5m`, `1h`, `7d`; null when it is neither. */
export const parseDuration = (text: string): Duration | null => {
  const [, count, unit] = SHORT.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return { months: 0, ms: Number(count) * (UNIT_MS[unit] ?? 0) };
  const match = ISO.exec(text);
  if (match === null || text.endsWith("P") || text.endsWith("T")) return null;
  const part = (index: number): number => Number(match[index] ?? 0);
  return {
    months: part(1) * 12 + part(2),
    ms: (part(3) * 7 + part(4)) * 86_400_000 + part(5) * 3_600_000 + part(6) * 60_000 + part(7) * 1_000,
  };
};

/** The moment a duration after another, in UTC. The 31st plus a month is the last day of a shorter month. */
export const addDuration = (fromMs: number, duration: Duration): number => {
  const from = new Date(fromMs);
  const day = from.getUTCDate();
  const moved = new Date(fromMs);
  moved.setUTCDate(1);
  moved.setUTCMonth(moved.getUTCMonth() + duration.months);
  const lastDay = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate();
  moved.setUTCDate(Math.min(day, lastDay));
  return moved.getTime() + duration.ms;
};
