import { GENESIS_HASH } from "../../schema/events.ts";
import { SHARDS } from "../../schema/ids.ts";
import type { ActorRpc, LogVerdict } from "../../schema/rpc/actor.ts";
import type { CoordinatorRpc, TrialBalance, VerifyReport } from "../../schema/rpc/coordinator.ts";
import { HOUSE_STREAMS, shardName } from "../../schema/streams.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { keeperOf } from "../kit/keepers.ts";
import type { Pace } from "../kit/pace.ts";
import { callActor } from "../kit/stub.ts";
import { type KeptHead, keptHeads } from "./kept-heads.ts";

/** Actors verified side by side. */
const WIDTH = 8;
/** Events a call. */
const EVENTS = 1_000;

/** A verification as it is kept between batches: where it has got to is part of it, so a restart goes on. */
export type VerifyJob = { report: VerifyReport; after: string };

/** Every stream there is, sorted: the house's own and whatever the shards' directories name. */
export const allStreams = async (
  env: ObjectEnv,
  self: { shard: number; directory: CoordinatorRpc["directory"] },
): Promise<string[]> => {
  const streams = new Set(HOUSE_STREAMS);
  for (let shard = 0; shard < SHARDS; shard++) {
    let after: string | null = null;
    do {
      const from: string | null = after;
      const page: Awaited<ReturnType<CoordinatorRpc["directory"]>> =
        shard === self.shard
          ? await self.directory(from)
          : await callActor<CoordinatorRpc, Awaited<ReturnType<CoordinatorRpc["directory"]>>>(
              env.COORDINATORS,
              shardName(shard),
              (actor) => actor.directory(from),
            );
      for (const stream of page.streams) streams.add(stream);
      after = page.next;
    } while (after !== null);
  }
  return [...streams].sort();
};

/** Walks one log from its genesis to its head, past every head of it that somebody else has kept. */
export const verifyStream = async (
  ask: (after: number, hash: string, limit: number) => Promise<LogVerdict>,
  kept: readonly KeptHead[],
): Promise<LogVerdict> => {
  let after = 0;
  let hash = GENESIS_HASH;
  for (;;) {
    // A page ends where somebody knows the hash: that is where it is compared.
    const stops = kept.map(({ seq }) => seq - after).filter((distance) => distance > 0);
    const verdict = await ask(after, hash, Math.min(EVENTS, ...stops));
    if (verdict.failure !== null) return verdict;
    const other = kept.find(({ seq, hash: known }) => seq === verdict.upto && known !== verdict.hash);
    if (other !== undefined) {
      return { ...verdict, failure: { seq: verdict.upto, reason: `differs from ${other.keeper}` } };
    }
    if (verdict.upto >= verdict.head || verdict.upto === after) {
      const further = kept.find(({ seq }) => seq > verdict.upto);
      if (further === undefined) return verdict;
      const reason = `log was cut short: ${further.keeper} has seen seq ${further.seq}`;
      return { ...verdict, failure: { seq: verdict.upto + 1, reason } };
    }
    after = verdict.upto;
    hash = verdict.hash;
  }
};

/** Verifies the next few streams of a job, of those that are left, at a pace that the machine can bear. A log that cannot be read is a failure too, at seq 0. */
export const verifySome = async (
  env: ObjectEnv,
  job: VerifyJob,
  left: readonly string[],
  self: { stream: string; verifyLog: ActorRpc["verifyLog"] },
  cut: TrialBalance | null,
  pace: Pace,
): Promise<VerifyJob> => {
  const batch = left.slice(0, WIDTH);
  await pace.letIn(batch);
  // Kept before the logs are walked: then no log may be shorter.
  const kept = await keptHeads(env, batch, cut);
  const verdicts = await Promise.all(
    batch.map(async (stream): Promise<LogVerdict> => {
      const keeper = keeperOf(env, stream);
      if (keeper === null) throw new Error(`no such stream ${stream}`);
      const ask = (after: number, hash: string, limit: number): Promise<LogVerdict> =>
        stream === self.stream
          ? self.verifyLog(after, hash, limit)
          : keeper((actor) => actor.verifyLog(after, hash, limit));
      return verifyStream(ask, kept.get(stream) ?? []).catch(() => ({
        stream,
        upto: 0,
        hash: GENESIS_HASH,
        head: 0,
        failure: { seq: 0, reason: "the actor did not answer" },
      }));
    }),
  );
  const { report } = job;
  const failures = verdicts.flatMap(({ stream, failure }) => (failure === null ? [] : [{ stream, ...failure }]));
  return {
    after: batch.at(-1) ?? job.after,
    report: {
      ...report,
      done: left.length <= batch.length,
      ok: report.ok && failures.length === 0,
      checked: {
        actors: report.checked.actors + verdicts.length,
        events: report.checked.events + verdicts.reduce((sum, { upto }) => sum + upto, 0),
      },
      failures: [...report.failures, ...failures].slice(0, 1_000),
      progress: { done: report.progress.done + batch.length, total: report.progress.done + left.length },
    },
  };
};
