import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./settings.ts";

/** Something with tables of its own: its drizzle tables, and the migrations generated from them. Paths from the root. */
export interface TableOwner {
  readonly name: string;
  readonly tables: string;
  readonly migrations: string;
  /** The module that carries the files into a bundle; the read model's are applied from their folder instead. */
  readonly carrier?: string;
}

/** Every actor with tables, the kit (for the actor of its tests), the read model and the sandbox's providers. */
export function tableOwners(): TableOwner[] {
  const actors = globSync("objects/*/tables.ts", { cwd: ROOT }).map((tables): TableOwner => {
    const folder = dirname(tables);
    const name = basename(folder);
    if (name === "kit") {
      return { name, tables, migrations: `${folder}/testing/migrations`, carrier: `${folder}/testing/counter.ts` };
    }
    return { name, tables, migrations: `${folder}/migrations`, carrier: `${folder}/migrations.ts` };
  });
  return [
    ...actors.sort((a, b) => a.name.localeCompare(b.name)),
    { name: "read-model", tables: "schema/read-model.ts", migrations: "schema/migrations" },
    {
      name: "sandbox",
      tables: "sandbox/psp/tables.ts",
      migrations: "sandbox/psp/migrations",
      carrier: "sandbox/psp/migrations.ts",
    },
    {
      name: "sandbox-lp",
      tables: "sandbox/lp/tables.ts",
      migrations: "sandbox/lp/migrations",
      carrier: "sandbox/lp/migrations.ts",
    },
  ];
}

function generate(): void {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: "string" } } });
  const owners = tableOwners();
  const unknown = positionals.find((name) => owners.every((owner) => owner.name !== name));
  if (unknown !== undefined) {
    process.stderr.write(
      `migrations: no tables of ${unknown}; there are ${owners.map(({ name }) => name).join(", ")}\n`,
    );
    process.exit(2);
  }
  for (const owner of owners.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    const isFirst = !existsSync(join(ROOT, owner.migrations, "meta/_journal.json"));
    const name = values.name ?? (isFirst ? "init" : "change");
    const { status } = spawnSync(
      process.execPath,
      [join(ROOT, "node_modules/drizzle-kit/bin.cjs"), "generate", "--config", "drizzle.config.ts", "--name", name],
      { cwd: ROOT, stdio: "inherit", env: { ...process.env, ACTOR: owner.name } },
    );
    if (status !== 0) process.exit(status ?? 1);
  }
}

if (import.meta.main) generate();
