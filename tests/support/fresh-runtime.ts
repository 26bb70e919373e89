import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";

const { READ_MODEL, READ_MODEL_MIGRATIONS } = env as unknown as {
  READ_MODEL: D1Database;
  READ_MODEL_MIGRATIONS: Parameters<typeof applyD1Migrations>[1];
};

/** Every object and the read model as on the first day. For files that need, or leave, more of the shared runtime than names of their own. */
export const freshRuntime = async (): Promise<void> => {
  await reset();
  await applyD1Migrations(READ_MODEL, READ_MODEL_MIGRATIONS);
};
