import {
  canonicalJson,
  chainHash,
  GENESIS_HASH,
  type JsonObject,
  type LogRow,
  type Run,
} from "../../../schema/events.ts";
import { beacon, type RunMessage } from "../../../schema/run-message.ts";

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

/** Events `from`…`to` of a log. */
export const runOf = (log: readonly LogRow[], from: number, to: number, head = log.length): Run => ({
  stream: log[0]?.event.stream ?? "",
  from,
  head,
  events: log.slice(from - 1, to),
});

/** Its head alone. */
export const beaconOf = (log: readonly LogRow[]): Run => runOf(log, log.length + 1, log.length);

/** A run as its actor sends it. */
export const sentOf = ({ stream, from, head, events }: Run): RunMessage => {
  const [first, last] = [events[0], events.at(-1)];
  if (first === undefined || last === undefined) return beacon(stream, from, head);
  const lines = events.map(({ event }) => canonicalJson(event));
  return { stream, from, head, prev_hash: first.prev_hash, hash: last.hash, events: lines.join("\n") };
};

/** The same row with one byte of its data another. */
export const tampered = (row: LogRow): LogRow => ({
  ...row,
  event: { ...row.event, data: { ...row.event.data, forged: true } },
});
