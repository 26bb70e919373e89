import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { mintToken } from "../../tools/issuer.ts";
import { freePort, HOST } from "../../tools/ports.ts";
import { ROOT } from "../../tools/settings.ts";

/** A first start bundles both Workers, on machines that may be busy with other tests. */
const READY_DEADLINE_MS = 60_000;
const GONE_DEADLINE_MS = 10_000;
const LOG_LIMIT = 1_000_000;

export interface ServerOptions {
  /** Where the server keeps its state; a new temporary directory, removed on disposal, when absent. */
  readonly stateDir?: string;
  /** The port; when absent the one this state directory was served on before in this process, else a free one. */
  readonly port?: number;
  /** Added to the environment, e.g. `CROWDPAY_FAULTS`, `CROWDPAY_CLOCK`. */
  readonly env?: Readonly<Record<string, string>>;
  /** The checkout whose server is started; this one when absent. */
  readonly root?: string;
}

/** A server as `npm start` runs one, in a process group of its own. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly sandboxUrl: string;
  readonly stateDir: string;
  readonly port: number;
  readonly pid: number;
  /** The exit code, null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** What it printed to stderr so far (the last million characters). */
  readonly logs: string;
  /** SIGKILL to the whole process group; resolves when its ports are free again. */
  kill(): Promise<void>;
  /** SIGSTOP to the whole process group: it neither answers nor ends until `resume`. */
  pause(): void;
  /** SIGCONT to the whole process group. */
  resume(): void;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

const lastPorts = new Map<string, number>();

/** The Node of the checkout: scripts run by type stripping, which the machine's own may not know. */
function nodeBinary(): string {
  const own = join(ROOT, "node_modules/.bin/node");
  return existsSync(own) ? own : process.execPath;
}

function environment(options: ServerOptions, stateDir: string, port: number): Record<string, string | undefined> {
  const own = /^(CROWDPAY_.*|PORT|SANDBOX_PORT|npm_lifecycle_event|VITEST.*|NODE_OPTIONS)$/;
  const inherited = Object.entries(process.env).filter(([name]) => !own.test(name));
  return { ...Object.fromEntries(inherited), ...options.env, CROWDPAY_STATE: stateDir, PORT: String(port) };
}

function answersOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    socket.once("connect", () => resolve(socket.destroy() !== undefined));
    socket.once("error", () => resolve(false));
  });
}

async function untilGone(ports: readonly number[]): Promise<void> {
  const deadline = Date.now() + GONE_DEADLINE_MS;
  for (const port of ports) {
    while (await answersOn(port)) {
      if (Date.now() > deadline) throw new Error(`port ${port} still answers after the server was ended`);
      await delay(10);
    }
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Starts a server and waits until it says `ready`. Rejects, with the tail of its stderr, when it ends before or takes
 * over a minute. Restart after `kill` or `stop` by starting again with the same `stateDir`.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), "crowdpay-"));
  const port = options.port ?? lastPorts.get(stateDir) ?? (await freePort());

  const root = options.root ?? ROOT;
  const child = spawn(nodeBinary(), [join(root, "tools/serve.ts")], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(options, stateDir, port),
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code));
  });
  exited.catch(() => undefined);
  let logs = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    logs += chunk;
    // Cut now and then, not at every line: under load that would be most of what this process does.
    if (logs.length > 2 * LOG_LIMIT) logs = logs.slice(-LOG_LIMIT);
  });

  const killChild = () => signalGroup(child, "SIGKILL");
  process.once("exit", killChild);
  void exited.then(
    () => process.removeListener("exit", killChild),
    () => undefined,
  );

  const announced = await announcement(child, exited, () => logs).catch(async (error) => {
    killChild();
    throw error;
  });
  lastPorts.set(stateDir, port);
  const ports = [announced.url, announced.sandboxUrl].map((url) => Number(new URL(url).port));
  const kill = async () => {
    killChild();
    await exited;
    await untilGone(ports);
  };
  return {
    ...announced,
    stateDir,
    port,
    pid: child.pid ?? 0,
    exited,
    get logs() {
      return logs.slice(-LOG_LIMIT);
    },
    kill,
    pause: () => signalGroup(child, "SIGSTOP"),
    resume: () => signalGroup(child, "SIGCONT"),
    stop: async () => {
      child.kill("SIGTERM");
      const code = await exited;
      await untilGone(ports);
      return code;
    },
    [Symbol.asyncDispose]: async () => {
      await kill();
      if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

async function announcement(
  child: ChildProcess,
  exited: Promise<number | null>,
  logs: () => string,
): Promise<{ url: string; sandboxUrl: string }> {
  const ready = new Promise<{ url: string; sandboxUrl: string }>((resolve) => {
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const url = /^ready (\S+)\n/m.exec(output)?.[1];
      const sandboxUrl = /^sandbox (\S+)\n/m.exec(output)?.[1];
      if (url !== undefined && sandboxUrl !== undefined) resolve({ url, sandboxUrl });
    });
  });
  const timer = new AbortController();
  const failed = (reason: string) => new Error(`the server ${reason}; its stderr ends:\n${logs().slice(-4_000)}`);
  try {
    return await Promise.race([
      ready,
      exited.then((code) => {
        throw failed(`ended (code ${code}) before it was ready`);
      }),
      delay(READY_DEADLINE_MS, undefined, { signal: timer.signal }).then(() => {
        throw failed(`was not ready within ${READY_DEADLINE_MS / 1000} s`);
      }),
    ]);
  } finally {
    timer.abort();
  }
}

/** A token of the server's local issuer: a person, or the operator with `scope: "admin"`. Works before the first start. */
export function token(
  stateDir: string,
  subject: string,
  options: { readonly scope?: string; readonly ttlSeconds?: number } = {},
): Promise<string> {
  return mintToken(stateDir, { subject, ...options });
}
