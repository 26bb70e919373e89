import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, poll } from "../tests/support/client.ts";
import { token } from "../tests/support/server.ts";
import { LOCAL_AUDIENCE, LOCAL_ISSUER, localKeySet } from "../tools/issuer.ts";
import { freePort, HOST } from "../tools/ports.ts";
import { localSecrets, ROOT } from "../tools/settings.ts";
import { endWhenTold } from "./ending.ts";
import { closedLoop, type Load, type Operation } from "./load/loops.ts";
import { startMeasured } from "./started.ts";

/**
 * What `npm start` gains over `wrangler dev`: `GET /v1/pods/{id}` of one pod, through the Worker and its objects, at 32
 * connections, both serving the same sources bundled by the same wrangler, in turns in one run.
 */
const CONNECTIONS = 32;
const WARM_UP_S = 2;
const ROUND_S = 4;
const ROUNDS = 3;

/** The product's own `wrangler.toml` without its rate limit, with the variables the local server would pass. */
const devConfig = (stateDir: string, sandboxUrl: string): string => {
  const folder = join(ROOT, ".crowdpay-bench");
  mkdirSync(folder, { recursive: true });
  const values: Record<string, string> = {
    ...localSecrets(stateDir),
    PSP_URL_SANDBOX: sandboxUrl,
    LP_URL_SANDBOX: sandboxUrl,
    ISSUER: LOCAL_ISSUER,
    AUDIENCE: LOCAL_AUDIENCE,
    LOCAL_JWKS: localKeySet(stateDir),
  };
  const vars = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const config = readFileSync(join(ROOT, "wrangler.toml"), "utf8")
    .replace('main = "workers/index.ts"', 'main = "../workers/index.ts"')
    .replace(/\[\[ratelimits\]\]\n(?:[^[\n].*\n)+/, "")
    .replace(/\[vars\]\n(?:[^[\n].*\n)+/, `[vars]\n${vars.join("\n")}\n`);
  writeFileSync(join(folder, "wrangler.toml"), config, { mode: 0o600 });
  return join(folder, "wrangler.toml");
};

const startDev = async (stateDir: string, sandboxUrl: string) => {
  const port = await freePort();
  const child = spawn(
    join(ROOT, "node_modules/.bin/wrangler"),
    ["dev", "--config", devConfig(stateDir, sandboxUrl), "--ip", HOST, "--port", String(port), "--log-level", "error"],
    { cwd: ROOT, detached: true, stdio: "ignore", env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" } },
  );
  const url = `http://${HOST}:${port}`;
  const answers = () =>
    fetch(`${url}/healthz`).then(
      ({ status }) => status,
      () => 0,
    );
  await poll(answers, (status) => status === 200, 60_000);
  const stop = () => process.kill(-(child.pid ?? 0), "SIGKILL");
  process.once("exit", stop);
  return {
    url,
    stop: () => {
      process.removeListener("exit", stop);
      stop();
    },
  };
};

const readingPod = async (url: string, bearer: string): Promise<Operation> => {
  const made = await api(url, bearer).post<{ id: string }>("/v1/pods", {
    name: "Bench",
    type: "pool",
    currencies: ["EUR"],
  });
  if (made.status !== 201) throw new Error(`no pod on ${url}: ${made.status}`);
  const path = `/v1/pods/${made.body.id}`;
  return {
    request: () => ({ method: "GET", path, token: bearer }),
    fault: ({ status }) => (status === 200 ? null : String(status)),
    pending: () => false,
  };
};

const row = (name: string, { perSecond, latency: { p50, p99 }, failed }: Load): string =>
  `${name.padEnd(14)}${perSecond.toFixed(0).padStart(8)} /s   p50 ${p50.toFixed(1).padStart(6)} ms   p99 ${p99.toFixed(1).padStart(6)} ms   failed ${failed}`;

const median = (loads: readonly Load[]): Load => {
  const sorted = [...loads].sort((left, right) => left.perSecond - right.perSecond);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error("nothing was measured");
  return middle;
};

endWhenTold();
const { server, close } = await startMeasured();
const dev = await startDev(server.stateDir, server.sandboxUrl);
try {
  const bearer = await token(server.stateDir, "bench");
  const ours = await readingPod(server.url, bearer);
  const theirs = await readingPod(dev.url, bearer);
  await closedLoop(server.url, ours, CONNECTIONS, WARM_UP_S);
  await closedLoop(dev.url, theirs, CONNECTIONS, WARM_UP_S);
  const loads: { ours: Load[]; theirs: Load[] } = { ours: [], theirs: [] };
  for (let round = 0; round < ROUNDS; round++) {
    loads.ours.push(await closedLoop(server.url, ours, CONNECTIONS, ROUND_S));
    loads.theirs.push(await closedLoop(dev.url, theirs, CONNECTIONS, ROUND_S));
  }
  const [start, baseline] = [median(loads.ours), median(loads.theirs)];
  const ratio = start.perSecond / baseline.perSecond;
  process.stdout.write(
    `GET /v1/pods/{id}, one pod, ${CONNECTIONS} connections, median of ${ROUNDS} rounds of ${ROUND_S} s\n`,
  );
  process.stdout.write(`${row("npm start", start)}\n${row("wrangler dev", baseline)}\nratio ${ratio.toFixed(1)}\n`);
} finally {
  dev.stop();
  await close();
  rmSync(join(ROOT, ".crowdpay-bench"), { recursive: true, force: true });
}
process.exit(0);
