import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";
import { ROOT } from "./settings.ts";
import { actorFile, actorNamed, CLASSES, objectId, WORKER } from "./where.ts";

test("an object's id is the one the runtime derives from its name", () => {
  // Taken from a running server: the file of the coordinator's shard 0.
  expect(objectId("crowdpay-connect-SagaCoordinator", "shard-0")).toBe(
    "86084f573779c8abad44058dcc3abae8ab4d4563dc750ee6491e4bc032283b6d",
  );
  const file = actorFile("/state", { kind: "saga", name: "shard-0" });
  expect(basename(dirname(file))).toBe("crowdpay-connect-SagaCoordinator");
});

test("the Worker and its classes are those of wrangler.toml", () => {
  const config = unstable_readConfig({ config: join(ROOT, "wrangler.toml") });
  expect(config.name).toBe(WORKER);
  expect(Object.keys(config.exports ?? {})).toEqual(expect.arrayContaining(Object.values(CLASSES)));
});

test.each([
  ["wallet:alice:EUR", "account", "wallet:alice:EUR"],
  ["account/wallet:alice:EUR", "account", "wallet:alice:EUR"],
  ["fee:EUR#3", "account", "fee:EUR#3"],
  ["saga/shard-7", "saga", "shard-7"],
  ["risk/alice", "risk", "alice"],
])("%s is the actor %s %s", (text, kind, name) => {
  expect(actorNamed(text)).toEqual({ kind, name });
});

test.each([
  ["an account kept in stripes", "fee:EUR", /fee:EUR#0 to fee:EUR#\d+/],
  ["no account", "fee:NOPE", /neither an account nor a stream/],
  ["a stream of no kind", "nothing/at-all", /neither an account nor a stream/],
  ["an account's stream of no account", "account/alice", /neither an account nor a stream/],
])("%s is refused in one clear line", (_, text, reason) => {
  expect(() => actorNamed(text)).toThrow(reason);
});
