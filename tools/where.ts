import { createHash, createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseAccount, stripesOf } from "../schema/accounts.ts";
import { parseStream, type StreamKind } from "../schema/streams.ts";
import { stateDirectory } from "./settings.ts";

const USAGE = "usage: npm run -s where -- ACCOUNT|STREAM, such as wallet:alice:EUR, fee:EUR#3, saga/shard-0";

/** The Worker and the classes of its objects, as wrangler.toml names them. */
export const WORKER = "crowdpay-connect";
export const CLASSES: Readonly<Record<StreamKind, string>> = {
  pod: "CrowdPod",
  account: "LedgerAccount",
  saga: "SagaCoordinator",
  risk: "RiskProfile",
  psp: "PspGateway",
  fx: "FxDesk",
};

/** The id the runtime derives from an object's name, hex: it is the name of the object's file. */
export function objectId(namespace: string, name: string): string {
  const key = createHash("sha256").update(namespace).digest();
  const keyed = (value: string | Buffer) => createHmac("sha256", key).update(value).digest().subarray(0, 16);
  const half = keyed(name);
  return Buffer.concat([half, keyed(half)]).toString("hex");
}

/** The actor meant by a stream's name, or an account's. Throws a one-line error when there is none such, or more than one. */
export function actorNamed(text: string): { kind: StreamKind; name: string } {
  const actor = parseStream(text) ?? { kind: "account" as const, name: text };
  if (actor.kind !== "account") return actor;
  const account = parseAccount(actor.name);
  if (account === null) throw new Error(`${text} is neither an account nor a stream; ${USAGE}`);
  const stripes = stripesOf(actor.name);
  if (account.stripe === null && account.rules.stripes > 1) {
    throw new Error(`${text} is kept in stripes, each an actor: ${stripes[0]} to ${stripes.at(-1)}`);
  }
  return actor;
}

/** The SQLite file of an actor in a local server's state. */
export function actorFile(stateDir: string, { kind, name }: { kind: StreamKind; name: string }): string {
  const namespace = `${WORKER}-${CLASSES[kind]}`;
  return join(stateDir, "data/do", namespace, `${objectId(namespace, name)}.sqlite`);
}

function main(): void {
  const [text, ...others] = process.argv.slice(2);
  try {
    if (text === undefined || others.length > 0) throw new Error(USAGE);
    const stateDir = stateDirectory();
    const file = actorFile(stateDir, actorNamed(text));
    if (!existsSync(file)) throw new Error(`${text} has no file in ${stateDir}: nothing was ever written to it`);
    process.stdout.write(`${file}\n`);
  } catch (error) {
    process.stderr.write(`where: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) main();
