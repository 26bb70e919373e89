import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { bundle, configFolder, PRODUCT, SANDBOX } from "./bundle.ts";
import { everyMinute } from "./cron.ts";
import { type MigratedDatabase, migrateOnce } from "./d1-migrations.ts";
import { replaceFile } from "./files.ts";
import { isHealthy } from "./health.ts";
import { address, databasesFolder, type LocalWorkers, type Ports, runtimeOptions } from "./local-workers.ts";
import { CorePaths, Miniflare } from "./miniflare.ts";
import { endWithParent } from "./parent.ts";
import { awaitPort, sandboxPort } from "./ports.ts";
import { PRODUCT_PORT_FILE, portSetting, ROOT, rateSetting, stateDirectory } from "./settings.ts";
import { lockState } from "./state-lock.ts";
import { RuntimeProcess } from "./workerd.ts";

const DEFAULT_PORT = 8787;
const START_ATTEMPTS = 3;
const HEALTH_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 4_000;

async function commit(): Promise<string> {
  try {
    return (await promisify(execFile)("git", ["rev-parse", "HEAD"], { cwd: ROOT })).stdout.trim();
  } catch {
    return "unknown";
  }
}

async function localWorkers(): Promise<LocalWorkers> {
  const [product, sandbox, revision] = await Promise.all([bundle(PRODUCT), bundle(SANDBOX), commit()]);
  return { product, sandbox, build: { version: packageJson.version, commit: revision, built_at: product.builtAt } };
}

/** Starts the runtime; a port that was taken between the check and the bind is waited for once more. */
async function startRuntime(stateDir: string, workers: LocalWorkers, runtime: RuntimeProcess) {
  const wanted = { product: portSetting(process.env, "PORT"), sandbox: portSetting(process.env, "SANDBOX_PORT") };
  for (let attempt = 1; ; attempt++) {
    const product = await awaitPort(wanted.product ?? DEFAULT_PORT);
    const ports: Ports = { product, sandbox: await sandboxPort(stateDir, wanted.sandbox, product) };
    const miniflare = new Miniflare(runtimeOptions(stateDir, ports, workers, runtime));
    try {
      await miniflare.ready;
      return { miniflare, ports };
    } catch (error) {
      await miniflare.dispose().catch(() => undefined);
      if ((error as { code?: string }).code !== "ERR_ADDRESS_IN_USE" || attempt === START_ATTEMPTS) throw error;
    }
  }
}

async function migrate(miniflare: Miniflare, stateDir: string, { product: { config } }: LocalWorkers): Promise<void> {
  for (const [binding, folder] of Object.entries(config.d1Migrations)) {
    const noted = join(databasesFolder(stateDir), `${binding}.migrated`);
    await migrateOnce(noted, join(configFolder(PRODUCT), folder), async () => {
      const database = await miniflare.getD1Database(binding, config.name);
      return database as unknown as MigratedDatabase;
    });
  }
}

/**
 * The runtime has no cron of its own: what falls due is triggered by hand, and once at the start, so that what a stopped server
 * left under way is taken up at once. Over HTTP: Miniflare's `getWorker().scheduled()` blocks this thread until the handler has
 * answered, and the runtime blocks on its log as soon as this thread does not read it; each then waits for the other for ever.
 */
function runCrons(miniflare: Miniflare, { product: { config } }: LocalWorkers): void {
  const run = async (cron: string, at: Date) => {
    const query = new URLSearchParams({ cron, time: String(at.getTime()) });
    try {
      const answer = await miniflare.dispatchFetch(`http://127.0.0.1${CorePaths.SCHEDULED}?${query}`);
      if (!answer.ok) throw new Error(await answer.text());
      await answer.body?.cancel();
    } catch (error) {
      process.stderr.write(`cron ${cron}: ${(error as Error).message}\n`);
    }
  };
  for (const cron of config.crons) void run(cron, new Date());
  everyMinute(config.crons, run);
}

async function awaitHealth(url: string): Promise<void> {
  const deadline = Date.now() + HEALTH_DEADLINE_MS;
  while (!(await isHealthy(url))) {
    if (Date.now() > deadline) throw new Error(`${url}/healthz is not 200 after ${HEALTH_DEADLINE_MS / 1000} s`);
    await delay(25);
  }
}

/** Ends the process with code 0 on SIGTERM and SIGINT. Miniflare's own handlers, which exit with 143 and 130, go. */
function stopOnSignal(miniflare: Miniflare): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.removeAllListeners(signal);
    process.once(signal, async () => {
      // What runs is cut off, as a crash would cut it: nothing acknowledged depends on a farewell.
      await Promise.race([miniflare.dispose(), delay(STOP_DEADLINE_MS)]).catch(() => undefined);
      process.exit(0);
    });
  }
}

/** Miniflare's scratch files would pile up in the system's folder, one set a SIGKILL. */
function useScratchFolder(stateDir: string): void {
  const scratch = join(stateDir, "tmp");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  process.env.TMPDIR = scratch;
}

async function main(): Promise<void> {
  rateSetting(process.env);
  const stateDir = stateDirectory();
  lockState(stateDir);
  const runtime = new RuntimeProcess(stateDir);
  runtime.killOrphan();
  // Left behind by a parent that was killed, the server would hold its port against the next start.
  endWithParent(() => {
    runtime.kill();
    process.exit(1);
  });
  useScratchFolder(stateDir);

  const workers = await localWorkers();
  const { miniflare, ports } = await startRuntime(stateDir, workers, runtime);
  stopOnSignal(miniflare);
  await migrate(miniflare, stateDir, workers);
  await awaitHealth(address(ports.sandbox));
  process.stdout.write(`sandbox ${address(ports.sandbox)}\n`);
  await awaitHealth(address(ports.product));
  runCrons(miniflare, workers);
  replaceFile(join(stateDir, PRODUCT_PORT_FILE), `${ports.product}\n`);
  // Now, not at the end: few servers come to an end of their own.
  flushCompileCache();
  process.stdout.write(`ready ${address(ports.product)}\n`);
}

// Until the runtime is up there is nothing to wind down.
process.once("SIGTERM", () => process.exit(0));
process.once("SIGINT", () => process.exit(0));
try {
  await main();
} catch (error) {
  process.stderr.write(`serve: ${(error as Error).message}\n`);
  process.exit(1);
}
