CREATE TABLE `commands` (
	`subject` text NOT NULL,
	`command` text NOT NULL,
	`key` text NOT NULL,
	`request` text NOT NULL,
	`answer` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`subject`, `command`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `commands_at` ON `commands` (`at`);--> statement-breakpoint
CREATE TABLE `creation` (
	`id` integer PRIMARY KEY NOT NULL,
	`request` text NOT NULL,
	`answer` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `invitations` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`invitation` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `permits` (
	`saga` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`admitted` text,
	`announced` text,
	`ended` text
) WITHOUT ROWID;
--> statement-breakpoint
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
CREATE TABLE `subject_keys` (
	`subject` text PRIMARY KEY NOT NULL,
	`key_id` text NOT NULL,
	`wrapped` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `timers` (
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`due_at` integer NOT NULL,
	PRIMARY KEY(`kind`, `key`)
) WITHOUT ROWID;
