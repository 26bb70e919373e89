import { existsSync } from "node:fs";
import { defineConfig } from "drizzle-kit";

/** Whose migrations: an actor's folder under objects/, `kit` (for its tests' actor), `read-model`, `sandbox` or `sandbox-lp`. `npm run migrations` sets it. */
const owner = process.env.ACTOR ?? "";

function tablesOf(name: string): { schema: string; out: string } {
  if (name === "read-model") return { schema: "schema/read-model.ts", out: "schema/migrations" };
  if (name === "sandbox") return { schema: "sandbox/psp/tables.ts", out: "sandbox/psp/migrations" };
  if (name === "sandbox-lp") return { schema: "sandbox/lp/tables.ts", out: "sandbox/lp/migrations" };
  return { schema: `objects/${name}/tables.ts`, out: `objects/${name}${name === "kit" ? "/testing" : ""}/migrations` };
}

const { schema, out } = tablesOf(owner);
if (!existsSync(schema)) throw new Error(`ACTOR=${owner}: there is no ${schema}`);

// No driver: drizzle-kit's own migrator, for which one would generate code, is not used.
export default defineConfig({ dialect: "sqlite", schema: `./${schema}`, out: `./${out}` });
