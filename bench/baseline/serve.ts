import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import pg from "pg";
import { endWithParent } from "../../tools/parent.ts";
import { HOST } from "../../tools/ports.ts";
import { createBaseline } from "./app.ts";
import { authenticator } from "./callers.ts";
import { resume } from "./charges.ts";
import { Rooms } from "./rooms.ts";

/**
 * The conventional server in a process of its own, so that the load is not made on its event loop. What it needs comes by the
 * environment: `DATABASE_HOST`, `PROVIDER_URL`, `PROVIDER_KEY`, `KEY_SET`. Prints its address once it listens.
 */
const CONNECTIONS = 32;
const RESUME_MS = 5_000;
const RELAY_MS = 100;
const RELAYED = 500;

const need = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is missing`);
  return value;
};

endWithParent(() => process.exit(1));
const pool = new pg.Pool({ host: need("DATABASE_HOST"), user: "baseline", database: "postgres", max: CONNECTIONS });
const provider = { url: need("PROVIDER_URL"), apiKey: need("PROVIDER_KEY") };

/** Takes the oldest of the outbox off it, as a relay does once the broker has them. */
const relay = async (): Promise<void> => {
  const { rowCount } = await pool.query(
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING topic, payload",
    [RELAYED],
  );
  if (rowCount === RELAYED) await relay();
};

const every = (ms: number, work: () => Promise<unknown>): void => {
  let busy = false;
  setInterval(() => {
    if (busy) return;
    busy = true;
    work()
      .catch((error: unknown) => process.stderr.write(`baseline: ${error}\n`))
      .finally(() => {
        busy = false;
      });
  }, ms);
};

await resume(pool, provider);
every(RESUME_MS, () => resume(pool, provider));
every(RELAY_MS, relay);
const authenticate = authenticator(need("KEY_SET"));
const rooms = new Rooms(pool, authenticate);
const app = createBaseline(pool, provider, authenticate, rooms);
const server = serve({ fetch: app.fetch, hostname: HOST, port: 0 }, ({ port }) =>
  process.stdout.write(`ready http://${HOST}:${port}\n`),
);
rooms.serveBeside(server as Server);
