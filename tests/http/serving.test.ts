import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { api } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";

const stateDir = mkdtempSync(join(tmpdir(), "crowdpay-serving-"));
let server: Server | undefined;
afterAll(async () => {
  await server?.kill();
  rmSync(stateDir, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<Server> {
  server = await startServer({ stateDir, env });
  return server;
}

async function status(url: string): Promise<number> {
  return (await api(url).get("/healthz")).status;
}

test("a killed server comes back on both its ports", async () => {
  const first = await start();
  expect([await status(first.url), await status(first.sandboxUrl)]).toEqual([200, 200]);
  await first.kill();
  const second = await start();
  expect([second.url, second.sandboxUrl]).toEqual([first.url, first.sandboxUrl]);
  expect([await status(second.url), await status(second.sandboxUrl)]).toEqual([200, 200]);
});

test("a second server on the same state is refused in one line, and the first goes on", async () => {
  const first = server ?? (await start());
  const second = startServer({ stateDir, port: first.port + 1 });
  await expect(second).rejects.toThrow(new RegExp(`serve: the state directory .* is in use .*pid ${first.pid}`));
  expect(await status(first.url)).toBe(200);
});

test("a runtime whose server was killed alone does not survive the next start", async () => {
  const first = server ?? (await start());
  process.kill(first.pid, "SIGKILL");
  await first.exited;
  const second = await start();
  expect(second.url).toBe(first.url);
  expect(await status(second.url)).toBe(200);
});

test("a server that is told to stop exits with 0 within five seconds", async () => {
  const running = server ?? (await start());
  const before = Date.now();
  expect(await running.stop()).toBe(0);
  expect(Date.now() - before).toBeLessThan(5_000);
});

test("keys and secrets are for their owner's eyes", () => {
  for (const file of ["issuer.json", "secrets.json"]) {
    expect([file, statSync(join(stateDir, file)).mode & 0o777]).toEqual([file, 0o600]);
  }
});
