import { parseArgs } from "node:util";
import { isSubject, mintToken, parseTtl } from "./issuer.ts";
import { stateDirectory } from "./settings.ts";

const USAGE = "usage: npm run -s token -- --sub alice [--scope admin] [--ttl 1s|5m|1h]";

function refuse(reason: string): never {
  process.stderr.write(`token: ${reason}; ${USAGE}\n`);
  process.exit(2);
}

function options(): { sub?: string; scope?: string; ttl?: string } {
  try {
    const string = { type: "string" } as const;
    return parseArgs({ options: { sub: string, scope: string, ttl: string }, strict: true }).values;
  } catch (error) {
    return refuse((error as Error).message.split(". ")[0] ?? "bad arguments");
  }
}

const { sub, scope, ttl = "1h" } = options();
if (sub === undefined || !isSubject(sub)) refuse("--sub must be 1-64 of [A-Za-z0-9._-]");
if (scope !== undefined && !/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope))
  refuse("--scope must be space-separated words");
const ttlSeconds = parseTtl(ttl);
if (ttlSeconds === undefined) refuse("--ttl must be from 1s to 1h");

process.stdout.write(`${await mintToken(stateDirectory(), { subject: sub, scope, ttlSeconds })}\n`);
