import { cpSync, existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../settings.ts";
import type { PlantedBug } from "./planted.ts";
import { rewriteFile } from "./rewrite.ts";

/** What a server is started from. */
const PARTS = ["workers", "objects", "schema", "policy", "sandbox", "tools"];
const FILES = ["package.json", "package-lock.json", "tsconfig.json", "wrangler.toml"];

/** A copy of the checkout, in a new temporary folder, with the bug in it: a server that has it is started from there. */
export const plantTree = ({ edits }: PlantedBug): string => {
  const root = mkdtempSync(join(tmpdir(), "crowdpay-planted-"));
  for (const part of [...PARTS, ...FILES].filter((name) => existsSync(join(ROOT, name)))) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  for (const file of new Set(edits.map((edit) => edit.file))) {
    const path = join(root, file);
    writeFileSync(path, rewriteFile(file, readFileSync(path, "utf8"), edits) ?? "");
  }
  return root;
};
