import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { liveFaultFiles } from "../../tools/faults.ts";
import { readIfPresent, replaceFile } from "../../tools/files.ts";
import type { Witness } from "../support/checker.ts";
import { api } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type OpenPod, openPod, operator } from "../support/story.ts";

/** One liquidity provider, and as long as a busy machine takes: a kill is what these tests are about, not a missed deadline. */
const PROMPT = { CROWDPAY_FX: JSON.stringify({ providers: ["lp-good"], deadline_ms: 5_000 }) };

/** A pod on a server that is killed and started again on one state. Everything the stage hands out outlives a restart. */
export class Stage implements AsyncDisposable {
  readonly stateDir: string;
  readonly pod: OpenPod;
  readonly witness: Witness;
  readonly #start: () => Promise<Server>;
  #server: Server;
  #armed: readonly string[] = [];
  #seen = 0;

  private constructor(start: () => Promise<Server>, server: Server, pod: OpenPod, witness: Witness) {
    this.#start = start;
    this.#server = server;
    this.stateDir = server.stateDir;
    this.pod = pod;
    this.witness = witness;
  }

  /** A fresh server, with a pod of the owner and these members. Fault points are live where the story asks for them. */
  static async open(members: readonly string[], options: { faults: boolean; currencies?: string[] }): Promise<Stage> {
    const stateDir = mkdtempSync(join(tmpdir(), "crowdpay-crash-"));
    const start = () =>
      startServer({ stateDir, env: { ...PROMPT, ...(options.faults && { CROWDPAY_FAULTS: "live" }) } });
    const server = await start();
    const pod = await openPod(server, { members, ...(options.currencies && { currencies: options.currencies }) });
    const witness = { reader: pod.owner, operator: await operator(server), sandbox: api(server.sandboxUrl) };
    return new Stage(start, server, pod, witness);
  }

  get server(): Server {
    return this.#server;
  }

  /** Arms these fault points and no others, from now on and across restarts; hits are counted from here or from the start. */
  arm(...points: string[]): void {
    this.#armed = points;
    replaceFile(liveFaultFiles(this.stateDir).armed, points.join(","));
  }

  /** The fault points passed since this was last asked. */
  passed(): string[] {
    const all = this.#points();
    const fresh = all.slice(this.#seen);
    this.#seen = all.length;
    return fresh;
  }

  /** The fault points passed since `passed` was last asked; these will be told again. */
  peek(): string[] {
    return this.#points().slice(this.#seen);
  }

  /** How often a fault point has been passed in all of the stage's life. */
  hits(point: string): number {
    return this.#points().filter((each) => each === point).length;
  }

  /** Makes sure that the server is dead, and starts it again on the same state and ports: dead again, should an armed point strike at once. */
  async restart(): Promise<void> {
    await this.#server.kill();
    try {
      this.#server = await this.#start();
    } catch (error) {
      const last = this.peek().at(-1);
      if (last === undefined || !this.#armed.some((point) => pointName(point) === last)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.kill();
    rmSync(this.stateDir, { recursive: true, force: true });
  }

  #points(): string[] {
    const text = readIfPresent(liveFaultFiles(this.stateDir).passed) ?? "";
    return text.split("\n").slice(0, -1);
  }
}

/** A fault point without the number of its hit. */
export const pointName = (point: string): string => point.replace(/#\d+$/, "");
