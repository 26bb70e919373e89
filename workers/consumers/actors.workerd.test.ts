import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { callActor, type Namespace } from "../../objects/kit/stub.ts";
import type { Meta } from "../../schema/events.ts";
import type { AccountRpc } from "../../schema/rpc/account.ts";
import type { PodRpc } from "../../schema/rpc/pod.ts";
import { beacon } from "../../schema/run-message.ts";
import { accountsOf, listEntries, listPods } from "../read-model/queries.ts";
import type { ConsumerEnv } from "./env.ts";
import { consume } from "./index.ts";

const bindings = env as unknown as ConsumerEnv;
const META: Meta = { principal: { user: "ann", client_id: "tests" }, correlation: "req_test", causation: null };
const FIRST = { limit: 50, after: null };

let made = 0;
const newPod = () => `pod_3${String(++made).padStart(25, "0")}`;
const actor =
  <A>(namespace: Namespace, name: string) =>
  <T>(call: (stub: A) => Promise<T>): Promise<T> =>
    callActor<A, T>(namespace, name, call);

const createPod = async (id: string) => {
  const pod = actor<PodRpc>(bindings.PODS, id);
  const user = `u-${id}`;
  const profile = { name: "Trip", type: "pool", currencies: ["EUR"], home_currency: "EUR", timezone: "UTC" } as const;
  const created = await pod((stub) =>
    stub.create(
      { pod: id, ...profile, currencies: ["EUR"], goal: null },
      { ...META, principal: { user, client_id: "tests" } },
    ),
  );
  expect(created.ok).toBe(true);
  return { pod, user };
};

/** The beacon that makes the consumer ask the actor itself, whatever became of the messages. */
const catchUp = (stream: string, head: number) =>
  consume(
    createMessageBatch("events", [{ id: stream, timestamp: 0, attempts: 1, body: beacon(stream, head + 1, head) }]),
    bindings,
  );

describe("the read model of real actors", () => {
  it("shows a pod that was made as soon as the queue brings it", async () => {
    const { pod, user } = await createPod(newPod());
    const listed = await vi.waitUntil(
      async () => {
        const { data } = await listPods(bindings.READ_MODEL, user, FIRST);
        return data.length > 0 && data;
      },
      { timeout: 15_000, interval: 50 },
    );
    const seen = await pod((stub) => stub.see({ user, operator: false }));
    expect(listed).toEqual([{ pod: seen?.pod, balances: [] }]);
  });

  it("shows the pod that the actor shows, when all it has is a beacon", async () => {
    const id = newPod();
    const { pod, user } = await createPod(id);
    const seen = await pod((stub) => stub.see({ user, operator: false }));
    await catchUp(`pod/${id}`, seen?.pod.seq ?? 0);
    expect((await listPods(bindings.READ_MODEL, user, FIRST)).data.map((listing) => listing.pod)).toEqual([seen?.pod]);
  });

  it("shows the entries and counters that the account shows", async () => {
    const id = newPod();
    const name = `pod:${id}:EUR`;
    const account = actor<AccountRpc>(bindings.ACCOUNTS, name);
    const post = (transfer: string, amount: string) => ({
      op: "post" as const,
      transfer,
      saga: "sag_1",
      body_hash: "h",
      legs: [{ index: "0", account: name, direction: "credit" as const, amount: { amount, currency: "EUR" } }],
      open: true,
      tag: 1,
      charge: null,
      pod: id,
      reason: null,
      principal: META.principal,
      correlation: META.correlation,
    });
    const answers = await account((stub) => stub.applyOps([post("trf_1", "10.00"), post("trf_2", "2.50")]));
    expect(answers.map(({ ok }) => ok)).toEqual([true, true]);
    const record = await account((stub) => stub.describe());
    await catchUp(`account/${name}`, record?.seq ?? 0);
    const entries = await account((stub) => stub.entries(0, 200));
    expect(entries).toHaveLength(2);
    expect((await listEntries(bindings.READ_MODEL, { pod: id }, FIRST)).data).toEqual(entries);
    const [shown] = (await accountsOf(bindings.READ_MODEL, "pod", id)).data;
    expect(shown).toMatchObject({ seq: record?.seq, head_hash: record?.head_hash });
    expect(shown?.counters).toEqual({
      debits_posted: record?.debits_posted,
      credits_posted: record?.credits_posted,
      debits_pending: record?.debits_pending,
      credits_pending: record?.credits_pending,
    });
  });
});
