import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, rmSync } from "node:fs";
import { join } from "node:path";
import { endWithParent } from "../../tools/parent.ts";

/**
 * `node cluster.ts PROGRAMS HOME`: a database in that folder, for as long as this process is not told to end and its parent lives
 * (`PARENT_PID`). PostgreSQL itself would outlive a parent that was killed, and its folder any end.
 */

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

const [programs = "", home = ""] = process.argv.slice(2);
process.once("exit", () => rmSync(home, { recursive: true, force: true }));

const initialise = (data: string): void => {
  const as = owner();
  if ("uid" in as) chownSync(home, as.uid, as.gid);
  execFileSync(
    join(programs, "initdb"),
    ["-D", data, "-U", "baseline", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"],
    { ...as, cwd: home, stdio: ["ignore", "ignore", "inherit"] },
  );
};

const startPostgres = (data: string): ChildProcess => {
  const set = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return spawn(join(programs, "postgres"), ["-D", data, "-k", home, ...set], {
    ...owner(),
    cwd: home,
    stdio: ["ignore", "ignore", "inherit"],
  });
};

let postgres: ChildProcess | null = null;
/** At once: nothing of what it would still write is ever read. */
const end = (): void => {
  postgres?.kill("SIGQUIT");
};
// What comes while the folder is made ready is heard right after.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
endWithParent(end);

const data = join(home, "data");
initialise(data);
postgres = startPostgres(data);
postgres.once("exit", (code) => process.exit(code ?? 1));
