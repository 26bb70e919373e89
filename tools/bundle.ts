import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, extname, join } from "node:path";
import type { Unstable_Config as WranglerConfig } from "wrangler";
import { ROOT } from "./settings.ts";
import { type RuntimeConfig, type WorkerConfig, workerConfig } from "./worker-config.ts";

type Manifest = NonNullable<RuntimeConfig["manifest"]>;
type ModuleType = Manifest["modules"][string]["type"];

/** A Worker as it would be deployed: wrangler's bundle and wrangler's reading of its `wrangler.toml`. */
export interface Bundle {
  readonly config: WorkerConfig;
  readonly manifest: Manifest;
  /** When it was bundled, RFC 3339. */
  readonly builtAt: string;
}

export interface WorkerSource {
  /** Folder under `dist/`. */
  readonly name: string;
  /** Its `wrangler.toml`, relative to the root. */
  readonly configPath: string;
  /** Folders whose change makes a new bundle. */
  readonly folders: readonly string[];
}

export const PRODUCT: WorkerSource = {
  name: "product",
  configPath: "wrangler.toml",
  folders: ["workers", "objects", "schema", "policy"],
};
export const SANDBOX: WorkerSource = {
  name: "sandbox",
  configPath: "sandbox/wrangler.toml",
  folders: ["sandbox", "schema"],
};

const MODULE_TYPES: Readonly<Record<string, ModuleType>> = {
  ".js": "esm",
  ".mjs": "esm",
  ".sql": "text",
  ".txt": "text",
  ".html": "text",
  ".wasm": "wasm",
  ".bin": "data",
};
const TEXT = new Set<ModuleType>(["esm", "text"]);
const KEPT_BUNDLES = 4;

function sourceHash({ configPath, folders }: WorkerSource): string {
  const hash = createHash("sha256");
  const files = folders.flatMap((folder) =>
    globSync(`${folder}/**/*`, { cwd: ROOT, withFileTypes: true, exclude: ["**/dist/**", "**/*.test.ts"] })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  const shared = [configPath, "package.json", "package-lock.json", "tsconfig.json"].map((file) => join(ROOT, file));
  for (const file of [
    ...files.sort(),
    ...shared,
    import.meta.filename,
    join(import.meta.dirname, "worker-config.ts"),
  ]) {
    const contents = readFileSync(file);
    hash.update(`${file.slice(ROOT.length)}\0${contents.length}\0`).update(contents);
  }
  return hash.digest("hex").slice(0, 16);
}

function dryRunDeploy(configPath: string, outDir: string): Promise<void> {
  const wrangler = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
  const child = spawn(
    process.execPath,
    [wrangler, "deploy", "--dry-run", "--outdir", outDir, "--config", join(ROOT, configPath)],
    {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" },
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`wrangler could not bundle ${configPath} (exit ${code}):\n${output}`)),
    );
  });
}

async function readWranglerConfig(configPath: string): Promise<WorkerConfig> {
  // Imported late: wrangler takes most of a second to load, and a start that finds its bundle has no need of it.
  const { unstable_readConfig } = await import("wrangler");
  return workerConfig(unstable_readConfig({ config: join(ROOT, configPath) }) as WranglerConfig);
}

function forgetOldBundles(folder: string): void {
  const old = readdirSync(folder)
    .map((name) => join(folder, name))
    .map((path) => ({ path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.at - a.at)
    .slice(KEPT_BUNDLES);
  for (const { path } of old) rmSync(path, { recursive: true, force: true });
}

/**
 * The Worker's bundle, made by wrangler when the sources differ from every bundle in `dist/`. A bundle's folder is named
 * by its sources' hash and appears whole, so that starts may race, and a start cut short leaves nothing half made.
 */
export async function bundle(source: WorkerSource): Promise<Bundle> {
  const home = join(ROOT, "dist", source.name);
  const folder = join(home, sourceHash(source));
  if (!existsSync(folder)) {
    const draft = join(home, `.draft-${process.pid}-${randomBytes(4).toString("hex")}`);
    mkdirSync(draft, { recursive: true });
    try {
      const reading = readWranglerConfig(source.configPath);
      const [config] = await Promise.all([reading, dryRunDeploy(source.configPath, draft)]);
      writeFileSync(join(draft, "worker.json"), JSON.stringify({ config, builtAt: new Date().toISOString() }));
      renameSync(draft, folder);
    } catch (error) {
      // Another start may have put the same bundle there first.
      if (!existsSync(folder)) throw error;
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
    forgetOldBundles(home);
  }
  const { config, builtAt } = JSON.parse(readFileSync(join(folder, "worker.json"), "utf8"));
  return { config, builtAt, manifest: readManifest(folder) };
}

function readManifest(folder: string): Manifest {
  const modules: Manifest["modules"] = {};
  for (const name of readdirSync(folder)) {
    const type = MODULE_TYPES[extname(name)];
    if (type === undefined) continue;
    const contents = readFileSync(join(folder, name));
    modules[name] = { type, contents: TEXT.has(type) ? contents.toString("utf8") : new Uint8Array(contents) };
  }
  return { mainModule: "index.js", modulesRoot: folder, modules };
}

/** The folder a path in the Worker's `wrangler.toml` is relative to. */
export function configFolder(source: WorkerSource): string {
  return dirname(join(ROOT, source.configPath));
}
