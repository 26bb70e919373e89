import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { poll } from "../../tests/support/client.ts";
import { BOUND } from "../ending.ts";

const READY_MS = 30_000;

/** A private cluster in a temporary folder, reached by a socket in it. It ends with this process, however that ends. */
export class Postgres implements AsyncDisposable {
  /** The folder of its socket. */
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #end = () => this.#child.kill("SIGTERM");

  private constructor(host: string, child: ChildProcess) {
    this.host = host;
    this.#child = child;
    process.once("exit", this.#end);
  }

  static async start(programs: string): Promise<Postgres> {
    const home = mkdtempSync(join(tmpdir(), "baseline-"));
    const child = spawn(process.execPath, [join(import.meta.dirname, "cluster.ts"), programs, home], {
      env: { ...process.env, ...BOUND },
      stdio: ["ignore", "ignore", "pipe"],
    });
    // Connections that come too early or stay too long are its business; all of it is shown when it does not come up.
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      said = (said + chunk).slice(-4_000);
    });
    const cluster = new Postgres(home, child);
    await poll(
      () => cluster.#answers(),
      (answers) => answers,
      READY_MS,
    ).catch(async (error) => {
      await cluster[Symbol.asyncDispose]();
      throw new Error(`PostgreSQL did not come up; it said:\n${said}`, { cause: error });
    });
    return cluster;
  }

  pool(connections: number): pg.Pool {
    const pool = new pg.Pool({ host: this.host, user: "baseline", database: "postgres", max: connections });
    // A server that stops tells whoever has not quite hung up; a query that fails still tells its caller.
    const unheard = () => undefined;
    pool.on("error", unheard);
    pool.on("connect", (client) => client.on("error", unheard));
    return pool;
  }

  /** Stops at once, and its folder goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener("exit", this.#end);
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#end()) await ended;
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ host: this.host, user: "baseline", database: "postgres" });
    // A connection that ends early says so twice.
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("SELECT 1");
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
