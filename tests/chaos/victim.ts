import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readIfPresent } from "../../tools/files.ts";
import { type Answer, type Api, api } from "../support/client.ts";
import { type Server, startServer, token } from "../support/server.ts";
import type { Blow } from "./schedule.ts";

/** Until a request has an answer, however often the server is killed under it: on a busy machine it lives a third of the time. */
const ANSWER_MS = 300_000;
/** A living server that is not stopped answers sooner: half a minute of patience asked for, and a busy machine. */
const REQUEST_MS = 60_000;
const RETRY_MS = 25;
const WATCH_EVERY_MS = 2_000;

export type Struck = { killed: number; restarted: number; paused: number; clockSteps: number };
/** What the server's processes took at most: resident memory, bytes, and open files. Zero where there is no /proc. */
export type Peak = { memory: number; files: number };

/** The environment of the server while things go wrong, and once they are mended. */
export type Environments = { harmed: Record<string, string>; healed: Record<string, string> };

/** A server that is killed, stopped and misled, and started again on one state. */
export class Victim implements AsyncDisposable {
  readonly struck: Struck = { killed: 0, restarted: 0, paused: 0, clockSteps: 0 };
  readonly peak: Peak = { memory: 0, files: 0 };
  readonly #start: (env: Record<string, string>) => Promise<Server>;
  readonly #env: Environments;
  readonly #operator: Promise<Api>;
  #server: Server;
  #up: Promise<void> = Promise.resolve();
  /** How often the server has gone away: what a request met is no fault of a living server if this has changed since. */
  #outages = 0;
  readonly #over = new AbortController();

  private constructor(start: (env: Record<string, string>) => Promise<Server>, env: Environments, server: Server) {
    this.#start = start;
    this.#env = env;
    this.#server = server;
    this.#operator = token(server.stateDir, "operator", { scope: "admin" }).then((held) => api(server.url, held));
    void this.#watch();
  }

  static async open(env: Environments, root?: string): Promise<Victim> {
    const stateDir = mkdtempSync(join(tmpdir(), "crowdpay-chaos-"));
    const start = (which: Record<string, string>) =>
      startServer({ stateDir, env: which, ...(root === undefined ? {} : { root }) });
    return new Victim(start, env, await start(env.harmed));
  }

  get server(): Server {
    return this.#server;
  }

  async strike(blow: Blow): Promise<void> {
    switch (blow.kind) {
      case "kill":
        await this.restart(this.#env.harmed);
        this.struck.killed++;
        break;
      case "pause":
        this.#outages++;
        this.#server.pause();
        await delay(blow.ms);
        this.#server.resume();
        this.#outages++;
        this.struck.paused++;
        break;
      case "clock":
        // The answer comes when every timer that fell due has run, which under load may be never: the step is what counts.
        this.#stepClock(blow.advance).catch(() => undefined);
        this.struck.clockSteps++;
    }
  }

  /** SIGKILL to the whole group, and a start on the same state; whoever has no answer asks again after it. */
  async restart(env: Record<string, string>): Promise<void> {
    const again = Promise.withResolvers<void>();
    again.promise.catch(() => undefined);
    this.#outages++;
    this.#up = again.promise;
    try {
      await this.#server.kill();
      this.#server = await this.#start(env);
      this.struck.restarted++;
      again.resolve();
    } catch (error) {
      again.reject(error);
      throw error;
    }
  }

  /** Nothing goes wrong from here on; whatever was put off by a stepped clock falls due. */
  async heal(): Promise<void> {
    await this.restart(this.#env.healed);
    await this.#stepClock("PT45S");
  }

  /** Whoever looks at growing gaps whether his messages have come looks now, and not in half an hour. */
  async lookAgain(): Promise<void> {
    await this.#stepClock("PT30M");
  }

  /** Asks until there is an answer to keep, across restarts. Rejects when a living server leaves a request unanswered. */
  async through<T>(what: string, ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
    const deadline = Date.now() + ANSWER_MS;
    let last = "nothing";
    while (Date.now() < deadline) {
      await this.#up;
      const before = this.#outages;
      const patience = new AbortController();
      const answer = await Promise.race([
        ask().catch((error: unknown) => {
          last = String(error);
          return null;
        }),
        delay(REQUEST_MS, "silence" as const, { signal: patience.signal }),
      ]);
      patience.abort();
      if (answer === "silence") {
        if (this.#outages === before) throw new Error(`${what}: the server said nothing for ${REQUEST_MS / 1_000} s`);
      } else if (answer !== null) {
        if (!mayAskAgain(answer)) return answer;
        last = `${answer.status} ${JSON.stringify(answer.body)}`;
      }
      await delay(RETRY_MS);
    }
    throw new Error(`${what}: no answer to keep within ${ANSWER_MS / 1_000} s, last ${last}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#server.kill();
    rmSync(this.#server.stateDir, { recursive: true, force: true });
  }

  async #stepClock(advance: string): Promise<unknown> {
    return (await this.#operator).post("/v1/test/clock", { advance });
  }

  async #watch(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const { memory, files } = usageBelow(this.#server.pid);
      this.peak.memory = Math.max(this.peak.memory, memory);
      this.peak.files = Math.max(this.peak.files, files);
      await delay(WATCH_EVERY_MS, undefined, { signal: this.#over.signal }).catch(() => undefined);
    }
  }
}

/** The server was busy or going down, or the first answer is still being made. */
const mayAskAgain = ({ status, body }: Answer<unknown>): boolean =>
  status === 503 || (status === 409 && (body as { code?: string }).code === "idempotency_in_progress");

/** Memory and open files of a process, as /proc has them. */
export const usage = (pid: number): Peak => {
  try {
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return { memory: Number(resident) * 1_024, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { memory: 0, files: 0 };
  }
};

/** The same of a process and everything below it. */
const usageBelow = (pid: number): Peak => {
  const below = (readIfPresent(`/proc/${pid}/task/${pid}/children`) ?? "").trim().split(" ").filter(Boolean);
  return below
    .map((child) => usageBelow(Number(child)))
    .reduce((sum, { memory, files }) => ({ memory: sum.memory + memory, files: sum.files + files }), usage(pid));
};
