import { chargeInput, termsOf } from "../../../schema/charges.ts";
import { canonicalJson } from "../../../schema/events.ts";
import { shardOf } from "../../../schema/ids.ts";
import { formatMinor, toMinor } from "../../../schema/money.ts";
import type { AcceptedTerms } from "../../../schema/rpc/desk.ts";
import { evolveSaga, isLive, type Saga } from "../../../schema/sagas.ts";
import { convertedLegs } from "../begin-charge.ts";
import { postedLegs, transferOf } from "../calls/accounts.ts";
import { hedgeInput } from "../definitions/hedge.ts";
import { transferInput } from "../definitions/ledger-transfer.ts";
import { type Client, sameness } from "./clients.ts";
import { checkFamilies } from "./families.ts";
import type { Shard } from "./shard.ts";
import type { World } from "./world.ts";

/** After every commit of a shard: what must hold at any moment, whatever is under way. */
export const checkStep = (world: World, shard: Shard): void => {
  for (const id of shard.forgotten()) world.violated(`${id} is live and nothing will wake it`);
  for (const account of world.accounts.all.values()) {
    if (account.available !== null && account.available < 0n) world.violated(`${account.name} is below its floor`);
    if (account.headroom !== null && account.headroom < 0n) world.violated(`${account.name} is above its cap`);
  }
  const { payments } = world.provider;
  for (const { reference } of payments) {
    if (world.provider.captures(reference).length > 1) world.violated(`${reference} was captured twice`);
  }
};

/** Once every saga has ended: nothing is held, nothing was lost or made, and everybody agrees on what happened. */
export const checkEnd = (world: World, clients: readonly Client[]): void => {
  const sagas = world.shards.flatMap((shard) => shard.sagas);
  checkJournals(world);
  checkBooks(world);
  for (const saga of sagas) {
    if (isLive(saga)) world.violated(`${saga.id} never ended: ${saga.status} at ${saga.steps[saga.cursor]?.name}`);
    if (saga.status !== "parked") checkHolds(world, saga);
    checkTransfer(world, saga);
    if (saga.kind === "charge") checkCharge(world, saga);
    if (saga.kind === "charge") checkTold(world, saga);
  }
  checkStrays(world, sagas);
  checkProvider(world, sagas);
  checkDesk(world, sagas);
  checkReversals(world, sagas);
  checkFamilies(world, sagas);
  for (const client of clients) checkClient(world, client);
};

/** The rows are the fold of the journal, entry by entry. */
const checkJournals = (world: World): void => {
  for (const shard of world.shards) {
    const folded = new Map<string, Saga>();
    for (const event of shard.disk.journal) {
      if (!event.type.startsWith("saga.")) continue;
      const id = String(event.data.saga);
      folded.set(id, evolveSaga(folded.get(id) ?? null, event as unknown as Parameters<typeof evolveSaga>[1]));
    }
    for (const saga of shard.sagas) {
      const replayed = folded.get(saga.id);
      if (JSON.stringify(replayed) !== JSON.stringify(saga))
        world.violated(`${saga.id} is not the fold of its journal`);
      folded.delete(saga.id);
    }
    for (const id of folded.keys()) world.violated(`${id} is in the journal and has no row`);
  }
};

const checkBooks = (world: World): void => {
  const sums = new Map<string, bigint>();
  for (const { posted, currency } of world.accounts.all.values()) {
    sums.set(currency, (sums.get(currency) ?? 0n) + posted.debit - posted.credit);
  }
  for (const [currency, sum] of sums) {
    if (sum !== 0n) world.violated(`the books are out by ${formatMinor(sum, currency)} ${currency}`);
  }
};

const checkHolds = (world: World, saga: Saga): void => {
  const { id } = transferOf(saga);
  for (const account of world.accounts.all.values()) {
    if (account.holds.has(id)) world.violated(`${account.name} still holds for ${saga.id} (${saga.status})`);
  }
};

/** Posted whole or not at all, and never both posted and voided. */
const checkTransfer = (world: World, saga: Saga): void => {
  const { id, legs } = transferOf(saga);
  const words = [...world.accounts.all.values()].flatMap((account) =>
    [...account.words].filter(([transfer]) => transfer === id || transfer.startsWith(`${id}.`)).map(([, word]) => word),
  );
  const posted = words.filter(({ state }) => state === "posted").length;
  if (posted > 0 && words.some(({ state }) => state === "voided")) world.violated(`${saga.id} is posted and voided`);
  if (posted > 0 && saga.status === "compensated") world.violated(`${saga.id} was taken back and is posted`);
  if (saga.status === "completed" && posted < new Set(legs.map((leg) => leg.account)).size) {
    world.violated(`${saga.id} completed and is not posted everywhere`);
  }
};

/** A transfer is taken back once at most, and then every account it touched stands as if it had not been. */
const checkReversals = (world: World, sagas: readonly Saga[]): void => {
  const moved = (id: string): string =>
    JSON.stringify(
      sagas
        .filter((saga) => transferOf(saga).id === id)
        .flatMap((saga) => postedLegs(saga).map(({ account, direction, amount }) => ({ account, direction, amount }))),
    );
  const mirrored = (legs: string): string =>
    legs.replaceAll(/"(debit|credit)"/g, (_, side) => (side === "debit" ? '"credit"' : '"debit"'));
  const reversed = new Set<string>();
  for (const saga of sagas) {
    if (saga.kind !== "ledger_transfer" || saga.status === "compensated") continue;
    const { transfer, reverses } = transferInput(saga);
    if (reverses === undefined) continue;
    if (reversed.has(reverses)) world.violated(`${reverses} is taken back twice`);
    reversed.add(reverses);
    if (saga.status === "completed" && moved(transfer) !== mirrored(moved(reverses))) {
      world.violated(`${transfer} is not the mirror of ${reverses}`);
    }
  }
};

const checkCharge = (world: World, saga: Saga): void => {
  const { pod, payer } = chargeInput(saga);
  const permit = world.pods.all.get(pod)?.permits.get(saga.id);
  const assessment = world.people.all.get(payer)?.assessments.get(saga.id);
  if (permit !== undefined && permit.ends > 1) world.violated(`the permit of ${saga.id} ended ${permit.ends} times`);
  if (saga.status === "parked") return;
  const expected = saga.status === "completed" ? "succeeded" : endOf(saga);
  if (permit?.state !== "refused" && permit?.state !== expected) {
    world.violated(`${saga.id} is ${saga.status}, its permit ${permit?.state}, not ${expected}`);
  }
  const isCounted = assessment?.state === "counted";
  if (saga.status === "compensated" && isCounted) world.violated(`${saga.id} came to nothing and is still counted`);
  if (saga.status === "completed" && !isCounted) world.violated(`${saga.id} is not counted`);
};

const endOf = ({ failure }: Saga): string =>
  failure === null ? "nothing" : failure.cause === "refused" ? "released" : failure.cause;

/** The provider's books and ours: a captured payment is a completed charge, or one that is parked for a person to see. */
const checkProvider = (world: World, sagas: readonly Saga[]): void => {
  const booked = new Map<string, bigint>();
  for (const saga of sagas) {
    if (saga.kind !== "charge") continue;
    const { charge, source, amount } = chargeInput(saga);
    if (source.type !== "instrument") continue;
    const captures = world.provider.captures(charge);
    if (saga.status === "completed" && captures.length !== 1)
      world.violated(`${charge} succeeded with ${captures.length} captures`);
    // An operator may be wrong, or early: what comes to light then is in suspense.
    const onSomebodysWord = saga.words?.some(({ action, verdict }) => action === "resolve" && verdict === "declined");
    if (saga.status === "compensated" && captures.length !== 0 && onSomebodysWord !== true)
      world.violated(`${charge} was taken back and is captured`);
    if (saga.status === "parked" && captures.length !== 1) world.violated(`${charge} is parked: ${saga.parked_reason}`);
    const counted = [
      ...(saga.status === "completed" ? [amount] : []),
      ...(saga.strays ?? []).map((stray) => stray.amount),
    ];
    for (const one of counted) booked.set(one.currency, (booked.get(one.currency) ?? 0n) + toMinor(one));
  }
  for (const [currency, sum] of booked) {
    let posted = 0n;
    for (const account of world.accounts.all.values()) {
      if (account.name.startsWith("psp:") && account.currency === currency) posted += account.balance;
    }
    if (posted !== sum)
      world.violated(`captured ${formatMinor(sum, currency)}, posted ${formatMinor(posted, currency)}`);
  }
};

/** The pod has heard of every saga that was parked or taken up again, and of the last of it. */
const checkTold = (world: World, saga: Saga): void => {
  const told = world.pods.all.get(chargeInput(saga).pod)?.told.get(saga.id);
  const { stops = 0, status } = saga;
  if ((told?.number ?? 0) !== stops || (told?.parked ?? false) !== (status === "parked")) {
    world.violated(`${saga.id} is ${status}, its pod heard ${JSON.stringify(told)} of ${stops}`);
  }
};

/** A capture that came to light after its charge was taken back is booked to suspense, by one saga that ends. */
const checkStrays = (world: World, sagas: readonly Saga[]): void => {
  for (const saga of sagas) {
    if (saga.kind !== "charge") continue;
    const strays = saga.strays ?? [];
    if (new Set(strays.map(({ provider_ref }) => provider_ref)).size < strays.length)
      world.violated(`${saga.id} twice`);
    for (const stray of strays) {
      const booking = sagas.find(({ id }) => id === stray.saga);
      if (booking?.status !== "completed") world.violated(`${stray.provider_ref} of ${saga.id} is not in suspense`);
    }
    const { charge } = chargeInput(saga);
    const heard = world.heard.has(charge) && world.provider.captures(charge).length > 0;
    if (saga.status === "compensated" && heard && strays.length === 0) world.violated(`${charge} is in nobody's books`);
  }
};

/**
 * The desk and the journals: a rate that was accepted is used once or given back once, every charge paid at the one it was accepted
 * at, each conversion has its one hedge, and the position is the ledger's, unit by unit.
 */
const checkDesk = (world: World, sagas: readonly Saga[]): void => {
  const { desk } = world;
  const hedges = Map.groupBy(
    sagas.filter(({ kind }) => kind === "hedge"),
    (saga) => hedgeInput(saga).saga,
  );
  for (const saga of sagas) {
    if (saga.kind === "hedge" && saga.status !== "completed") world.violated(`${saga.id} is ${saga.status}`);
    if (saga.kind !== "charge" || chargeInput(saga).conversion === undefined) continue;
    const deal = desk.deals.get(saga.id);
    const covered = hedges.get(saga.id)?.length ?? 0;
    const ended = saga.status === "completed" ? "converted" : "released";
    if (saga.status === "completed" && deal === undefined) world.violated(`${saga.id} paid at no accepted rate`);
    if (deal === undefined) continue;
    if (saga.status !== "parked" && deal.state !== ended) world.violated(`${saga.id} is ${saga.status}: ${deal.state}`);
    if (covered !== (deal.state === "converted" ? 1 : 0)) world.violated(`${saga.id} has ${covered} hedges`);
    checkRate(world, saga, deal.terms);
  }
  for (const currency of new Set([...desk.position.keys(), ...desk.owed.keys()])) {
    const books = { fx: desk.position.get(currency) ?? 0n, lp: desk.owed.get(currency) ?? 0n };
    for (const kind of ["fx", "lp"] as const) {
      const ledger = balanceOf(world, kind, currency);
      if (ledger !== books[kind]) world.violated(`${kind} of ${currency}: ledger ${ledger}, desk ${books[kind]}`);
    }
  }
};

const checkRate = (world: World, saga: Saga, accepted: AcceptedTerms): void => {
  const terms = termsOf(saga);
  if (terms === null) {
    if (saga.status === "completed") world.violated(`${saga.id} forgot its rate`);
    return;
  }
  const shard = shardOf("sag", saga.id) ?? -1;
  const legs = convertedLegs(chargeInput(saga), accepted, shard);
  if (
    canonicalJson(terms) !== canonicalJson(accepted) ||
    canonicalJson(legs) !== canonicalJson(transferOf(saga).legs)
  ) {
    world.violated(`${saga.id} was accepted at ${accepted.rate} and goes by ${terms.rate}`);
  }
};

const balanceOf = (world: World, kind: string, currency: string): bigint => {
  let sum = 0n;
  for (const account of world.accounts.all.values()) {
    if (account.name.startsWith(`${kind}:`) && account.currency === currency) sum += account.balance;
  }
  return sum;
};

const checkClient = (world: World, client: Client): void => {
  if (!client.done) world.violated(`${client.name} never had its answer`);
  const kinds = new Set(client.answers.map(sameness));
  if (kinds.size > 1) world.violated(`${client.name} had two answers: ${[...kinds].join(" then ")}`);
};
