import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bench, credit, debit, opOn } from "../objects/ledger-account/bench.fixture.ts";
import { LogFixture } from "../objects/ledger-account/log.fixture.ts";
import { MAX_MINOR } from "../schema/money.ts";
import type { StatementRecord } from "../schema/rpc/account.ts";
import { ROOT } from "./settings.ts";
import { type Verdict, verifyStatement } from "./verify-statement.ts";

const NAME = "wallet:ann:EUR";

/** Money in, a hold that is posted, one that is voided, and two legs at once. */
const log = (() => {
  const bench = new Bench(NAME);
  bench.apply(opOn(NAME, "post", "trf_1", credit(10_000n), { charge: "chg_1", pod: "pod_1" }));
  bench.apply(opOn(NAME, "reserve", "trf_2", debit(2_000n)));
  bench.apply(opOn(NAME, "post", "trf_2", debit(2_000n)));
  bench.apply(opOn(NAME, "reserve", "trf_3", debit(500n)));
  bench.apply(opOn(NAME, "void", "trf_3", debit(500n)));
  bench.apply(opOn(NAME, "post", "trf_4", [...debit(1n), ...debit(2n)], { effective_at: "2026-01-01T00:00:00.000Z" }));
  return new LogFixture(bench.account, bench.events);
})();
const HEAD = 7;

const verdict = (statement: unknown): Verdict => verifyStatement(Buffer.from(JSON.stringify(statement)));
const change = (from: StatementRecord, edit: (copy: StatementRecord) => void): Verdict => {
  const copy = structuredClone(from);
  edit(copy);
  return verdict(copy);
};

describe("an honest statement", () => {
  it.each([
    [1, HEAD],
    [3, 5],
    [4, 4],
    [1, 0],
    [HEAD + 1, HEAD],
  ])("of seq %i to %i is found good", async (from, to) => {
    expect(verdict(await log.between(from, to))).toMatchObject({ ok: true, account: NAME, from_seq: from, to_seq: to });
  });
});

it("of a house account that holds more than any amount is found good", async () => {
  const house = new Bench("psp:sandbox:JPY#0");
  const most = [{ direction: "debit", minor: MAX_MINOR }] as const;
  for (const id of ["trf_1", "trf_2", "trf_3"]) house.apply(opOn("psp:sandbox:JPY#0", "post", id, [...most]));
  const statement = await new LogFixture(house.account, house.events).between(1, 4);
  expect(statement.closing).toEqual({ amount: "27670116110564327421", currency: "JPY" });
  expect(verdict(statement)).toMatchObject({ ok: true, to_seq: 4 });
});

/** Where each byte of the text belongs: the seq of the row or entry it lies in, null for the statement's own members. */
const owners = (text: string, { entries, events }: StatementRecord): (number | null)[] => {
  const found: (number | null)[] = Array(text.length).fill(null);
  const mark = (item: { seq: number }, from: number): number => {
    const part = JSON.stringify(item);
    const at = text.indexOf(part, from);
    found.fill(item.seq, at, at + part.length);
    return at + part.length;
  };
  entries.reduce((from, entry) => mark(entry, from), text.indexOf('"entries"'));
  events.reduce((from, row) => mark(row, from), text.indexOf('"events"'));
  return found;
};

describe("a statement with one other byte", () => {
  const everyBit = [1, 2, 4, 8, 16, 32, 64, 128];
  it.each([
    ["the whole log", 1, HEAD, [1, 16, 32, 255]],
    ["the middle of it", 3, 5, everyBit],
  ])(
    "anywhere in %s is found out, and the seq named where the byte belongs to one",
    { timeout: 120_000 },
    async (_name, from, to, masks) => {
      const statement = await log.between(from, to);
      const text = JSON.stringify(statement);
      const places = owners(text, statement);
      const missed: string[] = [];
      const bytes = Buffer.from(text);
      expect(bytes).toHaveLength(text.length);
      for (let at = 0; at < bytes.length; at++) {
        for (const mask of masks) {
          const before = bytes[at] as number;
          bytes[at] = before ^ mask;
          const judged = verifyStatement(bytes);
          bytes[at] = before;
          const owner = places[at] ?? null;
          const named = !judged.ok && (owner === null || judged.seq === owner);
          if (!named) missed.push(`byte ${at} ^ ${mask} of seq ${owner}: ${JSON.stringify(judged)}`);
        }
      }
      expect(missed.slice(0, 10)).toEqual([]);
    },
  );
});

describe("a statement that was made up", async () => {
  const whole = await log.between(1, HEAD);

  it.each<[string, (copy: StatementRecord) => void, number]>([
    ["an event is left out", (copy) => void copy.events.splice(2, 1), 3],
    ["two events change places", (copy) => void copy.events.splice(2, 2, ...copy.events.slice(2, 4).reverse()), 3],
    ["the last event is cut off", (copy) => void copy.events.pop(), HEAD],
    ["an entry is left out", (copy) => void copy.entries.splice(1, 1), 4],
    ["an entry is added", (copy) => void copy.entries.push(structuredClone(copy.entries[0] as never)), HEAD],
    [
      "it opens and closes a cent higher",
      (copy) => {
        copy.opening.amount = "0.01";
        copy.closing.amount = "79.98";
      },
      1,
    ],
    ["it begins later than it says", (copy) => void Object.assign(copy, { from_seq: 2 }), 2],
    ["it is another account's", (copy) => void Object.assign(copy, { account: "wallet:bob:EUR" }), 1],
  ])("is found out when %s", (_name, edit, seq) => {
    expect(change(whole, edit)).toMatchObject({ ok: false, seq });
  });

  it("and says what is no statement at all", () => {
    for (const text of ["", "null", "[]", "{}", "{", "\u00ff"]) {
      expect(verifyStatement(Buffer.from(text, "latin1"))).toMatchObject({ ok: false, seq: 0 });
    }
  });
});

it("takes nothing from the product", () => {
  const source = readFileSync(join(ROOT, "tools/verify-statement.ts"), "utf8");
  const imports = [...source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name]) => name);
  expect(imports).toEqual(["node:crypto", "node:fs"]);
});
