import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readIfPresent, replaceFile } from "./files.ts";

export const HOST = "127.0.0.1";
const BIND_PATIENCE_MS = 5_000;
const SAME_PORT_PATIENCE_MS = 1_000;

/**
 * Where free ports are drawn: below what Linux (from 32,768) and macOS (from 49,152) give to outgoing connections and to
 * listeners that ask for any port. A port from there may be some connection's while a killed server is started again on it.
 */
const DRAWN_FROM = { first: 20_000, after: 32_768 } as const;
const DRAWS = 100;

function canBind(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(false) : reject(error),
    );
    probe.listen({ host: HOST, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** A port nobody listens on at this moment, and that nobody is given without asking for it by number. */
export async function freePort(): Promise<number> {
  for (let draw = 0; draw < DRAWS; draw++) {
    const port = randomInt(DRAWN_FROM.first, DRAWN_FROM.after);
    if (await canBind(port)) return port;
  }
  throw new Error(`none of ${DRAWS} ports tried is free on this machine`);
}

async function bindsWithin(port: number, patienceMs: number): Promise<boolean> {
  const deadline = Date.now() + patienceMs;
  while (!(await canBind(port))) {
    if (Date.now() > deadline) return false;
    await delay(20);
  }
  return true;
}

/**
 * Waits until the port can be bound: a server killed a moment ago may still hold it. Throws a one-line error after 5 s. 0 is any
 * free port.
 */
export async function awaitPort(port: number): Promise<number> {
  if (port === 0) return freePort();
  if (!(await bindsWithin(port, BIND_PATIENCE_MS))) throw new Error(`port ${port} is in use`);
  return port;
}

/** The sandbox's port: the one asked for, else the one this state directory used last if it is free, else any free one. */
export async function sandboxPort(stateDir: string, wanted: number | undefined, taken: number): Promise<number> {
  if (wanted !== undefined && wanted !== 0) return awaitPort(wanted);
  const path = join(stateDir, "sandbox-port");
  const last = Number(readIfPresent(path) ?? 0);
  if (last > 0 && last !== taken && (await bindsWithin(last, SAME_PORT_PATIENCE_MS))) return last;
  let port = await freePort();
  while (port === taken) port = await freePort();
  replaceFile(path, `${port}\n`);
  return port;
}
