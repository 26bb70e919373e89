import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readIfPresent, replaceFile } from "./files.ts";

export const HOST = "127.0.0.1";
const BIND_PATIENCE_MS = 5_000;
const SAME_PORT_PATIENCE_MS = 1_000;

function tryBind(port: number): Promise<number | undefined> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    probe.listen({ host: HOST, port, exclusive: true }, () => {
      const address = probe.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      probe.close(() => resolve(bound));
    });
  });
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const port = await tryBind(0);
  if (port === undefined) throw new Error("no free port on this machine");
  return port;
}

async function bindWithin(port: number, patienceMs: number): Promise<number | undefined> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const bound = await tryBind(port);
    if (bound !== undefined || Date.now() > deadline) return bound;
    await delay(20);
  }
}

/** Waits until the port can be bound: a server killed a moment ago may still hold it. Throws a one-line error after 5 s. */
export async function awaitPort(port: number): Promise<number> {
  const bound = await bindWithin(port, BIND_PATIENCE_MS);
  if (bound === undefined) throw new Error(`port ${port} is in use`);
  return bound;
}

/** The sandbox's port: the one asked for, else the one this state directory used last if it is free, else any free one. */
export async function sandboxPort(stateDir: string, wanted: number | undefined, taken: number): Promise<number> {
  if (wanted !== undefined && wanted !== 0) return awaitPort(wanted);
  const path = join(stateDir, "sandbox-port");
  const last = Number(readIfPresent(path) ?? 0);
  if (last > 0 && last !== taken && (await bindWithin(last, SAME_PORT_PATIENCE_MS)) !== undefined) return last;
  let port = await freePort();
  while (port === taken) port = await freePort();
  replaceFile(path, `${port}\n`);
  return port;
}
