import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { streamOf } from "../../schema/streams.ts";
import { isSevered } from "../../workers/consumers/queue-faults.ts";
import { readAll } from "../support/checker.ts";
import { poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type Charge, charge, must, type OpenPod, openPod, operator } from "../support/story.ts";

/** What the events queue does wrong follows from it: messages lost, late, twice and out of order. */
const SEED = "healing-1";
/** What the lists promise, whatever was lost. */
const PROMISE_MS = 60_000;

let server: Server;
beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_FAULTS: "live", CROWDPAY_QUEUE_FAULTS: SEED } });
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** A pod whose log, and its euro account's, loses every message that carries an event, the last too, and its first beacon. */
const severedPod = async (owner: string): Promise<OpenPod> => {
  for (;;) {
    const pod = await openPod(server, { owner });
    const streams = [streamOf.pod(pod.id), streamOf.account(`pod:${pod.id}:EUR`)];
    if (streams.every((stream) => isSevered(SEED, stream))) return pod;
  }
};

type Pod = { id: string; seq: number; log_head: string };
type Entry = { id: string; hash: string };

/** What the lists say, and what the actors say themselves. */
const bothSides = async (pod: OpenPod, charges: readonly Charge[]) => {
  const admin = await operator(server);
  const [listedPods, listedCharges, listedEntries, own, single] = await Promise.all([
    readAll<Pod>(pod.owner, "/v1/pods"),
    readAll<Charge>(pod.owner, `/v1/pods/${pod.id}/charges`),
    readAll<Entry>(pod.owner, `/v1/pods/${pod.id}/entries`),
    pod.owner.get<Pod>(`/v1/pods/${pod.id}`),
    Promise.all(charges.map(async ({ id }) => must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200))),
  ]);
  const account = must(
    await admin.get<{ head_hash: string }>(`/v1/ledger/accounts/${encodeURIComponent(`pod:${pod.id}:EUR`)}`),
    200,
  );
  return {
    listed: {
      pod: listedPods.find(({ id }) => id === pod.id),
      charges: listedCharges,
      lastEntry: listedEntries.at(-1)?.hash,
      entries: listedEntries.length,
    },
    actual: {
      pod: must(own, 200),
      charges: single.toSorted((left, right) => (left.id < right.id ? 1 : -1)),
      lastEntry: account.head_hash,
      entries: charges.length,
    },
  };
};

test("lists equal what the actors say within a minute, though messages were lost, doubled and reordered, each log's last for certain", async () => {
  const pods = [await severedPod("alice"), await severedPod("ann"), await openPod(server, { owner: "olaf" })];
  const paid = await Promise.all(
    pods.map(async (pod, at) => {
      const charges: Charge[] = [];
      for (let n = 0; n < 4; n++) {
        const key = `heal-${at}-${n}`;
        charges.push(must(await charge(pod.owner, pod, { amount: `${n + 1}.00`, from: "tok_ok", key, wait: 30 }), 201));
      }
      return charges;
    }),
  );
  expect(paid.flat().map(({ status }) => status)).toEqual(Array(12).fill("succeeded"));
  const from = Date.now();
  for (const [at, pod] of pods.entries()) {
    const charges = paid[at] ?? [];
    const { listed, actual } = await poll(
      () => bothSides(pod, charges),
      (both) => isDeepStrictEqual(both.listed, both.actual),
      Math.max(1, PROMISE_MS - (Date.now() - from)),
    );
    expect(listed).toEqual(actual);
  }
}, 150_000);
