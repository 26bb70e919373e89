import { describe, expect, it } from "vitest";
import type { Saga } from "../../../schema/sagas.ts";
import { logOf } from "../testing/logs.ts";
import { chargeBegan, stepped } from "../testing/stories.ts";
import { foldSagas, sagasBefore } from "./sagas.ts";

const NONE: ReadonlyMap<string, Saga> = new Map();
const log = (...said: Parameters<typeof logOf>[1]) => logOf("saga/shard-3", said);
const refused = { failure: { cause: "refused" } } as unknown as Parameters<typeof stepped>[2];

describe("the fold of a shard's journal", () => {
  it("shows no charge that may yet be refused without a trace", () => {
    const { sagas, charges } = foldSagas(NONE, log(chargeBegan("sag_1", "chg_1", "pod_1", "ann", false)));
    expect([sagas.length, charges]).toEqual([1, []]);
  });

  it("shows a charge from the moment somebody may be told of it", () => {
    const { sagas, charges } = foldSagas(NONE, log(chargeBegan("sag_1", "chg_1", "pod_1")));
    expect(sagas[0]).toMatchObject({ id: "sag_1", status: "running", created_at: "2026-01-01T00:00:01.000Z" });
    expect(charges[0]).toMatchObject({ id: "chg_1", pod: "pod_1", status: "processing", settled: null });
  });

  it("settles the charge of a completed saga", () => {
    const { charges } = foldSagas(NONE, log(chargeBegan("sag_1", "chg_1", "pod_1"), stepped("sag_1", "completed")));
    expect(charges[0]).toMatchObject({ status: "succeeded", settled: { amount: "9.85", currency: "EUR" } });
  });

  it("takes a charge back that was refused at the door", () => {
    const rows = log(chargeBegan("sag_1", "chg_1", "pod_1"), stepped("sag_1", "compensated", refused));
    expect(foldSagas(NONE, rows)).toMatchObject({ charges: [], chargesGone: [{ pod: "pod_1", id: "chg_1" }] });
  });

  it("writes each saga once, however often the run speaks of it", () => {
    const rows = log(
      chargeBegan("sag_1", "chg_1", "pod_1"),
      chargeBegan("sag_2", "chg_2", "pod_1"),
      stepped("sag_1", "waiting"),
      stepped("sag_2", "completed"),
      stepped("sag_1", "completed"),
    );
    expect(foldSagas(NONE, rows).sagas.map(({ id, status }) => [id, status])).toEqual([
      ["sag_1", "completed"],
      ["sag_2", "completed"],
    ]);
  });

  it("goes on from the saga it left", () => {
    const rows = log(
      chargeBegan("sag_1", "chg_1", "pod_1"),
      stepped("sag_1", "waiting"),
      stepped("sag_1", "completed"),
    );
    const before = new Map(foldSagas(NONE, rows.slice(0, 2)).sagas.map((saga) => [saga.id, saga]));
    expect(foldSagas(before, rows.slice(2))).toEqual(foldSagas(NONE, rows));
  });

  it("passes over what else a shard writes", () => {
    const rows = log({ type: "cut.moved", data: { epoch: "2" } }, chargeBegan("sag_1", "chg_1", "pod_1"));
    expect(foldSagas(NONE, rows).sagas).toHaveLength(1);
  });

  it("tells apart the sagas that keep the status of their row", () => {
    const rows = log(
      chargeBegan("sag_1", "chg_1", "pod_1"),
      chargeBegan("sag_2", "chg_2", "pod_1"),
      stepped("sag_1", "running"),
      stepped("sag_2", "completed"),
    );
    const before = new Map(foldSagas(NONE, rows.slice(0, 2)).sagas.map((saga) => [saga.id, saga]));
    const { sagas, sagasStaying } = foldSagas(before, rows.slice(2));
    expect([sagas, sagasStaying].map((found) => found.map(({ id }) => id))).toEqual([["sag_2"], ["sag_1"]]);
  });

  it("needs to know the sagas that began before it, and no others", () => {
    const rows = log(
      chargeBegan("sag_1", "chg_1", "pod_1"),
      { type: "cut.moved", data: { epoch: "2" } },
      stepped("sag_1", "waiting"),
      chargeBegan("sag_2", "chg_2", "pod_1"),
      stepped("sag_1", "completed"),
    );
    expect([...sagasBefore(rows)]).toEqual([]);
    expect([...sagasBefore(rows.slice(1))]).toEqual(["sag_1"]);
  });

  it.each(["ledger_transfer", "hedge"])("makes no charge of a %s", (kind) => {
    const began = chargeBegan("sag_1", "chg_1", "pod_1");
    const other = { ...began, data: { ...began.data, kind } };
    expect(foldSagas(NONE, log(other))).toMatchObject({ sagas: [{ kind }], charges: [] });
  });

  it("refuses a journal that goes on before it began", () => {
    expect(() => foldSagas(NONE, log(stepped("sag_1", "completed")))).toThrow("before it began");
  });
});
