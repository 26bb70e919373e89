import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { inBatches } from "../../tests/support/checker.ts";
import { type Api, api } from "../../tests/support/client.ts";
import { accountPath } from "../../tests/support/ledger.ts";
import { token } from "../../tests/support/server.ts";
import { type Charge, must } from "../../tests/support/story.ts";
import { minor, total, type Verdict, verdict } from "../../tests/support/verdict.ts";
import { localKeySet } from "../../tools/issuer.ts";
import { ROOT } from "../../tools/settings.ts";
import { readBooks } from "../books.ts";
import { BOUND } from "../ending.ts";
import { Listener } from "../load/listener.ts";
import type { PaidPod, Target } from "../scenarios/scenario.ts";
import { balances, outside } from "../target.ts";
import { roomDialect } from "./dialect.ts";
import { Postgres } from "./postgres.ts";

const HERE = join(ROOT, "bench/baseline");
const READY_MS = 20_000;

/** Where the ledger's SQL lies: `schema.sql` with `ledger_post`, and `pgbench.sql`. `BASELINE_SQL` puts another ledger in its place. */
export const sqlFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  env.BASELINE_SQL ? resolve(env.BASELINE_SQL) : join(HERE, "sql");

/** A cluster with the baseline's tables in it. */
export const database = async (programs: string): Promise<Postgres> => {
  const cluster = await Postgres.start(programs);
  const pool = cluster.pool(1);
  try {
    for (const file of [join(sqlFolder(), "schema.sql"), join(HERE, "payments.sql")]) {
      await pool.query(readFileSync(file, "utf8"));
    }
  } finally {
    await pool.end();
  }
  return cluster;
};

const startServer = async (env: Record<string, string>) => {
  const child = spawn(process.execPath, [join(HERE, "serve.ts")], {
    env: { ...process.env, ...env, ...BOUND },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const url = await new Promise<string>((found, failed) => {
    let output = "";
    const late = setTimeout(() => failed(new Error("the baseline was not ready in time")), READY_MS);
    child.once("exit", (code) => failed(new Error(`the baseline ended (code ${code}) before it was ready`)));
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const ready = /^ready (\S+)\n/m.exec(output)?.[1];
      if (ready === undefined) return;
      clearTimeout(late);
      found(ready);
    });
  });
  return {
    url,
    stop: async () => {
      process.removeListener("exit", kill);
      const ended = new Promise((gone) => child.once("exit", gone));
      if (child.exitCode === null && child.kill("SIGTERM")) await ended;
    },
  };
};

type Book = { charge: string; status: string };

/** Each charge has ended and was captured once, and nothing else was; the pod holds what settled. */
const checkPod = async (target: Target, books: Api, { id, owner, charges }: PaidPod): Promise<string[]> => {
  const reader = api(target.url, await target.token(owner));
  const seen = await inBatches(charges, async (charge) => must(await reader.get<Charge>(`/v1/charges/${charge}`), 200));
  const open = seen.filter(({ status }) => status !== "succeeded").map((charge) => `${charge.id} is ${charge.status}`);
  const { data } = must(await books.get<{ data: Book[] }>(`/books?pod=${id}`), 200);
  const captured = data.filter(({ status }) => status === "captured").map(({ charge }) => charge);
  const taken = new Set(captured);
  const faults = [
    ...open,
    ...charges.filter((charge) => !taken.has(charge)).map((charge) => `${charge} was not captured`),
  ];
  if (captured.length !== taken.size) faults.push("a charge was captured twice");
  if (charges.length === 0) return faults;
  const operator = api(target.url, target.operator);
  const account = must(await operator.get<{ credits_posted: string }>(accountPath(`pod:${id}:EUR`)), 200);
  const settled = total(
    seen.map((charge) => charge.settled),
    "EUR",
  );
  return minor(account.credits_posted) === settled ? faults : [...faults, `${id} holds ${account.credits_posted}`];
};

/** The conventional server on a database of its own, with the provider that our own server is started with. */
export const baseline = async (programs: string) => {
  const { server, secrets, close: closeProvider } = await outside();
  const bearer = (user: string) => token(server.stateDir, user);
  const cluster = await database(programs);
  const { url, stop } = await startServer({
    DATABASE_HOST: cluster.host,
    PROVIDER_URL: server.sandboxUrl,
    PROVIDER_KEY: secrets.PSP_API_KEY_SANDBOX ?? "",
    KEY_SET: localKeySet(server.stateDir),
  });
  const operator = await token(server.stateDir, "operator", { scope: "admin" });
  const target: Target = {
    url,
    sandboxUrl: server.sandboxUrl,
    operator,
    token: bearer,
    openPod: async (owner, members) => {
      const caller = api(url, await bearer(owner));
      return must(await caller.post<{ id: string }>("/v1/pods", { name: "Our pool", members }), 201).id;
    },
    openFeed: async (owner, pod) => Listener.open(roomDialect(url, await bearer(owner), pod)),
    checkCharges: async (pods): Promise<Verdict[]> => {
      const { books, strangers } = await readBooks(target.sandboxUrl, pods);
      const faults = (await inBatches(pods, (pod) => checkPod(target, books, pod))).flat();
      faults.push(...strangers);
      const count = pods.reduce((sum, { charges }) => sum + charges.length, 0);
      return [
        verdict(
          "charges",
          faults,
          `${count} charges in ${pods.length} pods: ended, captured once, settled to the cent`,
        ),
        await balances(url, operator),
      ];
    },
  };
  const close = async () => {
    await stop();
    await cluster[Symbol.asyncDispose]();
    await closeProvider();
  };
  return { target, cluster, close };
};
