import { parseAccount } from "../../../schema/accounts.ts";
import { canonicalJson } from "../../../schema/events.ts";
import { type Refused, reject } from "../../../schema/rejections.ts";
import type { AccountCommand, AccountCommandAnswer } from "../../../schema/rpc/account.ts";
import { mayBeNamed } from "../account-resource.ts";
import type { Call } from "../route.ts";

export const noSuchAccount = (name: string): Refused => reject("not_found", `no account ${name}`);

type Order = {
  account: string;
  command: AccountCommand;
  /** How the command is told from others under one key: as the caller wrote it. */
  request: unknown;
  key: string | null;
};

/**
 * Sends an operator's command to a physical account. It is one turn of that one actor and moves no money, so no saga stands
 * between; an account that no money has met yet is opened by it, a wallet aside, which may be anybody's.
 */
export const commandAccount = async (
  { caller, actors, meta }: Call<unknown, unknown>,
  { account: name, command, request, key }: Order,
): Promise<AccountCommandAnswer | Refused> => {
  const account = parseAccount(name);
  if (account === null) return noSuchAccount(name);
  const open = account.kind !== "wallet" && (await mayBeNamed(account, actors));
  const commandKey = {
    subject: caller.user,
    command: `account.${command.type}`,
    key,
    request: canonicalJson(request),
  };
  return actors.account(name)((ledger) => ledger.command(command, open, commandKey, meta));
};

/** Whether one actor stands behind a name: it is an account's, and not that of a logical one kept in stripes. */
export const isPhysical = (name: string): boolean => {
  const account = parseAccount(name);
  return account !== null && (account.stripe !== null || account.rules.stripes === 1);
};
