import { createRequire, enableCompileCache } from "node:module";
import { join } from "node:path";
import { ROOT } from "./settings.ts";

// Miniflare is one file of nearly six megabytes, and loading it most of what a start computes: compiled once, it is found again in `dist/`.
// By `require`: an import would read it through twice more, for its format and its exports.
enableCompileCache(join(ROOT, "dist/compiled"));

export const { CorePaths, Log, LogLevel, Miniflare, Response } = createRequire(import.meta.url)(
  "miniflare",
) as typeof import("miniflare");
export type Miniflare = import("miniflare").Miniflare;
