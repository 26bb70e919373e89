const DEFAULT_WAIT_S = 10;
const MAX_WAIT_S = 30;

/**
 * How long a caller wants to wait for an answer, milliseconds: `Prefer: wait=0` to `wait=30`, ten seconds otherwise. A malformed
 * preference counts as absent, and of two the first holds (RFC 7240).
 */
export const waitMs = (prefer: string | null): number => {
  for (const preference of (prefer ?? "").split(",")) {
    const [, value] =
      /^\s*wait\s*=\s*(?:"(\d{1,6})"|(\d{1,6}))\s*(?:;.*)?$/i.exec(preference)?.filter((part) => part !== undefined) ??
      [];
    if (value !== undefined) return Math.min(Number(value), MAX_WAIT_S) * 1000;
  }
  return DEFAULT_WAIT_S * 1000;
};
