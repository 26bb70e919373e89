import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";

const PROGRAMS = ["initdb", "postgres"] as const;
/** Where distributions put them, beside the PATH; the newest version first. */
const USUAL = [
  "/usr/lib/postgresql/*/bin",
  "/usr/pgsql-*/bin",
  "/usr/local/pgsql/bin",
  "/opt/homebrew/opt/postgresql*/bin",
];

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
