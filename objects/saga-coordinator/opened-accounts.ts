import { type Rejection, reject } from "../../schema/rejections.ts";
import type { AccountRpc } from "../../schema/rpc/account.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { callActor } from "../kit/stub.ts";
import { unknownAccount } from "./begin-transfer.ts";

/** At most this many accounts are remembered; then it begins anew. */
const MAX_KNOWN = 10_000;

/** Which accounts were opened. That is for good, so each is asked once: a batch names the same few again and again. */
export class OpenedAccounts {
  readonly #env: Pick<ObjectEnv, "ACCOUNTS">;
  readonly #known = new Set<string>();

  constructor(env: Pick<ObjectEnv, "ACCOUNTS">) {
    this.#env = env;
  }

  /** Why an account cannot take part; null when it was opened. */
  async absent(account: string): Promise<Rejection | null> {
    if (this.#known.has(account)) return null;
    try {
      const found = await callActor<AccountRpc, unknown>(this.#env.ACCOUNTS, account, (rpc) => rpc.describe());
      if (found === null) return unknownAccount(account).rejection;
    } catch {
      return reject("upstream_unavailable", `${account} cannot be reached now`, { retry_after: 1 }).rejection;
    }
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.add(account);
    return null;
  }
}
