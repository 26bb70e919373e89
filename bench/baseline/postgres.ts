import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { accessSync, chownSync, constants, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import pg from "pg";
import { poll } from "../../tests/support/client.ts";

const PROGRAMS = ["initdb", "postgres"] as const;
/** Where distributions put them, beside the PATH; the newest version first. */
const USUAL = [
  "/usr/lib/postgresql/*/bin",
  "/usr/pgsql-*/bin",
  "/usr/local/pgsql/bin",
  "/opt/homebrew/opt/postgresql*/bin",
];
const READY_MS = 30_000;

const runs = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const folders = (path: string): string[] => [
  ...path.split(delimiter).filter(Boolean),
  ...USUAL.flatMap((pattern) => globSync(pattern).sort().reverse()),
];

/** The folder with the server's programs; null where there is none. */
export const postgresFolder = (path = process.env.PATH ?? ""): string | null =>
  folders(path).find((folder) => PROGRAMS.every((program) => runs(join(folder, program)))) ?? null;

/** `pgbench`, which some distributions ship apart; null where there is none. */
export const pgbenchProgram = (path = process.env.PATH ?? ""): string | null =>
  folders(path)
    .map((folder) => join(folder, "pgbench"))
    .find(runs) ?? null;

/** PostgreSQL will not run as root: then it runs as nobody. */
const owner = (): { uid: number; gid: number } | Record<string, never> => {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
};

/**
 * Durable as it ships: every commit waits for its fsync. Said here so that nothing on the machine says otherwise. The rest is what
 * anybody would set for writes: room for the working set, and checkpoints that are not in the way.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  listen_addresses: "",
  max_connections: "100",
  shared_buffers: "256MB",
  wal_buffers: "16MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  // What goes wrong is told to whoever asked.
  log_min_messages: "fatal",
  log_min_error_statement: "fatal",
};

/** A private cluster in a temporary folder, reached by a socket in it. */
export class Postgres implements AsyncDisposable {
  /** The folder of its socket. */
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #kill = () => this.#child.kill("SIGQUIT");

  private constructor(host: string, child: ChildProcess) {
    this.host = host;
    this.#child = child;
    process.once("exit", this.#kill);
  }

  static async start(programs: string): Promise<Postgres> {
    const home = mkdtempSync(join(tmpdir(), "baseline-"));
    const as = owner();
    if ("uid" in as) chownSync(home, as.uid, as.gid);
    const data = join(home, "data");
    execFileSync(
      join(programs, "initdb"),
      ["-D", data, "-U", "baseline", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"],
      { ...as, cwd: home, stdio: ["ignore", "ignore", "inherit"] },
    );
    const set = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(programs, "postgres"), ["-D", data, "-k", home, ...set], {
      ...as,
      cwd: home,
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

  /** Stops at once; what is durable stays so, and the folder goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener("exit", this.#kill);
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#child.kill("SIGINT")) await ended;
    rmSync(this.host, { recursive: true, force: true });
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
