import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { readIfPresent } from "./files.ts";

/** Called at each fault point the process passes; true when it is to be killed there. */
export type FaultSwitch = (point: string) => boolean;

/**
 * Fault points for crash tests. `point` is armed for its first hit, `point#k` for its k-th. Returns whether this hit is
 * the armed one; counts are of this process, so a restart begins anew.
 */
export function armedFaults(points: readonly string[]): FaultSwitch {
  const armed = new Set(points.map((point) => (/#\d+$/.test(point) ? point : `${point}#1`)));
  const hits = new Map<string, number>();
  return (point) => {
    const hit = (hits.get(point) ?? 0) + 1;
    hits.set(point, hit);
    return armed.has(`${point}#${hit}`);
  };
}

/** Where a server that runs with `CROWDPAY_FAULTS=live` looks for armed points, and writes down the points it passes, one a line. */
export function liveFaultFiles(stateDir: string): { armed: string; passed: string } {
  return { armed: join(stateDir, "faults"), passed: join(stateDir, "faults.log") };
}

/**
 * Fault points armed while the server runs: the file is read at every hit, and hits are counted from when it last changed.
 * Each hit is written down before anything else happens there.
 */
export function liveFaults(stateDir: string): FaultSwitch {
  const files = liveFaultFiles(stateDir);
  let armed = "";
  let strikes = armedFaults([]);
  return (point) => {
    appendFileSync(files.passed, `${point}\n`);
    const now = readIfPresent(files.armed) ?? "";
    if (now !== armed) {
      armed = now;
      strikes = armedFaults(faultPoints(now));
    }
    return strikes(point);
  };
}

/** The points in a list, separated by commas. */
export function faultPoints(list: string): string[] {
  return list
    .split(",")
    .map((point) => point.trim())
    .filter((point) => point !== "");
}

/** The fault point named by a request to `http://faults/<point>`. */
export function faultPoint(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}
