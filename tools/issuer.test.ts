import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, describe, expect, test } from "vitest";
import { isSubject, LOCAL_AUDIENCE, LOCAL_ISSUER, localKeySet, mintToken, parseTtl } from "./issuer.ts";

const stateDir = mkdtempSync(join(tmpdir(), "crowdpay-issuer-"));
afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

function verify(token: string, directory = stateDir) {
  return jwtVerify(token, createLocalJWKSet(JSON.parse(localKeySet(directory))), {
    issuer: LOCAL_ISSUER,
    audience: LOCAL_AUDIENCE,
    typ: "at+jwt",
    algorithms: ["EdDSA"],
  });
}

async function runToken(directory: string, ...args: string[]) {
  const script = join(import.meta.dirname, "token.ts");
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...args], {
      env: { ...process.env, CROWDPAY_STATE: directory },
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

describe("a token of the local issuer", () => {
  test("names its person and nothing more, for an hour", async () => {
    const { payload } = await verify(await mintToken(stateDir, { subject: "alice" }));
    expect(payload).toMatchObject({ sub: "alice", client_id: "local-cli", jti: expect.any(String) });
    expect(payload).not.toHaveProperty("scope");
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600);
  });

  test("carries the operator's scope and the life asked for", async () => {
    const { payload } = await verify(await mintToken(stateDir, { subject: "ops", scope: "admin", ttlSeconds: 1 }));
    expect(payload.scope).toBe("admin");
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(1);
  });

  test("is signed with a key only its owner can read, and the public half leaks nothing", async () => {
    await mintToken(stateDir, { subject: "alice" });
    expect(statSync(join(stateDir, "issuer.json")).mode & 0o777).toBe(0o600);
    expect(Object.keys(JSON.parse(localKeySet(stateDir)).keys[0])).not.toContain("d");
  });
});

describe("the token command", () => {
  test("run six times at once before the first start makes one key, which all six tokens obey", async () => {
    const fresh = join(stateDir, "race");
    const runs = await Promise.all(Array.from({ length: 6 }, () => runToken(fresh, "--sub", "alice")));
    for (const { code, stdout, stderr } of runs) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      await verify(stdout.trim(), fresh);
    }
    expect(readdirSync(fresh)).toEqual(["issuer.json"]);
  });

  test("refuses what it does not understand with exit 2 and one line", async () => {
    const bad = [
      [],
      ["--sub", "a@b.example"],
      ["--sub", "a", "--ttl", "61m"],
      ["--sub", "a", "--role", "x"],
      ["alice"],
    ];
    for (const args of bad) {
      const { code, stdout, stderr } = await runToken(stateDir, ...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toMatch(/^token: .*\n$/);
    }
  });
});

test("a life is 1 second to 1 hour", () => {
  expect(["1s", "5m", "1h", "60m", "3600s"].map(parseTtl)).toEqual([1, 300, 3600, 3600, 3600]);
  expect(["0s", "61m", "2h", "1", "1d", "-1s", "1.5m", ""].map(parseTtl)).toEqual(Array(8).fill(undefined));
});

test("a subject has 1 to 64 plain characters", () => {
  expect(["a", "a.b_C-9", "x".repeat(64)].every(isSubject)).toBe(true);
  expect(["", "x".repeat(65), "a b", "a@b", "é", "a\n"].some(isSubject)).toBe(false);
});
