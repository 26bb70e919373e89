import { randomBytes } from "node:crypto";
import { isAbsolute, join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { armedFaults, type FaultSwitch, faultPoints, liveFaults } from "./faults.ts";
import { readIfPresent, replaceFile } from "./files.ts";

/** The checkout's root. */
export const ROOT = resolve(import.meta.dirname, "..");

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a local server keeps everything it must not lose; `CROWDPAY_STATE`, `.crowdpay` in the checkout by default. */
export function stateDirectory(env: Environment = process.env): string {
  const named = env.CROWDPAY_STATE || ".crowdpay";
  return isAbsolute(named) ? named : join(ROOT, named);
}

/** A TCP port (0–65535, 0 = any free one) from the environment. Throws a one-line error for anything else. */
export function portSetting(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535)
    throw new Error(`${name} must be a port number, not ${JSON.stringify(text)}`);
  return port;
}

/** `CROWDPAY_RATE`: requests a minute and principal; 0, the default of a local server, is no limit at all. */
export function rateSetting(env: Environment): number {
  const text = env.CROWDPAY_RATE || "0";
  if (!/^\d{1,9}$/.test(text)) throw new Error(`CROWDPAY_RATE must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/**
 * `CROWDPAY_FAULTS`: the armed fault points, each `point` (its first hit) or `point#k` (its k-th); `live`: armed while the server
 * runs, by a file in its state directory. Undefined: there are none, and the product runs without a thought of them.
 */
export function faultSetting(env: Environment, stateDir: string): FaultSwitch | undefined {
  if (!env.CROWDPAY_FAULTS) return undefined;
  return env.CROWDPAY_FAULTS === "live" ? liveFaults(stateDir) : armedFaults(faultPoints(env.CROWDPAY_FAULTS));
}

const GENERATED: Readonly<Record<string, () => string>> = {
  /** Key-encryption key, 32 bytes. */
  KEK: () => randomBytes(32).toString("base64"),
  PSP_API_KEY_SANDBOX: () => `psk_${randomBytes(24).toString("base64url")}`,
  LP_API_KEY_SANDBOX: () => `lpk_${randomBytes(24).toString("base64url")}`,
  WEBHOOK_SECRET_SANDBOX: () => `whsec_${randomBytes(32).toString("base64")}`,
};

/**
 * The secrets of a local server: generated once per state directory and kept there, because sealed fields are lost with
 * the key that sealed them. Call only while holding the directory's lock.
 */
export function localSecrets(stateDir: string): Record<string, string> {
  const path = join(stateDir, "secrets.json");
  const kept = JSON.parse(readIfPresent(path) ?? "{}") as Record<string, string>;
  const missing = Object.keys(GENERATED).filter((name) => kept[name] === undefined);
  if (missing.length === 0) return kept;
  const secrets = { ...kept, ...Object.fromEntries(missing.map((name) => [name, GENERATED[name]?.() ?? ""])) };
  replaceFile(path, `${JSON.stringify(secrets, null, 2)}\n`);
  return secrets;
}

/** Variables of `.dev.vars`, the file wrangler itself reads in development; empty when there is none. */
export function devVariables(): Record<string, string> {
  return parseEnv(readIfPresent(join(ROOT, ".dev.vars")) ?? "") as Record<string, string>;
}
