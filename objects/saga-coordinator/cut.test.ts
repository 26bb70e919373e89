import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createIdSource } from "../../schema/ids.ts";
import { formatMinor, fromMinor } from "../../schema/money.ts";
import type { CutAnswer } from "../../schema/rpc/account.ts";
import type { ShardCut } from "../../schema/rpc/coordinator.ts";
import type { Saga } from "../../schema/sagas.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { Pace } from "../kit/pace.ts";
import { MAX_PARAMETER_CHARS } from "../kit/parameters.ts";
import { refusalIn } from "../kit/stub.ts";
import { postingsOf } from "./calls/accounts.ts";
import { balanceOf, cutPage, moveEpoch, takeCut } from "./cut.ts";
import { journalBegin, journalStep, type ShardTurn } from "./journal.ts";
import { cutMeta } from "./reports.ts";
import {
  beginCharge,
  beginHedge,
  beginTransfer,
  DONE,
  FILL,
  legOf,
  legsWith,
  SAGA,
  T0,
  told,
  upTo,
} from "./testing/fixtures.ts";
import { Shard } from "./testing/shard.ts";
import { Simulator } from "./testing/simulator.ts";
import { TestStorage } from "./testing/storage.ts";

type CutTransfer = ShardCut["transfers"][number];

const answer = (account: string, debits: bigint, credits: bigint, applied: string[]): CutAnswer => ({
  account,
  debits: formatMinor(debits, account.split("#")[0]?.slice(-3) ?? ""),
  credits: formatMinor(credits, account.split("#")[0]?.slice(-3) ?? ""),
  seq: 1,
  hash: "",
  applied,
});

/** Two-legged transfers from one account to another, each leg applied or not, and whether its shard lists it. */
const traffic = fc.array(
  fc.record({
    from: fc.integer({ min: 0, max: 3 }),
    to: fc.integer({ min: 4, max: 7 }),
    minor: fc.bigInt({ min: 1n, max: 1_000_000n }),
    debited: fc.boolean(),
    credited: fc.boolean(),
    currency: fc.constantFrom("EUR", "JPY", "KWD"),
  }),
  { maxLength: 40 },
);

describe("a cut that somebody does not answer", () => {
  const page: ShardCut = { transfers: [], accounts: ["wallet:ann:EUR"], next: null };
  const malformed = () => Promise.reject(new Error("database disk image is malformed"));
  const cut = (cutShard: (shard: string) => Promise<ShardCut>, account: () => Promise<CutAnswer>) => {
    const COORDINATORS = { getByName: (name: string) => ({ cutShard: () => cutShard(name) }) };
    const ACCOUNTS = { getByName: () => ({ cut: account }) };
    const self = { shard: 0, cutShard: async () => page };
    return takeCut(
      { COORDINATORS, ACCOUNTS } as unknown as ObjectEnv,
      self,
      1,
      "",
      new Pace(1, { now: () => 0, wait: async () => undefined, awake: new Map() }),
    ).then(() => null, refusalIn);
  };

  it("is refused with the name of the account, or the shard, that it could not be had from", async () => {
    const complaints = vi.spyOn(console, "error").mockReturnValue(undefined);
    const good = async () => page;
    expect(await cut(good, malformed)).toEqual({
      code: "upstream_unavailable",
      detail: "account/wallet:ann:EUR did not answer",
    });
    expect(await cut((shard) => (shard === "shard-5" ? malformed() : good()), malformed)).toMatchObject({
      detail: "saga/shard-5 did not answer",
    });
    expect(complaints.mock.calls.join()).toContain("malformed");
    complaints.mockRestore();
  });
});

describe("a cut of more accounts than may be awake at once", () => {
  it("asks every one of them, and waits until those before sleep", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `wallet:u${index}:EUR`);
    const answerOf = (account: string): CutAnswer =>
      ({ account, seq: 1, hash: "h", debits: "0.00", credits: "0.00", applied: [] }) as CutAnswer;
    let now = 0;
    const asked: number[] = [];
    const cutOf = (account: string) => {
      asked.push(now);
      return Promise.resolve(answerOf(account));
    };
    const page: ShardCut = { transfers: [], accounts: names, next: null };
    const COORDINATORS = { getByName: () => ({ cutShard: async () => page }) };
    const ACCOUNTS = { getByName: (name: string) => ({ cut: () => cutOf(name) }) };
    const wait = async (ms: number) => {
      now += ms;
    };
    const pace = new Pace(40, { now: () => now, wait, awake: new Map() });
    const env = { COORDINATORS, ACCOUNTS } as unknown as ObjectEnv;
    const balance = await takeCut(env, { shard: 0, cutShard: async () => page }, 1, "", pace);
    expect(Object.keys(balance.cut.accounts)).toHaveLength(100);
    expect([0, 20_000, 40_000].map((at) => asked.filter((one) => one === at).length)).toEqual([32, 32, 36]);
  });
});

describe("a trial balance", () => {
  it("is zero in every currency whatever is half way, when each half-way transfer is listed", () => {
    fc.assert(
      fc.property(traffic, (moves) => {
        const answers = new Map<string, { debits: bigint; credits: bigint; applied: string[] }>();
        const of = (account: string) => {
          const found = answers.get(account) ?? { debits: 0n, credits: 0n, applied: [] };
          answers.set(account, found);
          return found;
        };
        const listed: CutTransfer[] = [];
        let transit = 0n;
        moves.forEach(({ from, to, minor, debited, credited, currency }, index) => {
          const id = `t${index}`;
          const [payer, payee] = [`wallet:u${from}:${currency}`, `wallet:u${to}:${currency}`];
          if (debited) {
            of(payer).debits += minor;
            of(payer).applied.push(id);
          }
          if (credited) {
            of(payee).credits += minor;
            of(payee).applied.push(id);
          }
          if (debited !== credited) transit += 1n;
          if (debited && credited && index % 2 === 0) return;
          const amount = fromMinor(minor, currency);
          listed.push({
            id,
            legs: [
              { index: "0", account: payer, direction: "debit", amount, transfer: id },
              { index: "1", account: payee, direction: "credit", amount, transfer: id },
            ],
          });
        });
        const balance = balanceOf(
          listed,
          [...answers].map(([account, { debits, credits, applied }]) => answer(account, debits, credits, applied)),
        );
        for (const { difference, currency } of balance) expect(difference).toBe(formatMinor(0n, currency));
        if (transit === 0n) for (const { in_transit } of balance) expect(Number(in_transit)).toBe(0);
      }),
    );
  });

  it("shows money that nobody accounts for", () => {
    const [balance] = balanceOf([], [answer("wallet:a:EUR", 500n, 0n, []), answer("fee:EUR#0", 0n, 499n, [])]);
    expect(balance).toEqual({
      currency: "EUR",
      debits: "5.00",
      credits: "4.99",
      in_transit: "0.00",
      difference: "0.01",
    });
  });

  it("leaves out a listed transfer that nobody has applied", () => {
    const amount = fromMinor(500n, "EUR");
    const legs = [{ index: "0", account: "wallet:a:EUR", direction: "debit" as const, amount, transfer: "t" }];
    expect(balanceOf([{ id: "t", legs }], [answer("wallet:a:EUR", 0n, 0n, [])])[0]?.in_transit).toBe("0.00");
  });
});

describe("a shard in a cut", () => {
  const storage = new TestStorage();
  afterEach(() => storage.clear());

  const shard = () => {
    const sim = new Simulator(() => 0);
    Object.assign(globalThis, { scheduler: sim.scheduler });
    const ids = createIdSource((bytes) => bytes.fill(1));
    const around = {
      sim,
      ids,
      env: {} as ObjectEnv,
      commitDelay: () => 0,
      chance: () => 1,
      committed: () => undefined,
    };
    const made = new Shard(3, { storage, journal: [] }, around);
    return made.parts.actor;
  };
  /** The saga through each of its entries. */
  const journal = (turn: ShardTurn, sagas: readonly Saga[]): void => {
    sagas.forEach((saga, index) => {
      const before = sagas[index - 1];
      if (before === undefined) journalBegin(turn, saga, null);
      else journalStep(turn, before, saga);
    });
  };
  const openAt = (actor: ReturnType<typeof shard>, epoch: number) => {
    actor.turn((turn) => moveEpoch(turn, epoch, cutMeta));
    return cutPage(actor.sql, epoch, null).transfers;
  };
  const begun = beginTransfer(legsWith(2));
  const deciding = upTo(begun, "decide");
  const posting = told(deciding, DONE);

  it.each<[string, Saga[], boolean]>([
    ["has let nothing out", [begun], false],
    ["may have let its decision out", [begun, deciding], true],
    ["is decided and not acknowledged everywhere", [begun, deciding, posting], true],
    ["is acknowledged everywhere", [begun, deciding, posting, told(posting, DONE)], false],
    [
      "stands parked while it is posted",
      [begun, deciding, posting, told(posting, { outcome: "unknown", park: "odd" })],
      true,
    ],
  ])("lists a transfer that %s: %s", (_name, sagas, listed) => {
    const actor = shard();
    actor.turn((turn) => journal(turn, sagas));
    expect(openAt(actor, 1).map(({ id }) => id)).toEqual(listed ? [begun.input.transfer] : []);
  });

  it("lists no transfer that was taken back after its tag was", () => {
    const actor = shard();
    const refused = told(deciding, {
      outcome: "declined",
      declined: { rejection: { code: "insufficient_funds", detail: "" }, code: "x", decline_reason: null },
    });
    actor.turn((turn) => journal(turn, [begun, deciding, refused, told(refused, DONE)]));
    expect(openAt(actor, 1)).toEqual([]);
  });

  it("lists nothing of a later epoch", () => {
    const actor = shard();
    actor.turn((turn) => moveEpoch(turn, 1, cutMeta));
    const later = upTo(begun, "decide");
    actor.turn((turn) => journal(turn, [begun, { ...later, tag: turn.state.cutEpoch }]));
    expect(actor.state.cutEpoch).toBe(2);
    expect(openAt(actor, 1)).toEqual([]);
  });

  it("moves on once: asked again for the same cut it answers what it stored", () => {
    const actor = shard();
    actor.turn((turn) => journal(turn, [begun, deciding]));
    const first = openAt(actor, 1);
    actor.turn((turn) => journalStep(turn, deciding, posting));
    actor.turn((turn) => journalStep(turn, posting, told(posting, DONE)));
    expect(openAt(actor, 1)).toEqual(first);
    expect(actor.state.cutEpoch).toBe(2);
    expect(openAt(actor, 2)).toEqual([]);
  });

  it("skips the epochs of cuts that were given up", () => {
    const actor = shard();
    actor.turn((turn) => moveEpoch(turn, 7, cutMeta));
    expect(actor.state.cutEpoch).toBe(8);
  });

  it("lists a redirected leg where it is posted, and has named its account", () => {
    const actor = shard();
    const redirected = told(posting, { outcome: "unknown", redirects: { "2": "suspense:EUR#3" } }, T0, 1);
    actor.turn((turn) => journal(turn, [begun, deciding, posting, redirected]));
    const [transfer] = openAt(actor, 1);
    expect(transfer?.legs.at(-1)).toMatchObject({ account: "suspense:EUR#3", transfer: `${begun.input.transfer}.2` });
    expect(cutPage(actor.sql, 1, "a").accounts).toContain("suspense:EUR#3");
  });

  it("names a converted charge's accounts with its rate, and lists its legs once one may be out", () => {
    const actor = shard();
    const charge = beginCharge("wallet", 10_000n, { to: "USD" });
    const accepting = upTo(charge, "accept");
    const debiting = upTo(charge, "debit");
    actor.turn((turn) => journal(turn, [charge, accepting]));
    expect(cutPage(actor.sql, 1, "a").accounts).toEqual([]);
    actor.turn((turn) => journalStep(turn, accepting, debiting));
    expect(cutPage(actor.sql, 1, "a").accounts).toEqual([
      "fee:USD#3",
      "fx:EUR#3",
      "fx:USD#3",
      expect.stringMatching(/^pod:.*:USD$/),
      "rounding:USD#3",
      "wallet:alice:EUR",
    ]);
    expect(openAt(actor, 1).map(({ id, legs }) => [id, legs.length])).toEqual([[charge.input.transfer, 7]]);
  });

  it("names a hedge's accounts with its trade, in the commit that lets its legs out", () => {
    const actor = shard();
    const hedge = beginHedge();
    const result = { ...FILL, legs: [legOf("fx:EUR#3", "debit"), legOf("lp:lp-b:EUR#3", "credit", 100n, "1")] };
    const posting = told(hedge, { outcome: "done", result });
    actor.turn((turn) => journal(turn, [hedge]));
    expect(openAt(actor, 1)).toEqual([]);
    actor.turn((turn) => journalStep(turn, hedge, { ...posting, tag: turn.state.cutEpoch }));
    expect(cutPage(actor.sql, 2, "a").accounts).toEqual(["fx:EUR#3", "lp:lp-b:EUR#3"]);
    expect(openAt(actor, 2).map(({ id }) => id)).toEqual([hedge.input.transfer]);
  });

  it("stores transfers of as many legs as there may be, however many of them are open", () => {
    const actor = shard();
    const legs = Array.from({ length: 100 }, (_, at) =>
      legOf(at % 2 === 0 ? "bank:sandbox:EUR#3" : "fee:EUR#3", at % 2 === 0 ? "debit" : "credit", 100n, String(at)),
    );
    const bound: number[] = [];
    const exec = actor.sql.exec.bind(actor.sql);
    actor.turn((turn) => {
      for (let at = 0; at < 120; at++) {
        const begun = { ...beginTransfer(legs), id: `${SAGA}${at}` };
        journalBegin(turn, { ...begun, input: { ...begun.input, transfer: `trf_${at}` } }, null);
      }
      vi.spyOn(turn.sql, "exec").mockImplementation((query, ...values) => {
        bound.push(...values.map((value) => String(value).length));
        return exec(query, ...values);
      });
      moveEpoch(turn, 1, cutMeta);
    });
    vi.restoreAllMocks();
    expect(cutPage(actor.sql, 1, null).transfers).toHaveLength(120);
    expect(Math.max(...bound)).toBeGreaterThan(100_000);
    expect(Math.max(...bound)).toBeLessThanOrEqual(MAX_PARAMETER_CHARS + 2);
  });

  it("hands out more than a page, transfers first and then accounts", () => {
    const actor = shard();
    actor.turn((turn) => {
      for (let at = 0; at < 501; at++) {
        const transfer = `trf_${String(at).padStart(4, "0")}`;
        const id = `${SAGA}${at}`;
        const saga = {
          ...beginTransfer([legOf("bank:sandbox:EUR#3", "debit"), legOf("fee:EUR#3", "credit", 100n, "1")]),
          id,
        };
        journalBegin(turn, { ...saga, input: { ...saga.input, transfer } }, null);
        turn.sql.exec(
          "INSERT INTO directory (stream) VALUES (?)",
          `account/wallet:u${String(at).padStart(4, "0")}:EUR`,
        );
      }
      turn.sql.exec("INSERT INTO directory (stream) VALUES (?)", "pod/somebody");
      moveEpoch(turn, 1, cutMeta);
    });
    const pages: ShardCut[] = [];
    for (let after: string | null = null; ; ) {
      const page: ShardCut = cutPage(actor.sql, 1, after);
      pages.push(page);
      if (page.next === null) break;
      after = page.next;
    }
    expect(pages.map(({ transfers, accounts }) => [transfers.length, accounts.length])).toEqual([
      [500, 0],
      [1, 0],
      [0, 500],
      [0, 1],
    ]);
    expect(new Set(pages.flatMap(({ transfers }) => transfers.map(({ id }) => id))).size).toBe(501);
  });

  it("counts each leg where its account will", () => {
    expect(postingsOf(posting).map(({ leg, tag }) => [leg.account, tag])).toEqual([
      ["wallet:alice:EUR", 1],
      ["wallet:bob:EUR", 1],
      ["fee:EUR#3", 1],
    ]);
  });
});
