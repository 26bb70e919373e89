import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SYSTEM } from "../../schema/events.ts";
import type { Result } from "../../schema/rejections.ts";
import type { TransferAnswer } from "../../schema/rpc/coordinator.ts";
import { seeTransfer } from "./reversals.ts";
import type { Shard } from "./testing/shard.ts";
import { closePod, fund, TRANSFERS, type TransferStory } from "./testing/stories.ts";
import { World } from "./testing/world.ts";

vi.spyOn(console, "error").mockReturnValue(undefined);

let world: World;
let shard: Shard;

const open = (seed = 5): void => {
  world = new World({ seed });
  fund(world);
  [shard] = world.shards as [Shard];
};
beforeEach(() => open());
afterEach(() => world.close());

const meta = (correlation: string) => ({ principal: SYSTEM, correlation, causation: null });

type Asked<A> = { answer: A | null };
const ask = <A>(send: () => Promise<A>): Asked<A> => {
  const asked: Asked<A> = { answer: null };
  world.at(shard, () => {
    void send().then((answer) => {
      asked.answer = structuredClone(answer);
    });
  });
  return asked;
};
const answered = async <A>(asked: Asked<A>): Promise<A> => {
  await world.run(120_000, () => asked.answer !== null);
  if (asked.answer === null) throw new Error("no answer");
  return asked.answer;
};
const newId = () => world.ids.next("trf", world.sim.now);
const post = async (story: TransferStory, minor = 2_000n): Promise<string> => {
  const id = newId();
  const body = { id, legs: TRANSFERS[story](minor), reason: "r", metadata: { reason: "r" } };
  const answer = await answered(ask(() => shard.parts.intake.transfer(body, 10_000, meta("post"))));
  if (answer.kind !== "resource") throw new Error(`not posted: ${JSON.stringify(answer)}`);
  return id;
};
const claim = (reverses: string, id: string): Asked<Result<null>> =>
  ask(() => shard.parts.intake.claimReversal({ id, reverses }, meta("claim")));
const reverse = (reverses: string, id: string, request = "reverse"): Asked<TransferAnswer> =>
  ask(() => shard.parts.intake.reversal({ id, reverses }, 10_000, meta(request)));
const seen = (id: string, reverses: string | null = null) =>
  seeTransfer(shard.disk.storage.sql as unknown as SqlStorage, id, reverses);
const balance = (account: string) => world.accounts.get(account).balance;
const code = (answer: TransferAnswer): string => (answer.kind === "problem" ? answer.rejection.code : answer.kind);

describe("a reversal", () => {
  it("puts back what three payers gave, and each account stands as it stood", async () => {
    const accounts = ["wallet:alice:EUR", "wallet:bob:EUR", "fee:EUR#0"];
    const before = accounts.map(balance);
    const original = await post("three");
    expect(accounts.map(balance)).not.toEqual(before);
    expect(await answered(reverse(original, newId()))).toMatchObject({ transfer: { reverses: original } });
    expect(accounts.map(balance)).toEqual(before);
  });

  it("takes a leg back from suspense, where it went because its account was closed", async () => {
    closePod(world);
    const original = await post("closed");
    expect(balance("suspense:EUR#0")).toBe(2_010n);
    expect(code(await answered(reverse(original, newId())))).toBe("resource");
    expect([balance("suspense:EUR#0"), balance("wallet:alice:EUR")]).toEqual([0n, 100_000n]);
  });

  it("cut off at any moment has happened once when it is asked for again, and only once for anybody else", async () => {
    for (let after = 0; after < 60; after += 2) {
      world.close();
      open(after + 1);
      const original = await post("one");
      const id = newId();
      reverse(original, id, "r1");
      await world.run(after, () => false);
      world.crash(shard, after % 4 === 0 ? "lost" : "kept", 50);
      await world.run(200, () => false);
      const again = await answered(reverse(original, id, "r2"));
      expect([after, code(again)]).toEqual([after, "resource"]);
      expect([after, code(await answered(reverse(original, newId())))]).toEqual([after, "conflict"]);
      expect([balance("wallet:alice:EUR"), balance("wallet:bob:EUR")]).toEqual([100_000n, 100_000n]);
      expect(seen(original)).toMatchObject({ kind: "posted", transfer: { reversed_by: id } });
      expect(world.violations).toEqual([]);
    }
  });

  it("that was refused leaves its original to the next, and stays refused itself", async () => {
    const original = await post("one");
    world.accounts.get("wallet:bob:EUR").opening = -1n;
    const refused = newId();
    expect(code(await answered(reverse(original, refused)))).toBe("insufficient_funds");
    expect(seen(original)).toMatchObject({ kind: "posted" });
    expect(seen(original)).not.toHaveProperty("transfer.reversed_by");
    expect(seen(refused, original)).toBeNull();
    world.accounts.get("wallet:bob:EUR").opening = 0n;
    expect(code(await answered(reverse(original, newId())))).toBe("resource");
    expect(code(await answered(reverse(original, refused)))).toBe("insufficient_funds");
  });

  it("of what is unknown or not posted yet is refused", async () => {
    expect(code(await answered(reverse("trf_03QCPC7X67FEHZNQZFDX95A19F", newId())))).toBe("not_found");
    const id = newId();
    const body = { id, legs: TRANSFERS.one(2_000n), reason: "r", metadata: {} };
    ask(() => shard.parts.intake.transfer(body, 0, meta("slow")));
    await world.run(10_000, () => balance("wallet:alice:EUR") < 100_000n);
    world.network.faults = { ...world.network.faults, lost: 1 };
    await world.run(1_000, () => false);
    expect(code(await answered(reverse(id, newId())))).toBe("conflict");
    world.network.heal();
    await world.run(120_000, () => shard.isIdle);
    expect(code(await answered(reverse(id, newId())))).toBe("resource");
  });
});

describe("the id of a reversal", () => {
  it("means that reversal and nothing else, from its claim on", async () => {
    const [one, two] = [await post("one"), await post("one")];
    const id = newId();
    expect(await answered(claim(one, id))).toEqual({ ok: true, value: null });
    expect(await answered(claim(one, id))).toEqual({ ok: true, value: null });
    expect(await answered(claim(two, id))).toMatchObject({
      rejection: { code: "idempotency_mismatch", field: "/reverses" },
    });
    const body = { id, legs: TRANSFERS.one(1n), reason: "r", metadata: {} };
    const other = await answered(ask(() => shard.parts.intake.transfer(body, 0, meta("other"))));
    expect(other).toMatchObject({ rejection: { code: "idempotency_mismatch", field: "/legs" } });
    expect(await answered(claim(two, one))).toMatchObject({ rejection: { code: "idempotency_mismatch" } });
    expect(seen(id)).toEqual({ kind: "elsewhere", reverses: one });
    expect(code(await answered(reverse(id, newId())))).toBe("conflict");
  });

  it("is as old as any transfer's may be", async () => {
    const [original, id] = [await post("one"), newId()];
    await world.run(31 * 86_400_000, () => false);
    expect(await answered(claim(original, id))).toMatchObject({
      rejection: { code: "transfer_id_expired" },
    });
  });
});
