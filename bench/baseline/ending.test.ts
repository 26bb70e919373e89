import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { poll } from "../../tests/support/client.ts";
import { postgresFolder } from "./programs.ts";

const programs = postgresFolder();

/** A process that has a cluster, and says where; it never ends by itself. */
const startOwner = async () => {
  const module = JSON.stringify(join(import.meta.dirname, "postgres.ts"));
  const script = `
    const { Postgres } = await import(${module});
    process.once("SIGTERM", () => process.exit(2));
    const { host } = await Postgres.start(${JSON.stringify(programs)});
    process.stdout.write(host);
    setInterval(() => undefined, 1_000);`;
  const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [host] = (await once(owner.stdout, "data")) as [Buffer];
  const folder = String(host);
  return {
    owner,
    folder,
    postmaster: Number(readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n")[0]),
  };
};

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test.skipIf(programs === null).each(["SIGTERM", "SIGKILL"] as const)(
  "a database goes, with its folder, when its owner is ended by %s",
  async (signal) => {
    const { owner, folder, postmaster } = await startOwner();
    expect(lives(postmaster)).toBe(true);
    owner.kill(signal);
    await poll(
      async () => [lives(postmaster), existsSync(folder)],
      (there) => !there.includes(true),
    );
  },
);
