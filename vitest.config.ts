import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { plantedBug } from "./tools/mutation/planted.ts";
import { rewriteFile, rewriting } from "./tools/mutation/rewrite.ts";
import { sqlAsText } from "./tools/sql-as-text.ts";

const OUTSIDE = ["**/node_modules/**", "**/dist/**"];

/** `CROWDPAY_PLANTED=<name>`: the code with that bug in it, for the tests that prove the checks (tests/planted). */
const { CROWDPAY_PLANTED } = process.env;
const planted = CROWDPAY_PLANTED === undefined ? null : plantedBug(CROWDPAY_PLANTED);
const plants = planted === null ? [] : [rewriting((file, source) => rewriteFile(file, source, planted.edits))];

/** A test that takes so long hangs; on a machine that is busy with other tests everything takes several times as long. Milliseconds. */
const HANGS_MS = 180_000;
const SERVER_HANGS_MS = 300_000;

/** Pure code, in Node. One process for all files, which have nothing in common: starting one a file costs more than the tests. */
const unit: TestProjectInlineConfiguration = {
  plugins: [sqlAsText, ...plants],
  test: {
    name: "unit",
    include: ["{schema,objects,workers,sandbox,tools,policy,bench,tests/chaos}/**/*.test.ts"],
    exclude: [...OUTSIDE, "**/*.workerd.test.ts", "bench/baseline/**"],
    isolate: false,
    testTimeout: HANGS_MS,
  },
};

/** The stack that is measured beside ours, where its database is installed: no part of the product, so no part of `npm test`. */
const baseline: TestProjectInlineConfiguration = {
  test: { name: "baseline", include: ["bench/baseline/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
};

/** Durable Objects on real workerd. One runtime for all files: starting one a file costs more than the tests. */
const actors: TestProjectInlineConfiguration = {
  plugins: [
    ...plants,
    cloudflareTest(async () => ({
      verbose: false,
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        // A read model of its own for what rebuilds, and so compares, the whole of one.
        d1Databases: { REBUILT_MODEL: "rebuilt-model" },
        bindings: {
          // Applied by tests/support/read-model.ts before the first test.
          READ_MODEL_MIGRATIONS: await readD1Migrations("schema/migrations"),
          KEK: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
          PSP_URL_SANDBOX: "http://psp.test",
          PSP_API_KEY_SANDBOX: "psp-key-of-the-tests",
          LP_URL_SANDBOX: "http://lp.test",
          LP_API_KEY_SANDBOX: "lp-key-of-the-tests",
          WEBHOOK_SECRET_SANDBOX: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          ISSUER: "http://issuer.test",
          AUDIENCE: "crowdpay",
          // The public half of an Ed25519 key; tests that mint tokens bring their own pair.
          LOCAL_JWKS: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
          BUILD: '{"version":"0.0.0","commit":"tests","built_at":"1970-01-01T00:00:00Z"}',
        },
      },
    })),
  ],
  test: {
    name: "actors",
    include: ["{objects,workers}/**/*.workerd.test.ts"],
    setupFiles: ["tests/support/read-model.ts"],
    exclude: [...OUTSIDE, "objects/kit/**"],
    isolate: false,
    maxWorkers: 1,
    testTimeout: HANGS_MS,
    hookTimeout: HANGS_MS,
  },
};

/** Files at once where each has a server of its own: much of their time is waiting, and no test is timed by a clock. */
const SERVERS_AT_ONCE = 2;

/** Over HTTP, against a server as `npm start` runs one. */
const http: TestProjectInlineConfiguration = {
  test: {
    name: "http",
    include: ["tests/http/**/*.test.ts"],
    maxWorkers: SERVERS_AT_ONCE,
    testTimeout: SERVER_HANGS_MS,
    hookTimeout: SERVER_HANGS_MS,
  },
};

/** SIGKILL at chosen moments, and what is left after it. */
const crash: TestProjectInlineConfiguration = {
  test: {
    name: "crash",
    include: ["tests/crash/**/*.test.ts"],
    maxWorkers: SERVERS_AT_ONCE,
    testTimeout: 600_000,
    hookTimeout: SERVER_HANGS_MS,
  },
};

/** The checks, checked: each bug of a table is planted and must be noticed. Every night, and whenever a check changes. */
const plantedBugs: TestProjectInlineConfiguration = {
  test: {
    name: "planted",
    include: ["tests/planted/**/*.test.ts"],
    maxWorkers: SERVERS_AT_ONCE,
    testTimeout: 300_000,
  },
};

export default defineConfig({
  // A transform that was stored knows nothing of a planted bug.
  test: {
    ...(planted === null ? {} : { fsModuleCache: false }),
    projects: [
      unit,
      actors,
      "./objects/kit/vitest.config.ts",
      "./sandbox/vitest.config.ts",
      http,
      crash,
      plantedBugs,
      baseline,
    ],
  },
});
