/**
 * The process that this one is to end with, told or not: the one `PARENT_PID` names, under npm whoever started it. Undefined: it
 * outlives whom it likes. Throws a one-line error for what is no process id.
 */
export function parentSetting(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const named = env.PARENT_PID;
  if (named) {
    if (!/^[1-9]\d{0,9}$/.test(named)) throw new Error(`PARENT_PID must be a process id, not ${JSON.stringify(named)}`);
    return Number(named);
  }
  return env.npm_lifecycle_event === undefined ? undefined : process.ppid;
}

/** Calls `end` once whoever this process is to end with is gone; never where there is nobody. Throws as {@link parentSetting}. */
export function endWithParent(end: () => void): void {
  const parent = parentSetting(process.env);
  if (parent !== undefined) whenParentIsGone(parent, end);
}

/** A SIGKILL of the parent tells its children nothing: they look. Calls `end` once, within a fifth of a second. */
export function whenParentIsGone(parent: number, end: () => void): void {
  const looking = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(looking);
    end();
  }, 200);
  looking.unref();
}
