import type pg from "pg";
import type { EventBody } from "../../schema/events.ts";
import { streamOf } from "../../schema/streams.ts";
import { ulid } from "../../tests/support/story.ts";

/** An event of a pod as the contract has it, so that either side tells about as much. */
export type PodEvent = EventBody<"pod.updated", { pod: string; name: string }>;

/** Makes a pod, whose maker owns it. Answers its id. */
export const openPod = async (
  pool: pg.Pool,
  { owner, name, members }: { owner: string; name: string; members: readonly string[] },
): Promise<string> => {
  const id = `pod_${ulid()}`;
  await pool.query(
    `WITH pod AS (INSERT INTO pods (id, owner, name) VALUES ($1, $2, $3))
     INSERT INTO members (pod, person, role) SELECT $1, $2, 'owner' UNION ALL SELECT $1, person, 'member' FROM unnest($4::text[]) AS person`,
    [id, owner, name, members],
  );
  return id;
};

export const isMember = async (pool: pg.Pool, pod: string, person: string): Promise<boolean> => {
  const { rowCount } = await pool.query({
    name: "member",
    text: "SELECT 1 FROM members WHERE pod = $1 AND person = $2",
    values: [pod, person],
  });
  return rowCount === 1;
};

/** Names a pod anew, with the event that says so in the same commit. Null: there is no such pod of theirs. */
export const renamePod = async (
  pool: pg.Pool,
  { pod, person, name }: { pod: string; person: string; name: string },
): Promise<PodEvent | null> => {
  const [id, correlation] = [`evt_${ulid()}`, `req_${ulid()}`];
  const { rows } = await pool.query<{ seq: string | null; recorded_at: Date }>({
    name: "rename",
    text: "SELECT * FROM pod_rename($1, $2, $3, $4, $5)",
    values: [pod, person, name, id, correlation],
  });
  const [row] = rows;
  if (row === undefined || row.seq === null) return null;
  const recorded_at = row.recorded_at.toISOString();
  return {
    stream: streamOf.pod(pod),
    seq: row.seq,
    id,
    type: "pod.updated",
    version: "1",
    recorded_at,
    effective_at: recorded_at,
    correlation,
    causation: null,
    principal: { user: person, client_id: "baseline" },
    data: { pod, name },
  };
};
