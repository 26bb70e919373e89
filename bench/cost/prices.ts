import type { Count, Tally } from "../../objects/kit/meter/tally.ts";

/** Cloudflare's list prices above what a paid plan includes, US dollars a million; sources in docs/architecture/cost.md. */
const PER_MILLION: Readonly<Partial<Record<Count, number>>> = {
  worker_requests: 0.3,
  calls: 0.15,
  // Twenty incoming messages of a socket are one request.
  frames: 0.15 / 20,
  rows_read: 0.001,
  rows_written: 1,
  alarms_set: 1,
  d1_rows_read: 0.001,
  d1_rows_written: 1,
  queue_writes: 0.4,
  queue_reads: 0.4,
  queue_deletes: 0.4,
  r2_class_a: 4.5,
  r2_class_b: 0.36,
};

/** Of objects that are up: 12.50 a million GB-seconds, 128 MB each. */
const DURATION_PER_MILLION_GB_S = 12.5;
const OBJECT_GB = 0.128;

/** What the meter cannot tell on one machine, taken for a deployment: milliseconds an object is up for one call. */
export const UP_MS_PER_CALL = 10;
/** Milliseconds a payment provider takes, while coordinator and gateway wait. */
export const PROVIDER_MS = 300;
const WAITING_OBJECTS = 2;

export const PARTS = ["requests", "object rows", "queue", "read model", "archive", "duration"] as const;
export type Part = (typeof PARTS)[number];

const PART_OF: Readonly<Partial<Record<Count, Part>>> = {
  worker_requests: "requests",
  calls: "requests",
  frames: "requests",
  rows_read: "object rows",
  rows_written: "object rows",
  alarms_set: "object rows",
  d1_rows_read: "read model",
  d1_rows_written: "read model",
  queue_writes: "queue",
  queue_reads: "queue",
  queue_deletes: "queue",
  r2_class_a: "archive",
  r2_class_b: "archive",
};

/** What a million of these cost, US dollars, by part. `asksProvider`: a provider is waited for. */
export const priceOf = (unit: Tally, asksProvider: boolean): Record<Part, number> => {
  const parts = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  for (const [count, part] of Object.entries(PART_OF) as [Count, Part][]) {
    parts[part] += unit[count] * (PER_MILLION[count] ?? 0);
  }
  const upMs = unit.calls * UP_MS_PER_CALL + (asksProvider ? WAITING_OBJECTS * PROVIDER_MS : 0);
  parts.duration = (upMs / 1_000) * OBJECT_GB * DURATION_PER_MILLION_GB_S;
  return parts;
};

export const sumOf = (parts: Readonly<Record<Part, number>>): number =>
  PARTS.reduce((sum, part) => sum + parts[part], 0);
