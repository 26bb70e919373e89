import { type ChildProcess, execFileSync } from "node:child_process";
import { channel } from "node:diagnostics_channel";
import { basename, join } from "node:path";
import { readIfPresent, replaceFile } from "./files.ts";

/**
 * Follows the runtime process that Miniflare starts (and starts again if it crashes) without Miniflare telling. Its pid
 * and arguments are written down, so that the next start finds it should only this process be killed.
 */
export class RuntimeProcess {
  #current: ChildProcess | undefined;
  readonly #path: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, "workerd.json");
    channel("child_process").subscribe((message) => {
      const child = (message as { process: ChildProcess }).process;
      child.once("spawn", () => {
        if (!basename(child.spawnfile).startsWith("workerd")) return;
        this.#current = child;
        replaceFile(this.#path, JSON.stringify({ pid: child.pid, command: child.spawnargs.join(" ") }));
      });
    });
  }

  /** SIGKILL, now. */
  kill(): void {
    this.#current?.kill("SIGKILL");
  }

  /** Kills the runtime a killed server left behind: it would go on writing to the state this one is about to open. */
  killOrphan(): void {
    const { pid, command } = JSON.parse(readIfPresent(this.#path) ?? "{}") as { pid?: number; command?: string };
    if (pid === undefined || command === undefined || runningCommand(pid) !== command) return;
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** The command line of a living process; from /proc where there is one, since a slim machine may have no `ps`. */
function runningCommand(pid: number): string | undefined {
  const arguments_ = readIfPresent(`/proc/${pid}/cmdline`);
  if (arguments_ !== undefined) return arguments_.split("\0").slice(0, -1).join(" ");
  try {
    return execFileSync("ps", ["-ww", "-o", "args=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}
