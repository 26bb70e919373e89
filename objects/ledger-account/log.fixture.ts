import { DatabaseSync, type StatementSync } from "node:sqlite";
import { canonicalJson, chainHash, type EventBody, GENESIS_HASH } from "../../schema/events.ts";
import type { Result } from "../../schema/rejections.ts";
import type { StatementRange, StatementRecord } from "../../schema/rpc/account.ts";
import { EventLog } from "../kit/event-log.ts";
import { History } from "../kit/history.ts";
import { SEGMENTS } from "../kit/segments.ts";
import type { PhysicalAccount } from "./account.ts";
import { readStatement } from "./statement.ts";

/** A log in SQLite in memory, chained as an account chains it, for tests of what is read from it. */
export class LogFixture {
  readonly history: History;
  readonly head: number;
  readonly account: PhysicalAccount;

  constructor(account: PhysicalAccount, events: readonly EventBody[]) {
    const db = new DatabaseSync(":memory:");
    const statements = new Map<string, StatementSync>();
    const exec = (query: string, ...values: (string | number)[]) => {
      const statement = statements.get(query) ?? db.prepare(query);
      statements.set(query, statement);
      const rows = /^\s*SELECT/.test(query) ? statement.all(...values) : [];
      return { toArray: () => rows, one: () => rows[0], [Symbol.iterator]: () => rows[Symbol.iterator]() };
    };
    db.exec("CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL)");
    db.exec(SEGMENTS.sql);
    const insert = db.prepare("INSERT INTO events (seq, body, hash) VALUES (?, ?, ?)");
    let hash = GENESIS_HASH;
    for (const event of events) {
      const body = canonicalJson(event);
      hash = chainHash(hash, body);
      insert.run(Number(event.seq), body, hash);
    }
    this.account = account;
    this.head = events.length;
    const sql = { exec } as unknown as SqlStorage;
    const log = new EventLog(sql, `account/${account.name}`, { now: () => 0 }, { next: () => "evt_never" });
    this.history = new History(log, null);
  }

  statement(range: StatementRange): Promise<Result<StatementRecord>> {
    return readStatement(this.history, this.head, this.account, range);
  }

  /** The statement of these seqs; throws when it is refused. */
  async between(from_seq: number, to_seq: number): Promise<StatementRecord> {
    const read = await this.statement({ by: "seq", from_seq, to_seq });
    if (!read.ok) throw new Error(read.rejection.detail);
    return read.value;
  }
}
