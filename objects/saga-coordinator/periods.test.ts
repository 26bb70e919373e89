import { expect, test } from "vitest";
import { underWay } from "./periods.ts";
import { fold } from "./state.ts";
import { TestStorage } from "./testing/storage.ts";

test("a closing counts the transfers that claim a moment in the period and have not ended, and nothing else", () => {
  const sql = new TestStorage().sql as unknown as SqlStorage;
  const [inside, until] = ["2025-04-15T00:00:00.000Z", "2025-05-01T00:00:00.000Z"];
  const sagas: readonly [id: string, kind: string, effectiveAt?: string][] = [
    ["sag_1", "ledger_transfer", inside],
    ["sag_2", "ledger_transfer", until],
    ["sag_3", "ledger_transfer"],
    ["sag_4", "charge", inside],
    ["sag_5", "ledger_transfer", inside],
  ];
  for (const [id, kind, effective_at] of sagas) {
    const input = effective_at === undefined ? {} : { effective_at };
    const doc = JSON.stringify({ id, kind, input });
    sql.exec("INSERT INTO sagas (id, kind, status, doc) VALUES (?, ?, 'running', ?)", id, kind, doc);
  }
  const live = sagas.map(([id]) => id);
  expect(underWay(sql, { ...fold.initial, live }, until)).toBe(2);
  expect(underWay(sql, { ...fold.initial, live: live.slice(1) }, until)).toBe(1);
  expect(underWay(sql, fold.initial, until)).toBe(0);
});
