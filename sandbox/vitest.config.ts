import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** The sandbox on real workerd: `vitest run --config sandbox/vitest.config.ts`. */
export default defineConfig({
  // Said because as a project of another configuration the root would be this folder.
  root: `${import.meta.dirname}/..`,
  plugins: [
    cloudflareTest({
      verbose: false,
      wrangler: { configPath: `${import.meta.dirname}/wrangler.toml` },
      miniflare: {
        bindings: {
          PRODUCT_WEBHOOK_URL: "http://product.test/ingress/psp/sandbox",
          WEBHOOK_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          PSP_API_KEY: "psp-key-of-the-tests",
          LP_API_KEY: "lp-key-of-the-tests",
        },
      },
    }),
  ],
  test: {
    name: "sandbox",
    include: ["sandbox/**/*.workerd.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    isolate: false,
    maxWorkers: 1,
  },
});
