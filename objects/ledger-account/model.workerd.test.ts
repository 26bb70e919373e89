import { evictDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SYSTEM } from "../../schema/events.ts";
import { toMinor, toSignedMinor } from "../../schema/money.ts";
import { monitorId } from "../../schema/monitors.ts";
import type { AccountAnswer, AccountOp, AccountRpc } from "../../schema/rpc/account.ts";
import { opOn, partOf, said } from "./bench.fixture.ts";
import type { LedgerAccount } from "./object.ts";
import {
  asCommand,
  ACCOUNTS as KINDS,
  minorsOf,
  move,
  ReferenceLedger,
  shareOf,
  step,
  TRANSFERS,
  Witness,
  type Word,
} from "./reference-ledger.fixture.ts";

const { ACCOUNTS } = untypedEnv as unknown as { ACCOUNTS: DurableObjectNamespace<LedgerAccount> };
const at = (name: string) => ACCOUNTS.getByName(name) as unknown as AccountRpc;

let made = 0;
/** An account of the same kind and currency that nobody used before. */
const unused = (name: string): string => {
  made++;
  const [kind = "", rest = ""] = [name.slice(0, name.indexOf(":")), name.slice(name.lastIndexOf(":") + 1)];
  if (kind === "pod") return `pod:pod_01JGB3Z5J1${String(made).padStart(16, "0")}:${rest}`;
  return `${kind}:model-${made}:${rest}`;
};

/** The figures an account shows, minor units. */
const figures = async (name: string, currency: string) => {
  const record = (await at(name).describe()) ?? expect.unreachable();
  const minor = (amount: string): bigint => toMinor({ amount, currency });
  return {
    status: record.status,
    posted: { debit: minor(record.debits_posted), credit: minor(record.credits_posted) },
    pending: { debit: minor(record.debits_pending), credit: minor(record.credits_pending) },
    available: toSignedMinor({ amount: record.available, currency }),
    holds: new Map(record.holds.map((hold) => [hold.transfer, { side: hold.direction, sum: toMinor(hold.amount) }])),
  };
};

const one = ([answer]: AccountAnswer[]): AccountAnswer => answer ?? expect.unreachable();

test("an account on the real runtime says and holds what the reference ledger does, evicted at any moment", {
  timeout: 300_000,
}, async () => {
  const answers = new Map<string, number>();
  const words = new Map<string, number>();
  const tally = (into: Map<string, number>, word: string) => into.set(word, (into.get(word) ?? 0) + 1);
  const scenario = fc.record({
    // A fee account is the whole house's: none is new.
    kind: fc.constantFrom(...KINDS.filter(({ name }) => !name.startsWith("fee:"))),
    cap: fc.option(fc.bigInt(50n, 600n), { freq: 2 }),
    moves: fc.array(move, { minLength: TRANSFERS, maxLength: TRANSFERS }),
    steps: fc.array(fc.record({ next: step, sleeps: fc.integer({ min: 0, max: 29 }).map((n) => n === 0) }), {
      minLength: 10,
      maxLength: 50,
    }),
  });
  const property = fc.asyncProperty(scenario, async ({ kind, cap, moves, steps }) => {
    const name = unused(kind.name);
    const currency = name.split("#")[0]?.slice(-3) ?? "";
    const call = async (op: AccountOp) => one(await at(name).applyOps([op]));
    // Opens the account, and leaves nothing on it.
    const opening = opOn(name, "reserve", "trf_opening", [{ direction: kind.normal, minor: 1n }]);
    expect([said(await call(opening)), said(await call({ ...opening, op: "void" }))]).toEqual(["reserved", "voided"]);
    const reference = new ReferenceLedger(kind.normal, kind.floor, null);
    const witness = new Witness(reference, currency);
    const operate = async (word: Word, key: string) => {
      const meta = { principal: SYSTEM, correlation: `req_${key}`, causation: null };
      const named = "id" in word ? { ...word, id: monitorId(word.id, name) } : word;
      const asked = { subject: "olga", command: word.type, key, request: "{}" };
      const came = await at(name).command(asCommand(named, currency), false, asked, meta);
      const no = reference.command(word);
      expect(came.ok ? null : came.rejection.code).toBe(no);
      tally(words, `${word.type}: ${no ?? "taken"}`);
    };
    if (cap !== null) await operate({ type: "limit", floor: kind.floor, cap }, "cap");
    for (const [number, { next, sleeps }] of steps.entries()) {
      if (sleeps) {
        await evictDurableObject(ACCOUNTS.getByName(name));
        tally(words, "evicted");
      }
      if ("type" in next) {
        if (next.type === "watch" && reference.monitors.has(next.id)) continue;
        await operate(next, `${number}`);
      } else {
        const id = `trf_${next.transfer}`;
        const what = moves[next.transfer] ?? { side: "debit", parts: [1n] };
        const body = next.other ? "other" : "body";
        const parts = what.parts.map((minor) => ({ direction: what.side, minor }));
        const op = opOn(name, next.op, id, parts, { body });
        const isPart = next.hundredths !== null && next.op === "post" && reference.saids.has(id);
        const share = isPart ? shareOf(what.parts, next.hundredths ?? 100) : null;
        const answer = await call(share === null ? op : partOf(op, minorsOf(share)));
        const { code, heard } = witness.hear(answer, { op: next.op, id, body, what, share });
        tally(answers, code);
        tally(words, heard);
      }
      reference.settle();
      expect(await figures(name, currency)).toEqual({
        status: reference.status,
        posted: { ...reference.posted },
        pending: { debit: reference.pending("debit"), credit: reference.pending("credit") },
        available: reference.available,
        holds: reference.held,
      });
    }
    const triggered = (await at(name).monitors()).map(({ state }) => state === "triggered");
    expect(triggered).toEqual([...reference.monitors.values()].map(({ on }) => on));
  });
  // What must have happened happens whatever is drawn: a part of what was to come in is posted, and said again, each after a sleep.
  const part = { op: "post" as const, transfer: 0, other: false, hundredths: 30 as const };
  const [kind] = KINDS;
  const moves = Array.from({ length: TRANSFERS }, () => ({ side: kind.normal, parts: [80n, 20n] }));
  const steps = [
    { next: { ...part, op: "reserve" as const }, sleeps: false },
    { next: part, sleeps: true },
    { next: part, sleeps: true },
  ];
  // A failure is told with its seed before the test runs out of time, however long it might still be shrunk.
  await fc.assert(property, {
    numRuns: 40,
    examples: [[{ kind, cap: 100n, moves, steps }]],
    interruptAfterTimeLimit: 60_000,
  });
  const total = [...answers.values()].reduce((a, b) => a + b, 0);
  const accepted = ["reserved", "posted", "voided"].reduce((sum, word) => sum + (answers.get(word) ?? 0), 0) / total;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  console.log(
    `model on workerd: ${total}, ${percent(accepted)} accepted, ${percent(1 - accepted)} refused`,
    Object.fromEntries(answers),
  );
  console.log("model on workerd, what happened:", Object.fromEntries(words));
  expect(accepted).toBeGreaterThan(0.3);
  expect(accepted).toBeLessThan(0.7);
  const happened = ["evicted", "said", "a part said", "a part said again", "limit: taken"];
  expect([...words.keys()]).toEqual(expect.arrayContaining(happened));
});
