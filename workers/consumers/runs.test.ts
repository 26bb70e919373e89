import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type LogRow, type Run } from "../../schema/events.ts";
import { openRun } from "../../schema/run-message.ts";
import { type Checkpoint, NEW_STREAM, openedFault, planRun, runFault } from "./runs.ts";
import { beaconOf, logOf, runOf, sentOf, tampered } from "./testing/logs.ts";

const said = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ type: "noted", data: { n: String(index) } }));
const LOG = logOf("risk/ann", said(40));
const at = (seq: number): Checkpoint => ({ seq, hash: LOG[seq - 1]?.hash ?? NEW_STREAM.hash });
const seqs = (rows: readonly LogRow[]) => rows.map(({ seq }) => seq);

/** A consumer of one stream as the projector is one: what is missing is pulled, at most `page` events a batch. */
const consumeAll = (batches: readonly (readonly Run[])[], page: number) => {
  let checkpoint = NEW_STREAM;
  const applied: LogRow[] = [];
  for (const batch of batches) {
    let plan = planRun(checkpoint, batch);
    if (plan.gapFrom !== null) {
      const events = LOG.slice(checkpoint.seq, checkpoint.seq + page);
      plan = planRun(checkpoint, [{ stream: "risk/ann", from: checkpoint.seq + 1, head: 0, events }, ...batch]);
    }
    applied.push(...plan.apply);
    const last = plan.apply.at(-1);
    if (last !== undefined) checkpoint = { seq: last.seq, hash: last.hash };
  }
  return applied;
};

describe("a plan for the runs of one stream", () => {
  it("applies each event once, in order, whatever came twice, late or not at all", () => {
    const message = fc
      .tuple(fc.integer({ min: 1, max: LOG.length }), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 5 }))
      .map(([from, more, ahead]) => {
        const to = Math.min(LOG.length, from + more);
        return runOf(LOG, from, to, Math.min(LOG.length, to + ahead));
      });
    const batches = fc.array(fc.array(message, { minLength: 1, maxLength: 6 }), { maxLength: 8 });
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 50 }), (delivered, page) => {
        const applied = consumeAll(delivered, page);
        expect(applied).toEqual(LOG.slice(0, applied.length));
        const told = Math.max(0, ...delivered.flat().map(({ head }) => head));
        if (page >= LOG.length) expect(applied.length).toBeGreaterThanOrEqual(told);
      }),
    );
  });

  it("begins a new stream at its first event", () => {
    expect(seqs(planRun(NEW_STREAM, [runOf(LOG, 1, 3, 3)]).apply)).toEqual([1, 2, 3]);
  });

  it("skips what is older than the checkpoint", () => {
    expect(planRun(at(3), [runOf(LOG, 1, 3, 3)])).toEqual({ apply: [], gapFrom: null, brokenAt: null, head: 3 });
  });

  it("joins runs that overlap and came in the wrong order", () => {
    expect(seqs(planRun(at(2), [runOf(LOG, 5, 8, 8), runOf(LOG, 1, 6, 8)]).apply)).toEqual([3, 4, 5, 6, 7, 8]);
  });

  it("names the gap before a run that came too early", () => {
    expect(planRun(at(2), [runOf(LOG, 5, 8, 8)])).toMatchObject({ apply: [], gapFrom: 3, head: 8 });
  });

  it("names the gap behind the last event when the head lies further on", () => {
    expect(planRun(at(2), [runOf(LOG, 3, 4, 9)])).toMatchObject({ gapFrom: 5, head: 9 });
    expect(planRun(at(2), [beaconOf(LOG)])).toMatchObject({ apply: [], gapFrom: 3, head: 40 });
  });

  it("stops where an event does not follow from the one before", () => {
    const other = logOf("risk/ann", [...said(4), { type: "noted", data: { n: "another" } }, ...said(3)]);
    expect(planRun(at(2), [runOf(LOG, 3, 5, 5), runOf(other, 6, 8, 8)])).toMatchObject({ brokenAt: 6, gapFrom: null });
    expect(seqs(planRun(at(2), [runOf(LOG, 3, 5, 5), runOf(other, 6, 8, 8)]).apply)).toEqual([3, 4, 5]);
  });

  it("notices that the log itself was replaced under a checkpoint", () => {
    expect(planRun({ seq: 2, hash: "f".repeat(64) }, [runOf(LOG, 3, 4, 4)])).toMatchObject({ apply: [], brokenAt: 3 });
  });
});

describe("a run", () => {
  it("is sound when it is a stretch of a log", () => {
    expect(runFault(runOf(LOG, 7, 12))).toBeNull();
    expect(runFault(beaconOf(LOG))).toBeNull();
  });

  it("is sound whatever order the fields of its events came in", () => {
    const stored = (value: unknown): unknown => JSON.parse(canonicalJson(value));
    const reversed = (value: unknown): unknown => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([name, field]) => [name, reversed(field)]),
      );
    };
    for (const order of [stored, reversed]) {
      const run = runOf(LOG, 7, 12);
      const events = run.events.map((row) => ({ ...row, event: order(row.event) as LogRow["event"] }));
      expect(runFault({ ...run, events })).toBeNull();
    }
  });

  it("is refused when what it says is no JSON", () => {
    const [row] = runOf(LOG, 7, 7).events as [LogRow];
    const event = { ...row.event, data: { n: Number.NaN } };
    expect(runFault({ stream: "risk/ann", from: 7, head: 7, events: [{ ...row, event }] })).toBe(
      "seq 7 is not as hashed",
    );
  });

  it("is refused with a byte of an event another", () => {
    const run = runOf(LOG, 7, 9);
    expect(runFault({ ...run, events: run.events.map((row) => (row.seq === 8 ? tampered(row) : row)) })).toBe(
      "seq 8 is not as hashed",
    );
  });

  it("is refused with an event left out, doubled or out of place", () => {
    const run = runOf(LOG, 7, 10);
    const [a, b, c, d] = run.events as [LogRow, LogRow, LogRow, LogRow];
    for (const events of [
      [a, c, d],
      [a, a, b],
      [b, a],
      [a, b, d],
    ]) {
      expect(runFault({ ...run, events })).toMatch(/out of order/);
    }
  });

  it("is refused with an event of another stream", () => {
    expect(runFault({ ...runOf(LOG, 7, 9), stream: "risk/bob" })).toBe("seq 7 belongs to another stream");
  });

  it("is refused when two of its events were written to different logs", () => {
    const other = logOf("risk/ann", said(40).toReversed());
    const run = runOf(LOG, 7, 9);
    expect(runFault({ ...run, events: [...run.events.slice(0, 2), ...other.slice(8, 9)] })).toBe(
      "seq 9 does not follow",
    );
  });
});

describe("a message", () => {
  const faultOf = (run: Run, changed: object = {}) => {
    const opened = openRun({ ...sentOf(run), ...changed });
    return opened === null ? "is no run" : openedFault(opened);
  };
  const run = runOf(LOG, 7, 9);

  it("is sound when it is a stretch of a log, or a beacon", () => {
    expect(faultOf(run)).toBeNull();
    expect(faultOf(beaconOf(LOG))).toBeNull();
  });

  it("is refused with a byte of an event another, and with another hash before it", () => {
    const forged = { ...run, events: run.events.map((row) => (row.seq === 8 ? tampered(row) : row)) };
    expect(faultOf(forged)).toBe("seq 7 to 9 are not as hashed");
    expect(faultOf(run, { prev_hash: NEW_STREAM.hash })).toBe("seq 7 to 9 are not as hashed");
  });

  it("is refused with an event left out, doubled or out of place", () => {
    const [a, b, c] = run.events as [LogRow, LogRow, LogRow];
    expect(faultOf({ ...run, events: [a, c] })).toBe("seq 8 is out of order");
    expect(faultOf({ ...run, events: [a, a, b] })).toBe("seq 8 is out of order");
    expect(faultOf({ ...run, events: [b, a] })).toBe("seq 7 is out of order");
    expect(faultOf(run, { from: 8 })).toBe("seq 8 is out of order");
  });

  it("is refused with events of another stream", () => {
    expect(faultOf({ ...run, stream: "risk/bob" })).toBe("seq 7 belongs to another stream");
  });
});
