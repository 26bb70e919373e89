CREATE TABLE `events` (
	`seq` integer PRIMARY KEY NOT NULL,
	`body` text NOT NULL,
	`hash` text NOT NULL,
	`summary` text
);
--> statement-breakpoint
CREATE TABLE `relayed` (
	`id` integer PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `snapshots` (
	`seq` integer NOT NULL,
	`chunk` integer NOT NULL,
	`hash` text NOT NULL,
	`state` text NOT NULL,
	PRIMARY KEY(`seq`, `chunk`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `timers` (
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`due_at` integer NOT NULL,
	PRIMARY KEY(`kind`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `transfers` (
	`transfer` text PRIMARY KEY NOT NULL,
	`body_hash` text NOT NULL,
	`saga` text NOT NULL,
	`state` text NOT NULL,
	`answer` text NOT NULL,
	`legs` text NOT NULL,
	`charge` text,
	`pod` text,
	`at` text NOT NULL
) WITHOUT ROWID;
