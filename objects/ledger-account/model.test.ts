import fc from "fast-check";
import { expect, test } from "vitest";
import { availableOf } from "./account.ts";
import { Bench, opOn, partOf } from "./bench.fixture.ts";
import { balanceOf, pendingOn, ZERO } from "./counters.ts";
import {
  ACCOUNTS,
  asCommand,
  minorsOf,
  move,
  ReferenceLedger,
  shareOf,
  step,
  TRANSFERS,
  Witness,
} from "./reference-ledger.fixture.ts";
import { fold } from "./state.ts";

/** The events that came after what was asked for, as the model tells them. */
const follows = (events: readonly { type: string; data: { monitor?: unknown } }[]): string[] =>
  events
    .filter(({ type }) => ["monitor.triggered", "monitor.resolved", "account.closed"].includes(type))
    .map(({ type, data }) => (data.monitor === undefined ? type : `${type} ${String(data.monitor)}`));

test("an account says and holds what the reference ledger does, whatever order operations come in", () => {
  const all = new Map<string, number>();
  const first = new Map<string, number>();
  const words = new Map<string, number>();
  const tally = (into: Map<string, number>, word: string) => into.set(word, (into.get(word) ?? 0) + 1);
  const scenario = fc.record({
    account: fc.constantFrom(...ACCOUNTS),
    cap: fc.option(fc.bigInt(50n, 600n), { freq: 4 }),
    moves: fc.array(move, { minLength: TRANSFERS, maxLength: TRANSFERS }),
    steps: fc.array(step, { minLength: 10, maxLength: 60 }),
  });
  const property = fc.property(scenario, ({ account: { name, normal, floor }, cap, moves, steps }) => {
    const account = new Bench(name, { cap, counters: ZERO });
    const reference = new ReferenceLedger(normal, floor, cap);
    const opened = account.state;
    const { currency } = account.account;
    const witness = new Witness(reference, currency);
    for (const next of steps) {
      const since = account.events.length;
      if ("type" in next) {
        if (next.type === "watch" && reference.monitors.has(next.id)) continue;
        const came = account.command(asCommand(next, currency));
        const no = reference.command(next);
        expect(typeof came === "string" ? came : null).toBe(no);
        tally(words, `${next.type}: ${no ?? "taken"}`);
        const settled = no === null ? reference.settle() : [];
        expect(follows(account.events.slice(since))).toEqual(settled);
        for (const told of settled) tally(words, told);
        expect(account.state.status).toBe(reference.status);
        continue;
      }
      const id = `trf_${next.transfer}`;
      const what = moves[next.transfer] ?? { side: "debit", parts: [1n] };
      const body = next.other ? "other" : "body";
      const before = { summary: fold.summary(account.state), events: account.events.length };
      const parts = what.parts.map((minor) => ({ direction: what.side, minor }));
      const known = account.words.has(id);
      const op = opOn(name, next.op, id, parts, { body });
      // Of what nobody has spoken of, a part is nothing that anybody asks for.
      const share =
        next.hundredths !== null && next.op === "post" && known ? shareOf(what.parts, next.hundredths) : null;
      const asked = { op: next.op, id, body, what, share };
      const answer = account.apply(share === null ? op : partOf(op, minorsOf(share)));
      const { code, anew, heard } = witness.hear(answer, asked);
      tally(words, heard);
      tally(all, code);
      if (!known) tally(first, code);
      if (!answer.ok || !anew)
        expect([fold.summary(account.state), account.events.length]).toEqual([before.summary, before.events]);
      const settled = reference.settle();
      expect(follows(account.events.slice(since))).toEqual(settled);
      for (const told of settled) tally(words, told.split(" ")[0] ?? "");
      expect(account.state.status).toBe(reference.status);
      const { counters } = account.state;
      expect(balanceOf(counters, normal)).toBe(reference.balance);
      expect([pendingOn(counters, "debit"), pendingOn(counters, "credit")]).toEqual([
        reference.pending("debit"),
        reference.pending("credit"),
      ]);
      expect(account.state.holds.size).toBe(reference.held.size);
      for (const [transfer, { side, sum }] of reference.held)
        expect(account.state.holds.get(transfer)).toMatchObject({ direction: side, amount: sum });
      expect(availableOf(account.state, normal)).toBe(reference.available);
      if (reference.floor !== null) expect(reference.available >= 0n).toBe(true);
      if (reference.cap !== null) expect(reference.balance <= reference.cap).toBe(true);
    }
    refold(account, opened);
  });
  fc.assert(property, { numRuns: 1_500 });
  for (const [of, words] of Object.entries({ "all answers": all, "first answers": first })) {
    const total = [...words.values()].reduce((a, b) => a + b, 0);
    const accepted = ["reserved", "posted", "voided"].reduce((sum, word) => sum + (words.get(word) ?? 0), 0) / total;
    const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
    console.log(
      `model, ${of}: ${total}, ${percent(accepted)} accepted, ${percent(1 - accepted)} refused`,
      Object.fromEntries(words),
    );
    expect(accepted).toBeGreaterThan(0.3);
    expect(accepted).toBeLessThan(0.7);
  }
  console.log("model, operators and what follows by itself:", Object.fromEntries(words));
  const happened = [
    "a part said",
    "said again",
    "a part said again",
    "monitor.triggered",
    "monitor.resolved",
    "account.closed",
    "limit: taken",
    "limit: conflict",
  ];
  expect([...words.keys()]).toEqual(expect.arrayContaining([...happened, "close: taken", "freeze: account_closed"]));
  const codes = ["account_frozen", "account_closed", "amount_out_of_range", "insufficient_funds", "limit_exceeded"];
  expect([...all.keys()]).toEqual(expect.arrayContaining([...codes, "conflict", "idempotency_mismatch"]));
});

/** The log folded again, from the start and from a snapshot at every seq, is the state. */
const refold = (account: Bench, start: Bench["state"]): void => {
  const whole = fold.summary(account.state);
  const prefixes = [start];
  for (const event of account.events) prefixes.push(fold.evolve(prefixes.at(-1) ?? start, event));
  const state = prefixes.at(-1) ?? start;
  expect(fold.summary(state)).toBe(whole);
  prefixes.forEach((prefix, seq) => {
    let later = fold.decode(JSON.parse(JSON.stringify(fold.encode(prefix))));
    for (const event of account.events.slice(seq)) later = fold.evolve(later, event);
    expect(later).toEqual(state);
  });
};
