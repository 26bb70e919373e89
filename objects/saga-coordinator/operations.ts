import type { Meta } from "../../schema/events.ts";
import { shardOf } from "../../schema/ids.ts";
import { accept, type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { OperatedSaga, OperateSaga } from "../../schema/rpc/coordinator.ts";
import type { Saga } from "../../schema/sagas.ts";
import { findCommand, keyOf, mismatch, rememberCommand } from "./answers.ts";
import type { Driver } from "./driver.ts";
import { loadSaga, type ShardTurn } from "./journal.ts";
import { operate, wordOf } from "./operate.ts";
import { needsCall } from "./standing.ts";
import type { Waiters } from "./waiters.ts";

type Deps = { sql: SqlStorage; driver: Pick<Driver, "change" | "drive">; waiters: Waiters };
type Taken = { awaitsApproval: boolean; replayed: boolean };

const noSuchSaga = () => reject("not_found", "no such saga");

/**
 * An operator's word on a saga, in one commit with its key: decided, journalled with principal and note, driven on. A refusal is
 * not kept under the key, for nothing came of it.
 */
export const operateSaga = async (
  { sql, driver, waiters }: Deps,
  id: string,
  command: OperateSaga,
  key: CommandKey,
  waitMs: number,
  meta: Meta,
): Promise<Result<OperatedSaga>> => {
  if (shardOf("sag", id) === null || loadSaga(sql, id) === null) return noSuchSaga();
  const scope = keyOf(key, id);
  let taken: Taken | null = null;
  let refusal: Rejection | null = null;
  let after: Saga | null = null;
  const decide = (saga: Saga, turn: ShardTurn): boolean => {
    const known = scope === null ? null : findCommand(turn.sql, scope);
    if (known !== null) {
      refusal = mismatch(known, key.request);
      taken = { awaitsApproval: known.status === "202", replayed: true };
      return false;
    }
    const straySaga = turn.ids.next("sag", turn.now, shardOf("sag", saga.id) ?? 0);
    const facts = { by: meta.principal.user, now: turn.now, cutEpoch: turn.state.cutEpoch, straySaga };
    const operated = operate(saga, command, facts);
    if (!operated.ok) {
      refusal = operated.rejection;
      return false;
    }
    after = operated.saga;
    taken = { awaitsApproval: operated.awaitsApproval, replayed: false };
    if (scope !== null) {
      const status = operated.awaitsApproval ? "202" : "201";
      rememberCommand(turn, { scope, target: id, request: key.request, request_id: meta.correlation, status });
    }
    return after !== null;
  };
  const said = { word: wordOf(command, meta.principal.user), meta };
  const changed = await driver.change(id, () => after, decide, said);
  if (refusal !== null) return { ok: false, rejection: refusal };
  // Only TypeScript does not know that the turn has run.
  const { awaitsApproval, replayed } = taken ?? { awaitsApproval: false, replayed: false };
  const now = (): Saga => loadSaga(sql, id) as Saga;
  if (changed === null || awaitsApproval) return accept({ saga: now(), awaits_approval: awaitsApproval, replayed });
  void driver.drive(changed);
  const saga = await waiters.until(id, now, (saga) => !needsCall(saga), waitMs);
  return accept({ saga, awaits_approval: false, replayed });
};
