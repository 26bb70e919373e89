import type { Settled } from "./mailbox.ts";
import { type Command, type Draft, type Fold, isStorageFault, openTurn, type Place } from "./turn.ts";

/** What the commands of one commit came to, and the draft they leave. */
export type Ran<S> = { settled: Settled[]; draft: Draft<S> };

/** A command threw: whatever its batch has written is to be undone. */
export class BatchUndone extends Error {
  override readonly name = "BatchUndone";
}

/** Where commands run. `undone`: after writes were rolled back, of what memory believed of them. */
export type Ground<S> = {
  place: () => Place;
  fold: Fold<S>;
  savepoint: <T>(write: () => T) => T;
  undone: () => void;
};

/** One command on a draft. Throws what it throws. */
const runOne = <S>({ place, fold }: Ground<S>, command: Command<S, unknown>, from: Draft<S>) => {
  let open = true;
  const { turn, draft } = openTurn(place(), fold, from, () => open);
  try {
    const value = command(turn);
    if (value instanceof Promise) throw new TypeError("a command may not wait: its savepoint ends when it returns");
    return { value, draft: draft() };
  } finally {
    open = false;
  }
};

/** Runs commands one after another, each on what the one before left. A storage fault is thrown; `thrown` says what becomes of any other. */
const runEach = <S>(
  commands: readonly Command<S, unknown>[],
  from: Draft<S>,
  run: (command: Command<S, unknown>, draft: Draft<S>) => { value: unknown; draft: Draft<S> },
  thrown: (error: unknown) => Settled,
): Ran<S> => {
  let draft = from;
  const settled = commands.map((command): Settled => {
    try {
      const ran = run(command, draft);
      draft = ran.draft;
      return { ok: true, value: ran.value };
    } catch (error) {
      if (isStorageFault(error)) throw error;
      return thrown(error);
    }
  });
  return { settled, draft };
};

/**
 * Runs commands in the savepoint of their commit alone: what a command throws is a bug, and too rare to pay a savepoint each for.
 * Throws {@link BatchUndone} where one did: the commit is to be undone, and its commands are run apart.
 */
export const runTogether = <S>(ground: Ground<S>, commands: readonly Command<S, unknown>[], from: Draft<S>): Ran<S> =>
  runEach(
    commands,
    from,
    (command, draft) => runOne(ground, command, draft),
    (error) => {
      throw new BatchUndone("a command threw", { cause: error });
    },
  );

/** Runs commands each in a savepoint of its own: one that throws undoes its own writes, and the others stand. */
export const runApart = <S>(ground: Ground<S>, commands: readonly Command<S, unknown>[], from: Draft<S>): Ran<S> =>
  runEach(
    commands,
    from,
    (command, draft) => ground.savepoint(() => runOne(ground, command, draft)),
    (error) => {
      ground.undone();
      return { ok: false, error };
    },
  );
