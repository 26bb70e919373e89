import type { TransferLeg } from "../../../schema/charges.ts";
import { type JsonObject, SYSTEM } from "../../../schema/events.ts";
import { fromMinor } from "../../../schema/money.ts";
import { isLive, type Saga } from "../../../schema/sagas.ts";
import { reserveAt, voidAt } from "../calls/accounts.ts";
import { CALLS, type CallTable } from "../calls/perform.ts";
import { type BeginSaga, cancel, resolveWait } from "../decide.ts";
import {
  compensatable,
  define,
  pivot,
  retriable,
  type SagaDefinition,
  type StepDefinition,
} from "../definitions/definition.ts";
import { makeKnown } from "../definitions/index.ts";
import { ledgerTransfer, type TransferInput } from "../definitions/ledger-transfer.ts";
import { beginFamily } from "../family.ts";
import { loadSaga } from "../journal.ts";
import { together } from "../steps/group.ts";
import { runs } from "../steps/sub-saga.ts";
import { sleeps } from "../steps/timer.ts";
import { waits } from "../steps/wait.ts";
import type { Client } from "./clients.ts";
import type { Shard } from "./shard.ts";
import type { World } from "./world.ts";

/** Sagas with steps of every kind, over real transfers between wallets. No saga in the field has them. */
type Within = { saga: string; input: KindInput };
export type KindInput = TransferInput & { due?: number; child?: Within; mirror?: Within };

const inputOf = (saga: Saga): KindInput => saga.input as unknown as KindInput;
const kin = (definition: SagaDefinition, of: "child" | "mirror") => ({
  definition,
  first: (saga: Saga) => {
    const within = inputOf(saga)[of];
    if (within === undefined) throw new Error(`${saga.id} has no ${of}`);
    return { id: within.saga, input: within.input };
  },
});

/** A transfer with one step more: before it is decided, or after. */
const transferWith = (version: number, before: StepDefinition[], after: StepDefinition[] = []): SagaDefinition =>
  define({
    kind: "ledger_transfer",
    version,
    door: "decide",
    deadlineMs: 3_600_000,
    steps: [...before, pivot("decide", { posts: true }), ...after, retriable("post", { posts: true })],
  });

export const TIMEOUT_MS = 20_000;
const approval = compensatable(
  "approval",
  waits({ event: "approval", timeoutMs: TIMEOUT_MS, late: "goes_back", refusal: "risk_declined" }),
);
const delivery = (late: "goes_on" | "parks") =>
  retriable("delivery", waits({ event: "webhook:delivered", timeoutMs: TIMEOUT_MS, late, refusal: "" }));
const reserve = compensatable("reserve");

/** Waits for an approval before it is decided. */
export const APPROVED = transferWith(901, [reserve, approval]);
/** Waits for a delivery once it is decided, and no longer than that. */
export const DELIVERED = transferWith(902, [reserve], [delivery("goes_on")]);
export const AWAITED = transferWith(903, [reserve], [delivery("parks")]);
/** Decides at a moment of its input. */
export const DUE = transferWith(904, [reserve, compensatable("due", sleeps({ at: (saga) => inputOf(saga).due ?? 0 }))]);
/** Rests before it posts. */
export const RESTED = transferWith(905, [reserve], [retriable("rest", sleeps({ afterMs: 5_000 }))]);
/** Reserves at three accounts side by side. */
export const HELD = transferWith(906, [compensatable("holds", together("alice", "bob", "pod"))]);
/** Has another transfer posted first. */
export const ADVANCED = transferWith(907, [
  reserve,
  compensatable("advance", runs(kin(ledgerTransfer, "child"), kin(ledgerTransfer, "mirror"))),
]);
/** The same from its first step on, of a transfer that waits for an approval itself. */
export const SPONSORED = transferWith(908, [
  compensatable("advance", runs(kin(APPROVED, "child"), kin(ledgerTransfer, "mirror"))),
  reserve,
]);
/** Has another transfer posted once it is decided. */
export const FOLLOWED = transferWith(909, [reserve], [retriable("follow_up", runs(kin(ledgerTransfer, "child")))]);
/** Steps that may take no longer than this. */
export const HURRIED = transferWith(
  910,
  [compensatable("reserve", { deadlineMs: TIMEOUT_MS })],
  [retriable("conclude", { deadlineMs: TIMEOUT_MS })],
);

export const KINDS = [APPROVED, DELIVERED, AWAITED, DUE, RESTED, HELD, ADVANCED, SPONSORED, FOLLOWED, HURRIED] as const;
makeKnown(KINDS);

const at = (account: string) => ({
  forward: (saga: Saga, port: Parameters<typeof reserveAt>[2]) => reserveAt(saga, [account], port),
  undo: (saga: Saga, port: Parameters<typeof voidAt>[2]) => voidAt(saga, [account], port),
});
const POD_ACCOUNT = "pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FAV:EUR";

/** What the steps above call, beside what transfers call anyway. */
export const KIND_CALLS: CallTable = {
  ...CALLS,
  ledger_transfer: {
    ...CALLS.ledger_transfer,
    "holds/alice": at("wallet:alice:EUR"),
    "holds/bob": at("wallet:bob:EUR"),
    "holds/pod": at(POD_ACCOUNT),
    conclude: { forward: async () => ({ outcome: "done" }) },
  },
};

const legsOf = (legs: readonly [account: string, direction: "debit" | "credit", minor: bigint][]): TransferLeg[] =>
  legs.map(([account, direction, minor], index) => ({
    index: String(index),
    account,
    direction,
    amount: fromMinor(minor, "EUR"),
  }));

/** Alice and Bob pay a pod; what it begins is Carol and Dave doing the same, and what undoes that is the pod giving it back. */
export const inputFor = (id: () => { saga: string; transfer: string }, due: number, minor = 2_000n): KindInput => {
  const input = (transfer: string, legs: TransferLeg[]): KindInput => ({ transfer, legs, reason: null, metadata: {} });
  const [own, child, mirror] = [id(), id(), id()];
  const paid = (payers: readonly string[]) =>
    legsOf([
      ...payers.map((payer) => [`wallet:${payer}:EUR`, "debit", minor] as [string, "debit", bigint]),
      [POD_ACCOUNT, "credit", minor * 2n],
    ]);
  const back = paid(["carol", "dave"]).map((leg) => ({
    ...leg,
    direction: leg.direction === "debit" ? ("credit" as const) : ("debit" as const),
  }));
  return {
    ...input(own.transfer, paid(["alice", "bob"])),
    due,
    child: { saga: child.saga, input: input(child.transfer, paid(["carol", "dave"])) },
    mirror: { saga: mirror.saga, input: input(mirror.transfer, back) },
  };
};

export const firstOf = (id: string, input: KindInput): BeginSaga => ({
  id,
  kind: "ledger_transfer",
  subject: "op",
  input: input as unknown as JsonObject,
  principal: SYSTEM,
  correlation: "r",
});

/** Begins a saga of one of these definitions, again until it has begun; done when it has ended, or is parked. */
export const startKind = (world: World, shard: Shard, definition: SagaDefinition, minor = 2_000n): Client => {
  const next = () => ({
    saga: world.ids.next("sag", world.sim.now, shard.number),
    transfer: world.ids.next("trf", world.sim.now, shard.number),
  });
  for (const name of ["carol", "dave"]) world.accounts.get(`wallet:${name}:EUR`).opening = 100_000n;
  const { saga: id } = next();
  const first = firstOf(id, inputFor(next, world.sim.now + 5_000, minor));
  const client: Client = { name: id, shard, answers: [], done: false };
  const begin = async ({ parts: { actor, driver } }: Shard): Promise<void> => {
    const family = await actor.submit((turn) =>
      loadSaga(turn.sql, id) === null ? beginFamily(turn, definition, first) : [],
    );
    const own = driver.follow(family, id);
    if (own !== null) await driver.drive(own);
  };
  const look = (): void => {
    const saga = shard.saga(id);
    client.done = saga !== null && !isLive(saga);
    if (saga === null) world.at(shard, (at) => void begin(at));
    if (!client.done) world.sim.after(500, look, null);
  };
  look();
  return client;
};

/** Somebody's word on whatever waits for an event, a while after it began to wait. Null: nobody says anything. */
export const answerWaits = (world: World, verdict: (saga: Saga) => "approve" | "decline" | null): void => {
  const look = (): void => {
    for (const shard of world.shards) {
      for (const saga of shard.waiting) {
        const word = verdict(saga);
        if (word === null) continue;
        world.at(shard, ({ parts: { driver } }) => {
          const by = { by: "op", text: "seen" };
          const events = ["approval", "webhook:delivered"];
          for (const event of events) {
            void driver
              .change(saga.id, (before, turn) => resolveWait(before, event, word, by, turn.now, turn.state.cutEpoch))
              .then((changed) => (changed === null ? undefined : driver.drive(changed)));
          }
        });
      }
    }
    world.sim.after(1_500, look, null);
  };
  world.sim.after(1_500, look, null);
};

/** Takes a saga back as soon as it stands where `when` says, again until it has been. */
export const cancelOnce = (world: World, { name: id, shard }: Client, when: (saga: Saga) => boolean): void => {
  const look = (): void => {
    const saga = shard.saga(id);
    if (saga !== null && when(saga)) {
      world.at(shard, ({ parts: { driver } }) => {
        void driver
          .change(id, (before, turn) => cancel(before, turn.now))
          .then((changed) => (changed === null ? undefined : driver.drive(changed)));
      });
    }
    if (saga === null || (isLive(saga) && saga.failure === null)) world.sim.after(200, look, null);
  };
  world.sim.after(200, look, null);
};

/** True while a saga is at this step and waits. */
export const waitsAt =
  (name: string) =>
  (saga: Saga): boolean =>
    saga.status === "waiting" && saga.steps[saga.cursor]?.name === name;
