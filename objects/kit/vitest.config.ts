import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** The kit on real workerd, under a small actor of its own: `vitest run --config objects/kit/vitest.config.ts`. */
export default defineConfig({
  root: import.meta.dirname,
  cacheDir: `${import.meta.dirname}/../../node_modules/.vite/kit`,
  plugins: [
    cloudflareTest({ verbose: false, wrangler: { configPath: `${import.meta.dirname}/testing/wrangler.toml` } }),
  ],
  test: {
    name: "kit",
    include: ["**/*.workerd.test.ts"],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    isolate: false,
    maxWorkers: 1,
  },
});
