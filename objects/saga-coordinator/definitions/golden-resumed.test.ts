import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evolveSaga, isLive, type Saga, type SagaEventData } from "../../../schema/sagas.ts";
import { takeUp } from "../decide.ts";
import { compensateAll } from "../testing/driven.ts";
import { answerTo, DONE, T0, told } from "../testing/fixtures.ts";
import { chargeByInstrument } from "./charge.ts";
import { DEPLOYED, definitionOf, registry } from "./index.ts";

type Entry = SagaEventData["saga.began"] | SagaEventData["saga.stepped"];

const GOLDEN = join(import.meta.dirname, "golden");
const recorded_at = new Date(T0).toISOString();

/** A journal as it was written, an entry a line. */
const journals = readdirSync(GOLDEN).map((file): [string, Entry[]] => {
  const lines = readFileSync(join(GOLDEN, file), "utf8").trim().split("\n");
  return [file.replace(/\.jsonl$/, "").replaceAll("-", " "), lines.map((line) => JSON.parse(line) as Entry)];
});

const folded = (entries: readonly Entry[]): Saga => {
  const [began, ...stepped] = entries as [SagaEventData["saga.began"], ...SagaEventData["saga.stepped"][]];
  const first = evolveSaga(null, { type: "saga.began", recorded_at, data: began });
  return stepped.reduce((saga, data) => evolveSaga(saga, { type: "saga.stepped", recorded_at, data }), first);
};

/** A shard that wakes on this journal, with everybody answering as they did. */
const driveOn = (saga: Saga): Saga => {
  let at = takeUp(saga, T0) ?? saga;
  for (let calls = 0; isLive(at); calls++) {
    if (calls > 50) throw new Error(`${at.id} does not end`);
    at = told(at, at.status === "compensating" ? DONE : answerTo(at));
  }
  return at;
};

const shape = ({ status, failure, tag, steps }: Saga) => ({
  status,
  failure,
  tag,
  steps: steps.map(({ name, status: ended, result }) => ({ name, status: ended, result: withoutDoubt(result) })),
});
/** That an attempt may have left before the shard went down is no part of how it ends. */
const withoutDoubt = (result: Saga["steps"][number]["result"]) => {
  const { maybe_sent: _, ...rest } = result ?? {};
  return Object.keys(rest).length === 0 ? null : rest;
};

const prefixes = journals.flatMap(([name, entries]) =>
  entries.map((_, at): [string, number, Entry[]] => [name, at + 1, entries]),
);

describe("a saga finishes on the version it began with", () => {
  it("of which there are journals for every definition that is deployed", () => {
    const begun = new Set(journals.map(([, entries]) => definitionOf(folded(entries.slice(0, 1)))));
    expect(DEPLOYED.filter((definition) => !begun.has(definition))).toEqual([]);
  });

  it.each(prefixes)("version %s, taken up after %i entries, ends as it once did", (_name, count, entries) => {
    expect(shape(driveOn(folded(entries.slice(0, count))))).toEqual(shape(folded(entries)));
  });

  it.each(prefixes)(
    "version %s, taken back after %i entries if it still may be, is undone to its first step",
    (_name, count, entries) => {
      const saga = folded(entries.slice(0, count));
      const back = compensateAll(saga, T0);
      if (back !== null) expect(back.status).toBe("compensated");
      else
        expect(saga.status === "completed" || saga.tag !== null || saga.kind === "hedge" || atPivot(saga)).toBe(true);
    },
  );
});

const atPivot = (saga: Saga): boolean => {
  const { steps } = definitionOf(saga);
  return steps.some(({ kind }, at) => kind === "pivot" && saga.steps[at]?.status !== "pending");
};

describe("a definition is found", () => {
  it("for no saga whose version is gone", () => {
    const [, entries] = journals[0] ?? expect.unreachable();
    expect(() => definitionOf({ ...folded(entries.slice(0, 1)), version: 99 })).toThrow("version 99 is not known");
  });

  it("only if nothing else has its name", () => {
    expect(() => registry([chargeByInstrument, { ...chargeByInstrument, deadlineMs: 1 }])).toThrow("two definitions");
    expect(registry([chargeByInstrument, { ...chargeByInstrument, version: 9 }]).size).toBe(2);
  });
});
