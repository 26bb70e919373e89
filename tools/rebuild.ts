import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readIfPresent } from "./files.ts";
import { isHealthy } from "./health.ts";
import { mintToken } from "./issuer.ts";
import { freePort, HOST } from "./ports.ts";
import { PRODUCT_PORT_FILE, stateDirectory } from "./settings.ts";

/**
 * Rebuilds the read model from the logs: through the server that holds the state directory, or through one started for it on a
 * free port. Prints `rebuilt ROWS rows in TABLES tables, 0 differ`. Exit 1 when a row differed (named on stderr, by table and key),
 * when another rebuild is under way, or when it failed.
 */

type Rebuild = {
  id: string;
  phase: string;
  rows: number;
  tables: number;
  differ: number;
  differences: { table: string; key: string }[];
  error: string | null;
  updated_at: string;
};

/** A rebuild under way that does not move may have lost its server: it is worth asking until it is given up. */
const GIVEN_UP_AFTER_MS = 20_000;
/** A rebuild not heard of for this long has no driver any more: its queue gave it up. */
const LOST_MS = 60_000;
const READY_DEADLINE_MS = 60_000;

/** The address of the server that holds this state; null when none answers where the last one did. */
async function runningServer(stateDir: string): Promise<string | null> {
  const port = readIfPresent(join(stateDir, PRODUCT_PORT_FILE))?.trim();
  if (port === undefined) return null;
  const url = `http://${HOST}:${port}`;
  return (await isHealthy(url)) ? url : null;
}

type Lent = { url: string; stop(): Promise<void> };

/** A server of this process's own, which ends with it, whatever ends it. */
async function startOwn(): Promise<Lent> {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, "serve.ts")], {
    stdio: ["ignore", "pipe", "pipe"],
    // Named as a script of npm's, it follows its parent into death.
    env: { ...process.env, PORT: String(await freePort()), npm_lifecycle_event: "rebuild" },
  });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    errors = (errors + chunk).slice(-4_000);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const ready = new Promise<string>((resolve) => {
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const url = /^ready (\S+)\n/m.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  const timer = new AbortController();
  const url = await Promise.race([
    ready,
    exited.then(() => null),
    delay(READY_DEADLINE_MS, null, { signal: timer.signal }).catch(() => null),
  ]);
  timer.abort();
  if (url === null) {
    child.kill("SIGKILL");
    throw new Error(errors.trim().split("\n").at(-1) || "the server could not be started");
  }
  return {
    url,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

async function server(stateDir: string): Promise<Lent> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const url = await runningServer(stateDir);
    if (url !== null) return { url, stop: async () => undefined };
    try {
      return await startOwn();
    } catch (error) {
      // Another server holds the state and does not answer yet: it is on its way up, or down.
      if (!/ is in use by another server /.test((error as Error).message) || Date.now() > deadline) throw error;
    }
  }
}

type Ask = <T>(method: "GET" | "POST", path: string) => Promise<{ status: number; body: T & { detail?: string } }>;

const asker =
  (url: string, token: string): Ask =>
  async (method, path) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(method === "POST" ? { body: "{}" } : {}),
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };

/** Begins a rebuild. Another one that is under way is waited for only as long as nothing is heard of it. */
async function start(ask: Ask): Promise<Rebuild> {
  const deadline = Date.now() + GIVEN_UP_AFTER_MS;
  for (let heard: string | null = null; ; ) {
    const { status, body } = await ask<Rebuild>("POST", "/v1/read-model/rebuild");
    if (status === 202) return body;
    const rival = status === 409 ? /rbd_\w+/.exec(body.detail ?? "")?.[0] : undefined;
    const standing = rival === undefined ? null : await ask<Rebuild>("GET", `/v1/read-model/rebuild/${rival}`);
    const lastHeard = standing?.body.updated_at ?? null;
    const moves = lastHeard === null || (heard !== null && lastHeard !== heard);
    if (moves || Date.now() > deadline) throw new Error(body.detail ?? `the server answered ${status}`);
    heard = lastHeard;
    await delay(500);
  }
}

async function follow(ask: Ask, { id }: Rebuild): Promise<Rebuild> {
  for (;;) {
    const { status, body } = await ask<Rebuild>("GET", `/v1/read-model/rebuild/${id}`);
    if (status !== 200) throw new Error(body.detail ?? `the server answered ${status}`);
    if (body.phase === "done") return body;
    if (body.phase === "failed" || body.phase === "superseded") {
      throw new Error(`the rebuild ${id} has ${body.phase === "failed" ? `failed: ${body.error}` : "been superseded"}`);
    }
    if (Math.abs(Date.now() - Date.parse(body.updated_at)) > LOST_MS) {
      throw new Error(`the rebuild ${id} has been silent for ${LOST_MS / 1000} s, in the phase ${body.phase}`);
    }
    await delay(100);
  }
}

async function main(): Promise<number> {
  const stateDir = stateDirectory();
  const lent = await server(stateDir);
  try {
    const ask = asker(lent.url, await mintToken(stateDir, { subject: "operator", scope: "admin" }));
    const { rows, tables, differ, differences } = await follow(ask, await start(ask));
    process.stdout.write(`rebuilt ${rows} rows in ${tables} tables, ${differ} differ\n`);
    for (const { table, key } of differences) process.stderr.write(`differs: ${table} ${key}\n`);
    if (differ > differences.length) process.stderr.write(`and ${differ - differences.length} more\n`);
    return differ === 0 ? 0 : 1;
  } finally {
    await lent.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`rebuild: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
