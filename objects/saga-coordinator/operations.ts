import { type ChargeRecord, chargeOf } from "../../schema/charges.ts";
import type { Meta } from "../../schema/events.ts";
import { shardOf } from "../../schema/ids.ts";
import { accept, NOT_KEPT, type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { CommandKey, KeyedAnswer } from "../../schema/rpc/actor.ts";
import type { OperatedSaga, OperateSaga } from "../../schema/rpc/coordinator.ts";
import type { Saga } from "../../schema/sagas.ts";
import { type CommandRow, findCommand, keyOf, mismatch, rememberCommand, requireCharge } from "./answers.ts";
import { cancel, resolveWait } from "./decide.ts";
import type { Driver } from "./driver.ts";
import { loadSaga, type Said, type ShardTurn } from "./journal.ts";
import { operate, wordOf } from "./operate.ts";
import { needsCall } from "./standing.ts";
import type { Waiters } from "./waiters.ts";

type Deps = { sql: SqlStorage; driver: Pick<Driver, "change" | "drive">; waiters: Waiters };

/** What somebody's word makes of a saga; null: it stays as it is, for a second one has to say the same. */
type Heard = { saga: Saga | null; awaitsApproval: boolean };
type Taken =
  | { ok: true; changed: Saga | null; awaitsApproval: boolean; replayed: boolean }
  | { ok: false; rejection: Rejection; request_id: string; replayed: boolean };

const refused = (rejection: Rejection, request_id: string, replayed = false) =>
  ({ ok: false, rejection, request_id, replayed }) as const;

const answered = <T>(replayed: boolean, value: T) => ({ ok: true, value: { replayed, value } }) as const;

/** What was said under this key before: the same again, a no as much as a yes. */
const recalled = (row: CommandRow, request: string, requestId: string): Taken => {
  const differs = mismatch(row, request);
  if (differs !== null) return refused(differs, requestId);
  if (row.status === "problem") return refused(JSON.parse(row.answer ?? "null") as Rejection, row.request_id, true);
  return { ok: true, changed: null, awaitsApproval: row.status === "202", replayed: true };
};

/** Somebody's word on a saga, in one commit with its key: decided, and journalled with who gave it and why. Null when there is no such saga. */
const takeWord = async (
  { driver }: Pick<Deps, "driver">,
  id: string,
  key: CommandKey,
  said: Said,
  hear: (saga: Saga, turn: ShardTurn) => Result<Heard>,
): Promise<Taken | null> => {
  const scope = keyOf(key, id);
  const request_id = said.meta.correlation;
  let taken: Taken | null = null;
  let after: Saga | null = null;
  const decide = (saga: Saga, turn: ShardTurn): boolean => {
    const known = scope === null ? null : findCommand(turn.sql, scope);
    if (known !== null) {
      taken = recalled(known, key.request, request_id);
      return false;
    }
    const heard = hear(saga, turn);
    const command = { scope: scope ?? "", target: id, request: key.request, request_id };
    if (!heard.ok) {
      taken = refused(heard.rejection, request_id);
      if (scope !== null && !NOT_KEPT.has(heard.rejection.code)) {
        rememberCommand(turn, { ...command, status: "problem", answer: JSON.stringify(heard.rejection) });
      }
      return false;
    }
    const { awaitsApproval } = heard.value;
    after = heard.value.saga;
    taken = { ok: true, changed: null, awaitsApproval, replayed: false };
    if (scope !== null) rememberCommand(turn, { ...command, status: awaitsApproval ? "202" : "201" });
    return after !== null;
  };
  const changed = await driver.change(id, () => after, decide, said);
  // Only TypeScript does not know that the turn has run.
  const heard = taken as Taken | null;
  return heard?.ok === true ? { ...heard, changed } : heard;
};

const noSuchSaga = () => reject("not_found", "no such saga");

/** An operator's word on a saga: taken, and driven on until the call at hand is answered or the wait is over. */
export const operateSaga = async (
  deps: Deps,
  id: string,
  command: OperateSaga,
  key: CommandKey,
  waitMs: number,
  meta: Meta,
): Promise<KeyedAnswer<OperatedSaga>> => {
  const { sql, driver, waiters } = deps;
  if (shardOf("sag", id) === null) return refused(noSuchSaga().rejection, meta.correlation);
  const by = meta.principal.user;
  const taken = await takeWord(deps, id, key, { word: wordOf(command, by), meta }, (saga, turn) => {
    const straySaga = turn.ids.next("sag", turn.now, shardOf("sag", saga.id) ?? 0);
    const operated = operate(saga, command, { by, now: turn.now, cutEpoch: turn.state.cutEpoch, straySaga });
    return operated.ok ? accept(operated) : operated;
  });
  if (taken === null) return refused(noSuchSaga().rejection, meta.correlation);
  if (!taken.ok) return taken;
  const { changed, awaitsApproval, replayed } = taken;
  const now = (): Saga => loadSaga(sql, id) as Saga;
  const answer = (saga: Saga) => answered(replayed, { saga, awaits_approval: awaitsApproval });
  if (changed === null || awaitsApproval) return answer(now());
  void driver.drive(changed);
  return answer(await waiters.until(id, now, (saga) => !needsCall(saga), waitMs));
};

/** Somebody's word on a charge, driven on until it has ended or waits for somebody else. */
const decideCharge = async (
  deps: Deps,
  saga: Saga | null,
  key: CommandKey,
  said: Said,
  hear: (saga: Saga, turn: ShardTurn) => Result<Heard>,
): Promise<KeyedAnswer<ChargeRecord>> => {
  const known = saga === null || chargeOf(saga) === null ? null : saga;
  const taken = known === null ? null : await takeWord(deps, known.id, key, said, hear);
  if (known === null || taken === null) {
    return refused(reject("not_found", "no such charge").rejection, said.meta.correlation);
  }
  if (!taken.ok) return taken;
  if (taken.changed !== null) await deps.driver.drive(taken.changed);
  return answered(taken.replayed, requireCharge(loadSaga(deps.sql, known.id) ?? known));
};

const heard = (saga: Saga | null, refusal: string): Result<Heard> =>
  saga === null ? reject("conflict", refusal) : accept({ saga, awaitsApproval: false });

/** Takes a charge back that has not begun to move money. */
export const cancelCharge = (
  deps: Deps,
  saga: Saga | null,
  key: CommandKey,
  meta: Meta,
): Promise<KeyedAnswer<ChargeRecord>> => {
  const said: Said = { word: { action: "cancel", by: meta.principal.user, note: null }, meta };
  return decideCharge(deps, saga, key, said, (before, turn) =>
    heard(cancel(before, turn.now), "the charge can no longer be cancelled"),
  );
};

/** An operator's word on a charge that waits for review. */
export const reviewCharge = (
  deps: Deps,
  saga: Saga | null,
  verdict: "approve" | "decline",
  note: string,
  key: CommandKey,
  meta: Meta,
): Promise<KeyedAnswer<ChargeRecord>> => {
  const by = meta.principal.user;
  const said: Said = { word: { action: "review", by, note, step: "review", verdict }, meta };
  return decideCharge(deps, saga, key, said, (before, turn) => {
    const after = resolveWait(before, "review", verdict, { by, text: note }, turn.now, turn.state.cutEpoch);
    return heard(after, "the charge does not wait for a review");
  });
};
