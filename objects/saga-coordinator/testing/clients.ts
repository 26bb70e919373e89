import { canonicalJson, type Meta, SYSTEM } from "../../../schema/events.ts";
import { NOT_KEPT } from "../../../schema/rejections.ts";
import type { ChargeAnswer, CreateCharge, CreateTransfer, TransferAnswer } from "../../../schema/rpc/coordinator.ts";
import type { Shard } from "./shard.ts";
import type { World } from "./world.ts";

type Answer = ChargeAnswer | TransferAnswer;

/** One command under one key, sent again until it has its first answer, and once more after it. */
export type Client = {
  name: string;
  shard: Shard;
  /** Every answer that is kept, in the order it came. */
  answers: Answer[];
  done: boolean;
};

type Send = (shard: Shard, meta: Meta) => Promise<Answer>;

/** Longer than any call is held open. */
const GIVE_UP_MS = 75_000;

/** Answers that are not kept: the same command may be sent again under its key. */
const notKept = (answer: Answer): boolean => answer.kind === "problem" && NOT_KEPT.has(answer.rejection.code);

/** What is not there for this caller will not be there the next time: nobody asks again. */
const isGone = (answer: Answer): boolean => answer.kind === "problem" && answer.rejection.code === "not_found";

const startClient = (world: World, name: string, shard: Shard, send: Send): Client =>
  run(world, { name, shard, answers: [], done: false }, send);

const run = (world: World, client: Client, send: Send): Client => {
  const { name, shard } = client;
  const { sim, network } = world;
  let tries = 0;
  const attempt = (): void => {
    const meta: Meta = { principal: SYSTEM, correlation: `${name}-${++tries}`, causation: null };
    let over = false;
    const again = (delayMs: number): void => {
      if (over) return;
      over = true;
      sim.after(delayMs, attempt, null);
    };
    world.at(shard, () => {
      send(shard, meta).then(
        (answer) => {
          sim.after(
            network.delay(),
            () => {
              if (over) return;
              if (isGone(answer)) {
                client.done = true;
                over = true;
                return;
              }
              if (notKept(answer)) return again(1_000);
              over = true;
              client.answers.push(structuredClone(answer));
              if (client.answers.length < 2) sim.after(500 + world.random.int(20_000), attempt, null);
              else client.done = true;
            },
            null,
          );
        },
        (error: unknown) => {
          world.violated(`${name}: the door threw ${String(error)}`);
          again(1_000);
        },
      );
    });
    sim.after(GIVE_UP_MS, () => again(0), null);
  };
  attempt();
  return client;
};

export const startCharge = (world: World, name: string, shard: Shard, command: CreateCharge, waitMs: number): Client =>
  startClient(world, name, shard, (at, meta) => {
    const key = { subject: command.payer, command: "charge.create", key: name, request: canonicalJson(command) };
    return at.parts.intake.charge(command, key, waitMs, meta, null);
  });

export const startTransfer = (
  world: World,
  name: string,
  shard: Shard,
  command: CreateTransfer,
  waitMs: number,
): Client => startClient(world, name, shard, (at, meta) => at.parts.intake.transfer(command, waitMs, meta));

/** Takes back what another client's transfer moved, once that client has its answers: claim and reversal, each time anew. */
export const startReversal = (world: World, shard: Shard, original: Client, id: string): Client => {
  const client: Client = { name: id, shard, answers: [], done: false };
  const command = { id, reverses: original.name };
  const send: Send = async ({ parts }, meta) => {
    const claimed = await parts.intake.claimReversal(command, meta);
    if (claimed.ok) return parts.intake.reversal(command, 0, meta);
    return { kind: "problem", rejection: claimed.rejection, request_id: meta.correlation, replayed: false };
  };
  const begin = (): void => {
    if (original.done) run(world, client, send);
    else world.sim.after(100, begin, null);
  };
  begin();
  return client;
};

/** What two answers to one command must share: the same status, and the same thing or the same refusal, word for word. */
export const sameness = (answer: Answer): string => {
  if (answer.kind === "problem") return JSON.stringify([answer.rejection, answer.request_id]);
  if (answer.kind === "processing") return `transfer ${answer.id}`;
  return "transfer" in answer ? `transfer ${answer.transfer.id}` : `${answer.status} ${answer.charge.id}`;
};
