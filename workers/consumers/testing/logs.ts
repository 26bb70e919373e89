import {
  canonicalJson,
  chainHash,
  GENESIS_HASH,
  type JsonObject,
  type LogRow,
  type Run,
} from "../../../schema/events.ts";

export type Said = { type: string; data: object };

/** A log as an actor would have written it: chained from zeros, one event a second. */
export const logOf = (stream: string, said: readonly Said[]): LogRow[] => {
  let prevHash = GENESIS_HASH;
  return said.map(({ type, data }, index) => {
    const seq = index + 1;
    const at = new Date(Date.UTC(2026, 0, 1) + seq * 1000).toISOString();
    const event = {
      stream,
      seq: String(seq),
      id: `evt_${stream}_${seq}`,
      type,
      version: "1",
      recorded_at: at,
      effective_at: at,
      correlation: "req_test",
      causation: null,
      principal: { user: "ann", client_id: "tests" },
      data: data as JsonObject,
    };
    const row = { seq, event, prev_hash: prevHash, hash: chainHash(prevHash, canonicalJson(event)) };
    prevHash = row.hash;
    return row;
  });
};

/** The message that carries events `from`…`to` of a log. */
export const runOf = (log: readonly LogRow[], from: number, to: number, head = log.length): Run => ({
  stream: log[0]?.event.stream ?? "",
  from,
  head,
  events: log.slice(from - 1, to),
});

/** The message that only names the log's head. */
export const beaconOf = (log: readonly LogRow[]): Run => ({
  stream: log[0]?.event.stream ?? "",
  from: log.length + 1,
  head: log.length,
  events: [],
});

/** The same row with one byte of its data another. */
export const tampered = (row: LogRow): LogRow => ({
  ...row,
  event: { ...row.event, data: { ...row.event.data, forged: true } },
});
