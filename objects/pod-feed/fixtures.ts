import type { LogRow } from "../../schema/events.ts";
import type { Seat } from "./state.ts";

/** Rows and seats for tests. */
export const NOW = Date.parse("2026-03-01T12:00:00.000Z");

export type Told = { type: string; data: LogRow["event"]["data"] };

export const rename: Told = { type: "pod.updated", data: { pod: "pod_1", name: "Trip" } };
export const removal = (user: string): Told => ({
  type: "member.removed",
  data: { pod: "pod_1", user, role: "member", left: false },
});

export const rowOf = (seq: number, { type, data }: Told = rename): LogRow => ({
  seq,
  event: {
    stream: "pod/pod_1",
    seq: String(seq),
    id: `evt_${seq}`,
    type,
    version: "1",
    recorded_at: new Date(NOW).toISOString(),
    effective_at: new Date(NOW).toISOString(),
    correlation: "request-0001",
    causation: null,
    principal: { user: "olga", client_id: "tests" },
    data,
  },
  prev_hash: "",
  hash: "",
});

export const rowsOf = (from: number, to: number): LogRow[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => rowOf(from + index));

export const seatAt = (sent: number, change: Partial<Seat> = {}): Seat => ({
  user: "bob",
  operator: false,
  ends_at: NOW + 600_000,
  joined: 0,
  sent,
  acked: sent,
  stalled_at: null,
  leaving: false,
  over: false,
  ...change,
});
