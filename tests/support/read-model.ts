import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";

const { READ_MODEL, READ_MODEL_MIGRATIONS } = env as unknown as {
  READ_MODEL: D1Database;
  READ_MODEL_MIGRATIONS: Parameters<typeof applyD1Migrations>[1];
};

await applyD1Migrations(READ_MODEL, READ_MODEL_MIGRATIONS);
