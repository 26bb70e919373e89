/** Databases, and so files, that the local runtime keeps open for an actor that is awake: itself, its journal, its index. */
const FILES_AN_ACTOR = 3;
/** What they may take of all files a process may open: others are awake besides, and every connection is one. */
const SHARE = 0.6;

type Report = { userLimits?: { open_files?: { soft?: number | string } } };

const reportOfProcess = (): Report => {
  // Else it looks up the names of all connections' ends. Node's types do not know the setting yet.
  Object.assign(process.report, { excludeNetwork: true });
  return process.report.getReport() as Report;
};

/** Actors that may be woken at once by whoever asks after all of them; null where files are without end, or nobody says. */
export const mostAwake = (report: Report = reportOfProcess()): number | null => {
  const files = report.userLimits?.open_files?.soft;
  return typeof files === "number" ? Math.max(1, Math.floor((files * SHARE) / FILES_AN_ACTOR)) : null;
};
