import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { canonicalJson, SYSTEM } from "../../schema/events.ts";
import { fromMinor } from "../../schema/money.ts";
import { type Rejection, reject } from "../../schema/rejections.ts";
import type { ChargeAnswer, CreateCharge } from "../../schema/rpc/coordinator.ts";
import type { PodModel } from "./testing/people.ts";
import type { Shard } from "./testing/shard.ts";
import { fund, PAYER, POD } from "./testing/stories.ts";
import { World } from "./testing/world.ts";

vi.spyOn(console, "error").mockReturnValue(undefined);

const noSuchPod = reject("not_found", "no such pod").rejection;

let world: World;
let shard: Shard;
/** What policy says of whoever asks. */
let denial: Rejection | null;
let asked: number;

beforeEach(() => {
  world = new World({ seed: 5 });
  fund(world);
  [shard] = world.shards as [Shard];
  denial = null;
  asked = 0;
});
afterEach(() => world.close());

const policy = async (): Promise<Rejection | null> => {
  asked++;
  return denial;
};

const pay = async (key: string, minor = 2_000n): Promise<ChargeAnswer> => {
  const body: CreateCharge = {
    pod: POD,
    payer: PAYER,
    amount: fromMinor(minor, "EUR"),
    source: { type: "instrument", token: "tok_ok" },
    settle_currency: "EUR",
    description: null,
  };
  const scope = { subject: PAYER, command: "charge.create", key, request: canonicalJson(body) };
  const meta = { principal: SYSTEM, correlation: `of ${key}`, causation: null };
  let answer: ChargeAnswer | null = null;
  world.at(shard, () => {
    void shard.parts.intake.charge(body, scope, 10_000, meta, policy).then((said) => {
      answer = said;
    });
  });
  await world.run(120_000, () => answer !== null);
  if (answer === null) throw new Error("no answer");
  return answer;
};

const succeeded = { kind: "resource", charge: { status: "succeeded" } };
const pod = () => world.pods.get(POD) as PodModel;

describe("whether somebody may pay in a pod", () => {
  it("is asked before the first charge, and not before the next: the pod admits both", async () => {
    expect(await pay("first")).toMatchObject(succeeded);
    expect(await pay("second")).toMatchObject(succeeded);
    expect([asked, pod().permits.size]).toEqual([1, 2]);
  });

  it("is asked of a stranger before anything is written, every time", async () => {
    denial = noSuchPod;
    for (const key of ["a", "b", "a"]) {
      expect(await pay(key)).toEqual({
        kind: "problem",
        rejection: noSuchPod,
        request_id: `of ${key}`,
        replayed: false,
      });
    }
    expect([asked, shard.sagas.length, pod().permits.size, shard.disk.journal.length]).toEqual([3, 0, 0, 0]);
  });

  it("is asked before a command is told again, so that who was removed is not told of it", async () => {
    await pay("first");
    expect(await pay("first")).toMatchObject({ ...succeeded, replayed: true });
    denial = noSuchPod;
    expect(await pay("first")).toMatchObject({ kind: "problem", rejection: noSuchPod, replayed: false });
    expect(asked).toBe(3);
  });

  it("is asked in place of any refusal: a right that was withdrawn is missed at once, and moves no money", async () => {
    await pay("first");
    denial = reject("forbidden", "the role viewer may not do this").rejection;
    pod().frozen = true;
    expect(await pay("second")).toMatchObject({ kind: "problem", rejection: denial });
    expect(world.provider.payments).toHaveLength(1);
  });

  it("is asked first again once it was denied: only one charge is begun to hear so", async () => {
    await pay("first");
    denial = noSuchPod;
    pod().frozen = true;
    await pay("second");
    await pay("third");
    expect(shard.sagas).toHaveLength(2);
  });

  it("leaves a refusal as it is where policy has nothing against the caller", async () => {
    await pay("first");
    expect(await pay("second", 6_000_000n)).toMatchObject({ kind: "problem", rejection: { code: "risk_declined" } });
    expect(asked).toBe(2);
  });

  it("is asked anew after a restart", async () => {
    await pay("first");
    world.crash(shard, "kept", 100);
    await world.run(1_000, () => false);
    await pay("second");
    expect(asked).toBe(2);
  });

  it("is left to whoever asked before", async () => {
    denial = noSuchPod;
    const body = { pod: POD, payer: PAYER, amount: fromMinor(2_000n, "EUR"), settle_currency: "EUR" } as const;
    const command: CreateCharge = { ...body, source: { type: "instrument", token: "tok_ok" }, description: null };
    const scope = { subject: "operator", command: "charge.create", key: "k", request: canonicalJson(command) };
    const meta = { principal: SYSTEM, correlation: "r", causation: null };
    let answer: ChargeAnswer | null = null;
    world.at(shard, () => {
      void shard.parts.intake.charge(command, scope, 10_000, meta, null).then((said) => {
        answer = said;
      });
    });
    await world.run(120_000, () => answer !== null);
    expect(answer).toMatchObject(succeeded);
  });
});
