import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../objects/saga-coordinator/testing/random.ts";
import { fromMinor } from "../../schema/money.ts";
import type { Person } from "./load.ts";
import type { Leg } from "./records.ts";

/** One kind of thing people do. `pay` draws everything random before it sends anything. */
export type Flow = { name: string; weight: number; pay: (person: Person, flow: string) => Promise<unknown> };

/** A charge from an instrument whose issuer approves; only a provider that cannot be reached for minutes may fail it. */
const approved = (weight: number, token: string | ((random: Random, label: string) => string), sends = 1): Flow => ({
  name: `${typeof token === "string" ? token : "scripted provider"}${sends === 1 ? "" : `, sent ${sends} times at once`}`,
  weight,
  pay: (person, flow) => {
    const from = typeof token === "string" ? token : token(person.random, person.label);
    const pool = person.random.pick(person.ground.pools);
    const order = person.drawOrder(pool, from);
    return person.charge(flow, pool, { ...order, may: ["succeeded", "failed"], approving: true }, sends);
  },
});

/** A charge from an instrument whose issuer declines. Twenty such in ten minutes on one card are one too many for the risk rules. */
const declined = (weight: number, token: string): Flow => ({
  name: token,
  weight,
  pay: (person, flow) => {
    const pool = person.random.pick(person.ground.pools);
    const order = person.drawOrder(pool, token);
    const refusals = ["risk_declined"];
    return person.charge(flow, pool, { ...order, may: ["failed"], approving: false, refusals });
  },
});

/** What may go wrong with one payment at the provider, a few of these at once. */
const TROUBLES: readonly ((random: Random) => string)[] = [
  (random) => `errors${1 + random.int(3)}`,
  () => "hangup",
  (random) => `answer${500 + random.int(5_500)}`,
  (random) => `settle${200 + random.int(3_000)}`,
  (random) => `late${500 + random.int(6_000)}`,
  (random) => `copies${2 + random.int(4)}`,
  () => "early",
  // Announced before the capture is: webhooks in the wrong order.
  (random) => `dispute${random.int(300)}_late${1_000 + random.int(3_000)}`,
  () => "copies0",
];

/** An instrument that says itself what will go wrong: up to three troubles at once. */
const script = (random: Random, label: string): string => {
  const troubles = Array.from({ length: 1 + random.int(3) }, () => random.pick(TROUBLES)(random));
  return `tok_script_${troubles.join("_")}_card${Number(label.replace(/\D/g, "")) % 99_999}`;
};

/** A payment by a new member that a person has to look at. */
const reviewed = (weight: number, decision: "approve" | "decline"): Flow => ({
  name: `review: ${decision}`,
  weight,
  pay: async (person, flow) => {
    const [pool] = person.ground.pools;
    const order = { ...person.drawOrder(pool, "tok_ok", 110_000, 100_000), wait: 0 };
    const may = decision === "approve" ? (["succeeded", "failed"] as const) : (["failed"] as const);
    const charge = await person.charge(flow, pool, { ...order, may, approving: decision === "approve" });
    if (charge === null) return;
    await person.awaitReview(charge.id);
    await person.review(charge.id, decision);
  },
});

/** A payment that waits for a review and is taken back, while somebody else may be approving it: one of the two is first. */
const withdrawn = (weight: number): Flow => ({
  name: "cancel in review",
  weight,
  pay: async (person, flow) => {
    const [pool] = person.ground.pools;
    const order = { ...person.drawOrder(pool, "tok_ok", 110_000, 100_000), wait: 0 };
    const raced = person.random.chance(0.5);
    const may = ["cancelled", "succeeded", "failed"] as const;
    const charge = await person.charge(flow, pool, { ...order, may, approving: false });
    if (charge === null) return;
    await person.awaitReview(charge.id);
    await Promise.all([person.cancel(charge.id, pool), raced ? person.review(charge.id, "approve") : undefined]);
  },
});

/** A payment taken back a moment later, which may be too late. */
const cancelled = (weight: number, token: string): Flow => ({
  name: `cancel: ${token}`,
  weight,
  pay: async (person, flow) => {
    const pool = person.random.pick(person.ground.pools);
    const order = { ...person.drawOrder(pool, token), wait: 0 };
    const pause = person.random.int(120);
    const may = ["cancelled", "succeeded", "failed"] as const;
    const charge = await person.charge(flow, pool, { ...order, may, approving: false });
    await delay(pause);
    if (charge !== null) await person.cancel(charge.id, pool);
  },
});

/** From one's own wallet, which may be too empty for it. */
const wallet = (weight: number, name: string, most: number): Flow => ({
  name,
  weight,
  pay: (person, flow) => {
    const [pool] = person.ground.pools;
    const order = person.drawOrder(pool, "wallet", most);
    const refusals = ["insufficient_funds"];
    return person.charge(flow, pool, { ...order, may: ["succeeded"], approving: false, refusals });
  },
});

/**
 * A charge in another currency than the pool keeps, at whatever rate the desk finds: none, when no provider answers in time. From
 * the instrument's currency into the first pool, or from one's own euros into another.
 */
const converted = (weight: number, from: "tok_ok" | "tok_async" | "wallet", currency: string): Flow => ({
  name: `converted: ${from}`,
  weight,
  pay: (person, flow) => {
    const [first, ...others] = person.ground.pools;
    const pool = from === "wallet" ? person.random.pick(others) : first;
    const { wait } = person.drawOrder(pool, from);
    const money = fromMinor(BigInt(100 + person.random.int(3_900)), currency);
    const order = { from, wait, ...money, settle: pool.currency };
    const may = ["succeeded", "failed"] as const;
    return person.charge(flow, pool, { ...order, may, approving: false, refusals: ["insufficient_funds"] });
  },
});

const eur = (minor: number) => fromMinor(BigInt(minor), "EUR");

/** Wallets pay wallets: `payers` may refuse, the last of them decides. */
const transfer = (weight: number, payers: 1 | 2 | 3): Flow => ({
  name: `transfer, ${payers} may refuse`,
  weight,
  pay: (person, flow) => {
    const { random, ground } = person;
    const left = [...ground.users];
    const take = () => `wallet:${left.splice(random.int(left.length), 1)[0]}:EUR`;
    const parts = Array.from({ length: payers }, () => 1 + random.int(2_000));
    const legs: Leg[] = parts.map((minor) => ({ account: take(), direction: "debit", amount: eur(minor) }));
    const sum = parts.reduce((total, minor) => total + minor, 0);
    return person.transfer(flow, [...legs, { account: take(), direction: "credit", amount: eur(sum) }]);
  },
});

/** What people do, and how often. */
export const FLOWS: readonly Flow[] = [
  approved(10, "tok_ok"),
  approved(2, "tok_ok", 2),
  approved(4, "tok_async"),
  approved(3, "tok_duplicate_webhook"),
  approved(2, "tok_5xx_twice"),
  approved(2, "tok_dispute"),
  approved(1, "tok_slow"),
  approved(1, "tok_timeout_then_captured"),
  approved(6, script),
  declined(1, "tok_declined"),
  declined(1, "tok_insufficient"),
  declined(1, "tok_async_failed"),
  declined(0.5, "tok_timeout_then_failed"),
  wallet(6, "wallet", 4_000),
  wallet(1, "wallet, more than it holds", 90_000),
  converted(2, "tok_ok", "USD"),
  converted(1, "tok_async", "BRL"),
  converted(2, "wallet", "EUR"),
  transfer(4, 1),
  transfer(2, 2),
  transfer(1, 3),
  reviewed(1, "approve"),
  reviewed(0.5, "decline"),
  cancelled(1, "tok_ok"),
  cancelled(1, "tok_async"),
  withdrawn(1),
];
