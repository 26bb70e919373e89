import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RunOptions } from "../options.ts";
import type { Postgres } from "./postgres.ts";
import { pgbenchProgram } from "./programs.ts";
import { sqlFolder } from "./target.ts";

const THREADS = 2;
/** As many as the cluster takes connections, the baseline's own aside. */
const MOST_CLIENTS = 64;

/** Transactions a second in what pgbench prints, connections aside; null when it prints none. */
export const tpsIn = (output: string): number | null => {
  const found = /^tps = ([\d.]+) /m.exec(output)?.[1];
  return found === undefined ? null : Number(found);
};

/** At each of the levels the HTTP load has, the best; null where pgbench is not installed. */
export const bestPgbench = async (cluster: Postgres, { inFlight, seconds }: RunOptions): Promise<number | null> => {
  const program = pgbenchProgram();
  if (program === null) return null;
  const rates: number[] = [];
  for (const clients of inFlight.filter((level) => level <= MOST_CLIENTS)) {
    rates.push(await runPgbench(program, cluster, clients, seconds));
  }
  return rates.length === 0 ? null : Math.max(...rates);
};

/**
 * The same statement without HTTP and Node: what the database can do by itself, so that nobody can say the baseline was held back by
 * how it is called. Its accounts must be funded already.
 */
const runPgbench = async (program: string, { host }: Postgres, clients: number, seconds: number): Promise<number> => {
  const script = join(sqlFolder(), "pgbench.sql");
  const { stdout } = await promisify(execFile)(program, [
    ...["-h", host, "-U", "baseline", "-n", "-M", "prepared", "-f", script],
    ...["-c", String(clients), "-j", String(Math.min(THREADS, clients)), "-T", String(seconds), "postgres"],
  ]);
  const tps = tpsIn(stdout);
  if (tps === null) throw new Error(`pgbench said no rate: ${stdout}`);
  return tps;
};
