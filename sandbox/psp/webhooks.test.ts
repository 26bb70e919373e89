import { expect, test } from "vitest";
import { allShards, shardOf } from "./shards.ts";
import { sign } from "./webhooks.ts";

test("a webhook is signed as the Standard Webhooks specification's example is", async () => {
  const signature = await sign(
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1614265330,
    '{"test": 2432232314}',
  );
  expect(signature).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("references spread over all the books, each always in the same one", () => {
  const shards = Array.from({ length: 200 }, (_, i) => shardOf(`chg_01J${i}`));
  expect(new Set(shards)).toEqual(new Set(allShards));
  expect(shardOf("chg_01J7")).toBe(shards[7]);
});
