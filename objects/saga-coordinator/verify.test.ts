import { describe, expect, test, vi } from "vitest";
import { chainHash, GENESIS_HASH } from "../../schema/events.ts";
import type { LogVerdict } from "../../schema/rpc/actor.ts";
import type { TrialBalance } from "../../schema/rpc/coordinator.ts";
import { type KeptHead, keptHeads } from "./kept-heads.ts";
import { verifyStream } from "./verify.ts";

/** The chain's hash after each seq of a log that went one way, or another. */
const hashesOf = (length: number, way: string): string[] => {
  const hashes = [GENESIS_HASH];
  for (let seq = 1; seq <= length; seq++) hashes.push(chainHash(hashes.at(-1) ?? "", `${way} ${seq}`));
  return hashes;
};

/** A log that adds up by itself; at most `most` events a call, as where segments end. Notes how far each call was to go. */
const logOf = (hashes: readonly string[], most = 1_000) => {
  const calls: number[] = [];
  const head = hashes.length - 1;
  const ask = async (after: number, hash: string, limit: number): Promise<LogVerdict> => {
    expect(hash).toBe(hashes[after]);
    calls.push(limit);
    const upto = Math.min(head, after + Math.min(limit, most));
    return { stream: "account/a", upto, hash: hashes[upto] ?? "", head, failure: null };
  };
  return { ask, calls };
};

const kept = (seq: number, hash: string | undefined, keeper = "cut 4"): KeptHead => ({ keeper, seq, hash: hash ?? "" });

describe("a log that adds up by itself", () => {
  const hashes = hashesOf(2_500, "as it was");
  const { length } = hashes;

  test("is good when every head that was kept elsewhere is one of its own", async () => {
    const heads = [1, 700, 1_000, 2_500].map((seq) => kept(seq, hashes[seq]));
    for (const most of [1_000, 300]) {
      const { ask } = logOf(hashes, most);
      expect(await verifyStream(ask, heads)).toMatchObject({ upto: length - 1, failure: null });
    }
    const { ask, calls } = logOf(hashes);
    await verifyStream(ask, [kept(2_500, hashes[2_500])]);
    expect(calls).toEqual([1_000, 1_000, 500]);
  });

  test("was cut short when somebody has seen more of it", async () => {
    const { ask } = logOf(hashes.slice(0, 1_801));
    expect(await verifyStream(ask, [kept(700, hashes[700]), kept(2_500, hashes[2_500])])).toMatchObject({
      failure: { seq: 1_801, reason: "log was cut short: cut 4 has seen seq 2500" },
    });
  });

  test("was cut to nothing when somebody has seen any of it", async () => {
    const { ask } = logOf([GENESIS_HASH]);
    expect((await verifyStream(ask, [kept(2, hashes[2])])).failure).toMatchObject({ seq: 1 });
    expect((await verifyStream(ask, [])).failure).toBeNull();
  });

  test("was written anew when it is another where somebody has seen it", async () => {
    const forged = [...hashes.slice(0, 1_500), ...hashesOf(1_001, "as somebody would have it").slice(1)];
    const { ask } = logOf(forged);
    const heads = [kept(1_400, hashes[1_400]), kept(2_300, hashes[2_300], "the projector's checkpoint")];
    expect((await verifyStream(ask, heads)).failure).toEqual({
      seq: 2_300,
      reason: "differs from the projector's checkpoint",
    });
  });
});

describe("the heads kept elsewhere", () => {
  const cut = { cut: { epoch: 4, accounts: { a: { seq: 7, hash: "h7" } } } } as unknown as TrialBalance;
  const readModel = (all: () => Promise<{ results: object[] }>) =>
    ({ READ_MODEL: { prepare: () => ({ bind: () => ({ all }) }) } }) as unknown as { READ_MODEL: D1Database };

  test("are the newest cut's and the consumers'", async () => {
    const results = [{ stream: "pod/p", consumer: "projector", seq: 3, hash: "h3" }];
    const heads = await keptHeads(
      readModel(async () => ({ results })),
      ["account/a", "pod/p"],
      cut,
    );
    expect([...heads.values()]).toEqual([
      [{ keeper: "cut 4", seq: 7, hash: "h7" }],
      [{ keeper: "the projector's checkpoint", seq: 3, hash: "h3" }],
    ]);
  });

  test("are the cut's alone while the read model is down", async () => {
    const complaints = vi.spyOn(console, "error").mockReturnValue(undefined);
    const down = readModel(() => Promise.reject(new Error("D1 is down")));
    expect((await keptHeads(down, ["account/a"], cut)).get("account/a")).toHaveLength(1);
    expect(await keptHeads(down, ["account/a"], null)).toEqual(new Map([["account/a", []]]));
    expect(complaints).toHaveBeenCalled();
    complaints.mockRestore();
  });
});
