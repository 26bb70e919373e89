CREATE TABLE `commands` (
	`scope` text PRIMARY KEY NOT NULL,
	`target` text NOT NULL,
	`request` text NOT NULL,
	`request_id` text NOT NULL,
	`status` text NOT NULL,
	`answer` text,
	`created_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `cut_transfers` (
	`epoch` integer NOT NULL,
	`transfer` text NOT NULL,
	`legs` text NOT NULL,
	PRIMARY KEY(`epoch`, `transfer`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `directory` (
	`stream` text PRIMARY KEY NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `inbox` (
	`provider` text NOT NULL,
	`event` text NOT NULL,
	`saga` text NOT NULL,
	`type` text NOT NULL,
	`payload` text NOT NULL,
	`received_at` integer NOT NULL,
	`fate` text NOT NULL,
	PRIMARY KEY(`provider`, `event`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `reports` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`doc` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `sagas` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`status` text NOT NULL,
	`open_tag` integer,
	`scope` text,
	`doc` text NOT NULL
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
