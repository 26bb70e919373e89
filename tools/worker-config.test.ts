import { join } from "node:path";
import { expect, test } from "vitest";
import { unstable_readConfig, type Unstable_Config as WranglerConfig } from "wrangler";
import { PRODUCT, SANDBOX } from "./bundle.ts";
import { ROOT } from "./settings.ts";
import { workerConfig } from "./worker-config.ts";

function parsed(configPath: string): WranglerConfig {
  return unstable_readConfig({ config: join(ROOT, configPath) }) as WranglerConfig;
}

test("the local server gives each Worker what its wrangler.toml says", () => {
  for (const { configPath } of [PRODUCT, SANDBOX]) {
    const config = parsed(configPath);
    const local = workerConfig(config);
    const named = [
      ...config.durable_objects.bindings.map(({ name }) => name),
      ...config.d1_databases.map(({ binding }) => binding),
      ...(config.queues.producers ?? []).map(({ binding }) => binding),
      ...config.ratelimits.map(({ name }) => name),
      ...config.r2_buckets.map(({ binding }) => binding),
    ];
    expect(Object.keys(local.bindings).sort()).toEqual(named.sort());
    expect(Object.keys(local.exports).sort()).toEqual(Object.keys(config.exports ?? {}).sort());
    expect(local.triggers.map((trigger) => trigger.type === "queue" && trigger.name)).toEqual(
      (config.queues.consumers ?? []).map(({ queue }) => queue),
    );
    expect(local.crons).toEqual(config.triggers.crons ?? []);
    expect(local.compatibilityDate).toBe(config.compatibility_date);
    expect(local.compatibilityFlags).toEqual(config.compatibility_flags);
  }
});

test("a queue's consumer keeps its batches, its retries and its dead-letter queue", () => {
  const [trigger] = workerConfig(parsed(PRODUCT.configPath)).triggers;
  const [consumer] = parsed(PRODUCT.configPath).queues.consumers ?? [];
  expect(trigger).toMatchObject({
    type: "queue",
    maxBatchSize: consumer?.max_batch_size,
    maxBatchTimeout: consumer?.max_batch_timeout,
    maxRetries: consumer?.max_retries,
    deadLetterQueue: consumer?.dead_letter_queue,
  });
});

test("a binding the local server does not know is refused, not left out", () => {
  const config = { ...parsed(SANDBOX.configPath), kv_namespaces: [{ binding: "CACHE", id: "x" }] };
  expect(() => workerConfig(config as WranglerConfig)).toThrow(/kv_namespaces/);
});
